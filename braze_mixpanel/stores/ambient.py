"""Hide credentials in the environment if the settings have credentials.

obstore reads the environment in addition to its options. A session token in the environment would
be combined with the key in the settings, and a bearer token would replace the key.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_CREDENTIALS: Final = {
    "AWS_": re.compile("KEY|SECRET|TOKEN|SIGNATURE|ROLE|CONTAINER|IDENTITY|UNSIGNED|STS"),
    "AZURE_": re.compile("KEY|SAS|TOKEN|SIGNATURE|EMULATOR|CONNECTION|CLI$|FABRIC|CLIENT|TENANT"),
    "GOOGLE_": re.compile("CREDENTIALS|SERVICE_ACCOUNT|SIGNATURE|TOKEN"),
}
"""Prefix of a cloud's variables → a pattern for the names of variables with credentials."""
_OF_A_CLIENT: Final = frozenset({"client_id", "client_secret", "tenant_id"})
"""Parts of one credential of Azure. Some may come from the settings, others from the
environment."""


@contextmanager
def without_other_credentials(prefix: str, options: Collection[str]) -> Iterator[None]:
    """Hide the credentials in the environment during the block, if the options have credentials.

    Args:
        prefix: `AWS_`, `AZURE_` or `GOOGLE_`.
        options: The names of obstore's options that are set.
    """
    hidden = {}
    if _names_credentials(options):
        for name in list(os.environ):
            if not name.upper().startswith(prefix) or not _CREDENTIALS[prefix].search(name.upper()):
                continue
            if _OF_A_CLIENT & set(options) and re.search("CLIENT|TENANT", name.upper()):
                continue
            hidden[name] = os.environ.pop(name)
    try:
        yield
    finally:
        os.environ.update(hidden)


def _names_credentials(options: Collection[str]) -> bool:
    """Return whether some of these options identify the caller."""
    words = ("key", "secret", "token", "skip_signature", "credential", "service_account")
    return any(word in option for option in options for word in words)
