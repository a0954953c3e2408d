"""`--check`: whether a run would get through to Mixpanel. It imports nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from braze_mixpanel.errors import TemporaryError
from braze_mixpanel.http.credentials_check import ask_again_if_busy
from target_mixpanel.sending.delivery import PROBE, require_good_probe
from target_mixpanel.sending.outcomes import NO_ANSWER, Retry, interpret

if TYPE_CHECKING:
    from target_mixpanel.sending.client import MixpanelClient


def check_account(client: MixpanelClient) -> str:
    """Ask Mixpanel whether it knows the credentials, and once more if it is only busy.

    Args:
        client: With `CHECK_TIMEOUTS`.

    Returns:
        What is good, in one line.

    Raises:
        SettingsError: Mixpanel, or the certificate, says no.
        TemporaryError: There is no Mixpanel to be had.
    """
    answer = ask_again_if_busy(
        lambda: client.import_events([PROBE]),
        has_answered=lambda answer: answer.status != NO_ANSWER,
        is_busy=lambda answer: isinstance(interpret(answer, 1), Retry),
    )
    outcome = interpret(answer, 1)
    if isinstance(outcome, Retry) and answer.status == NO_ANSWER:
        raise TemporaryError(
            f"{client.url} cannot be reached: {outcome.message}. Check the network, a proxy "
            "(HTTPS_PROXY), and region or api_url. Tried for a few seconds only; nothing was sent."
        )
    if isinstance(outcome, Retry):
        raise TemporaryError(
            f"{client.url} is there but cannot answer now: {outcome.message}. Try again later."
        )
    require_good_probe(answer, client.credentials)
    credentials = client.credentials
    project = f" for project {credentials.project_id}" if credentials.project_id else ""
    return f"All is well: {client.url} takes the {credentials.kind}{project}. Nothing was sent."
