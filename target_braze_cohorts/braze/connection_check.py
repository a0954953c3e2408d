"""`--check`: whether a run would get through to Braze. It sends nothing that changes anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from braze_mixpanel.errors import TemporaryError
from braze_mixpanel.http.credentials_check import ask_again_if_busy
from target_braze_cohorts.braze.delivery import Sender, probe

if TYPE_CHECKING:
    from target_braze_cohorts.braze.client import BrazeClient


def check_account(client: BrazeClient) -> str:
    """Ask Braze whether it knows the credentials, and once more if it is only busy.

    Args:
        client: With `CHECK_TIMEOUTS`.

    Returns:
        What is good, in one line.

    Raises:
        SettingsError: Braze, or the certificate, says no; or whoever answers is not Braze.
        TemporaryError: There is no Braze to be had.
    """
    answer = ask_again_if_busy(
        client.probe,
        has_answered=lambda answer: bool(answer.status),
        is_busy=lambda answer: answer.passing,
    )
    if not answer.status:
        raise TemporaryError(
            f"Braze cannot be reached ({answer.message}). Check the network, a proxy "
            "(HTTPS_PROXY), and instance or rest_endpoint. Tried for a few seconds only; nothing "
            "was sent."
        )
    if answer.passing:
        raise TemporaryError(
            f"{client.endpoint} is there but cannot answer now (status {answer.status}). Try again "
            "later."
        )
    probe(lambda: answer, Sender(client.credentials, 0))
    return (
        f"All is well: {client.endpoint} takes {client.credentials}, and the membership database "
        "can be used. Nothing was sent."
    )
