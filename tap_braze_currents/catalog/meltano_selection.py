"""Which streams Meltano's `select` selects, for commands that Meltano runs without their catalog.

Meltano makes a catalog for a run only. `meltano invoke tap-braze-currents --test` and `--changes`
get the one that the last run left behind, from whichever environment, or none. But Meltano also
passes `select` itself, in an environment variable:
https://docs.meltano.com/guide/integration#pipeline-environment-variables
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "MELTANO_EXTRACT__SELECT"
OWN_CATALOG = "MELTANO_EXTRACT__CATALOG"


@dataclass(frozen=True)
class MeltanoSelection:
    """The ids of the streams that patterns of `select` select.

    Attributes:
        patterns: Such as `users_messages_email_*.*` and `!users_messages_email_send.*`.
    """

    patterns: tuple[str, ...]

    def __contains__(self, stream: object) -> bool:
        """Return whether a stream is selected: by one pattern, and left out by none."""
        taken, left_out = False, False
        for pattern in self.patterns:
            # No stream of this tap has a dot in its id.
            name, _, field = pattern.removeprefix("!").partition(".")
            if fnmatchcase(str(stream), name):
                if not pattern.startswith("!"):
                    taken = True
                elif field in {"", "*"}:  # `!stream.field` leaves out the field alone
                    left_out = True
        return taken and not left_out


def meltano_selection(environment: Mapping[str, str]) -> MeltanoSelection | None:
    """Return what `select` of the Meltano project selects.

    Args:
        environment: Environment variables of this process.

    Returns:
        None if Meltano did not start it, or if the project brings a catalog of its own, to which
        Meltano does not apply `select` either.
    """
    if environment.get(OWN_CATALOG):
        return None
    try:
        patterns = json.loads(environment.get(VARIABLE, ""))
    except ValueError:
        return None
    if not isinstance(patterns, list):
        return None
    return MeltanoSelection(tuple(pattern for pattern in patterns if isinstance(pattern, str)))
