"""Check the credentials for `--check`, without importing an event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from braze_mixpanel.errors import TemporaryError
from braze_mixpanel.http.credentials_check import ask_again_if_busy
from braze_mixpanel.http.failures import unreachable
from target_mixpanel.sending.client import ADDRESS_SETTINGS
from target_mixpanel.sending.delivery import PROBE, require_good_probe
from target_mixpanel.sending.outcomes import NO_ANSWER, Retry, interpret

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_mixpanel.sending.client import MixpanelClient


def check_account(client: MixpanelClient, now: Callable[[], float]) -> str:
    """Check whether Mixpanel accepts the credentials. If Mixpanel is busy, check once more.

    Args:
        client: A client with `CHECK_TIMEOUTS`.
        now: Returns the present time in UNIX seconds.

    Returns:
        The result, in one line.

    Raises:
        SettingsError: Mixpanel rejects the credentials, or its certificate is not trusted.
        TemporaryError: Mixpanel cannot be reached or is busy.
    """
    answer = ask_again_if_busy(
        lambda: client.import_events(PROBE),
        has_answered=lambda answer: answer.status != NO_ANSWER,
        is_busy=lambda answer: isinstance(interpret(answer, 1), Retry),
    )
    outcome = interpret(answer, 1)
    if isinstance(outcome, Retry) and answer.status == NO_ANSWER:
        raise unreachable(
            client.url,
            outcome.message,
            address=ADDRESS_SETTINGS,
            result="The check tried for a few seconds only. Nothing was sent.",
        )
    if isinstance(outcome, Retry):
        raise TemporaryError(f"{client.url} cannot answer now: {outcome.message}. Try again later.")
    require_good_probe(answer, client.credentials, now())
    credentials = client.credentials
    project = f" for project {credentials.project_id}" if credentials.project_id else ""
    return f"All is well: {client.url} accepts the {credentials.kind}{project}. Nothing was sent."
