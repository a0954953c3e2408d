"""Interpret Braze's responses: final, retry, or an error that no retry can fix. Pure.

Source: the errors of the partner cohort import and of `/users/track` in Braze's API reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from braze_mixpanel.errors import InputError, SettingsError, TemporaryError
from braze_mixpanel.http.failures import credentials_refused, unreachable
from braze_mixpanel.http.send_loop import TryAgain
from target_braze_cohorts.braze.client import ADDRESS_SETTINGS

if TYPE_CHECKING:
    from target_braze_cohorts.braze.braze_answer import BrazeAnswer
    from target_braze_cohorts.braze.client import BrazeClient

HALVED: Final = frozenset({400, 413})
"""Statuses about the data of a person (400) or about too much data (413): halves may succeed."""
UNAUTHORIZED: Final = frozenset({401, 403})
LOCKED: Final = 423
TOO_MANY_REQUESTS: Final = 429


class CohortRefusedError(InputError):
    """Braze refuses a cohort. The run continues with the others."""


class EveryMemberRefusedError(CohortRefusedError):
    """Braze takes requests for a list, but refuses every person who is to be added to it."""


class CohortLockedError(TemporaryError):
    """Braze has locked a cohort for another update. The run continues with the others."""


def judge(answer: BrazeAnswer, client: BrazeClient) -> TryAgain | None:
    """Return what to do after a response, see `SendLoop.send`.

    Args:
        answer: The response.
        client: The client that sent the request, for messages.

    Returns:
        None for a final response: accepted, or a status in `HALVED`. Otherwise the retry.

    Raises:
        SettingsError: The credentials, the address or the request are wrong.
    """
    if answer.accepted or answer.status in HALVED:
        return None
    if not answer.is_temporary:
        raise _permanent_failure(answer, client)

    def failure(how_long: str) -> TemporaryError:
        return _outage(answer, client.endpoint, how_long)

    return TryAgain(describe(answer), answer.wait, failure)


def require_braze(answer: BrazeAnswer) -> None:
    """Check that a response comes from Braze.

    Raises:
        SettingsError: The response comes from another service or a proxy.
    """
    if not answer.from_braze:
        raise _not_braze(answer)


def describe(answer: BrazeAnswer) -> str:
    """Return a short description of a response, without text that may contain a person's id."""
    if answer.status in UNAUTHORIZED or not answer.status:
        return f"{answer.status or 'no answer'}: {answer.message}"
    return f"status {answer.status}"


def _outage(answer: BrazeAnswer, endpoint: str, how_long: str) -> TemporaryError:
    if answer.status == LOCKED:
        return CohortLockedError(f"locked in Braze {how_long}")
    if not answer.status:
        return unreachable(
            endpoint,
            f"{answer.message}, {how_long}",
            address=ADDRESS_SETTINGS,
            result="What Braze acknowledged is kept: run again for the rest.",
        )
    return TemporaryError(
        f"{endpoint}: {describe(answer)}, {how_long}. What Braze acknowledged is kept: run again "
        "later for the rest."
    )


def _permanent_failure(answer: BrazeAnswer, client: BrazeClient) -> SettingsError:
    if answer.is_success:
        return _not_braze(answer)
    if answer.status in UNAUTHORIZED:
        return credentials_refused(
            "Braze", describe(answer), credentials=client.credentials, address=ADDRESS_SETTINGS
        )
    return SettingsError(
        f"Braze does not know this request ({describe(answer)}). Check {ADDRESS_SETTINGS}, and "
        "partner_name."
    )


def _not_braze(answer: BrazeAnswer) -> SettingsError:
    return SettingsError(
        f"The answer (status {answer.status}) is not Braze's: another service is there, or a proxy "
        f"answers in its place. Check {ADDRESS_SETTINGS}, and HTTPS_PROXY."
    )
