"""Check the credentials for `--check`, without changing data in Braze."""

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
    """Check that Braze accepts the credentials. If Braze is busy, check once more.

    Args:
        client: A client with `CHECK_TIMEOUTS`.

    Returns:
        The result in one line.

    Raises:
        SettingsError: Braze rejects the credentials, its certificate is not trusted, or the
            response does not come from Braze.
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
            result="The check tried for a few seconds only. Nothing was sent.",
        )
    if answer.is_temporary:
        raise TemporaryError(
            f"{client.endpoint} cannot answer now (status {answer.status}). Try again later."
        )
    judge(answer, client)
    require_braze(answer)
    return (
        f"All is well: {client.endpoint} accepts {client.credentials}, and the membership "
        "database can be used. Nothing was sent."
    )
