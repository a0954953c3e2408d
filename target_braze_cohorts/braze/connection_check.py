"""Checks the credentials for `--check`, without changing anything in Braze."""

from __future__ import annotations

from typing import TYPE_CHECKING

from braze_mixpanel.errors import TemporaryError
from braze_mixpanel.http.credentials_check import ask_again_if_busy
from braze_mixpanel.http.failures import unreachable
from target_braze_cohorts.braze.client import ADDRESS_SETTINGS
from target_braze_cohorts.braze.outcomes import judge, require_braze

if TYPE_CHECKING:
    from target_braze_cohorts.braze.client import BrazeClient


def check_account(client: BrazeClient) -> str:
    """Check that Braze accepts the credentials; ask once more if it is busy.

    Args:
        client: With `CHECK_TIMEOUTS`.

    Returns:
        The result, in one line.

    Raises:
        SettingsError: Braze refuses the credentials, its certificate is not trusted, or the answer
            is not Braze's.
        TemporaryError: Braze cannot be reached or is busy.
    """
    answer = ask_again_if_busy(
        client.probe,
        has_answered=lambda answer: bool(answer.status),
        is_busy=lambda answer: answer.is_temporary,
    )
    if not answer.status:
        raise unreachable(
            client.endpoint,
            answer.message,
            address=ADDRESS_SETTINGS,
            result="Tried for a few seconds only; nothing was sent.",
        )
    if answer.is_temporary:
        raise TemporaryError(
            f"{client.endpoint} cannot answer now (status {answer.status}). Try again later."
        )
    judge(answer, client)
    require_braze(answer)
    return (
        f"All is well: {client.endpoint} takes {client.credentials}, and the membership database "
        "can be used. Nothing was sent."
    )
