"""`--check`: whether a run would get through to Mixpanel. It imports nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from braze_mixpanel.errors import TemporaryError
from target_mixpanel.client import SSL_PROBLEM, certificate_problem
from target_mixpanel.delivery import PROBE, require_good_probe
from target_mixpanel.outcomes import NO_ANSWER, Retry, interpret

if TYPE_CHECKING:
    from target_mixpanel.client import MixpanelClient

TIMEOUTS: Final = (3.0, 5.0)
"""Seconds for a connection and for an answer: somebody is waiting at the screen."""
_PAUSE_SECONDS: Final = 1.0


def check_account(client: MixpanelClient) -> str:
    """Ask Mixpanel whether it knows the credentials, and once more if it is only busy.

    Args:
        client: With `TIMEOUTS`.

    Returns:
        What is good, in one line.

    Raises:
        SettingsError: Mixpanel, or the certificate, says no.
        TemporaryError: There is no Mixpanel to be had.
    """
    began = time.monotonic()
    answer = client.import_events([PROBE])
    outcome = interpret(answer, 1)
    has_failed_soon = answer.status != NO_ANSWER or time.monotonic() - began < _PAUSE_SECONDS
    if isinstance(outcome, Retry) and has_failed_soon:
        time.sleep(_PAUSE_SECONDS)
        answer = client.import_events([PROBE])
        outcome = interpret(answer, 1)
    if answer.problem == SSL_PROBLEM:
        raise certificate_problem(client.url)
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
