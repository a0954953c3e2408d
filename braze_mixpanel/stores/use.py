"""Describe the use of a store: the settings that errors name, and the rights it needs."""

from __future__ import annotations

from typing import NamedTuple


class Use(NamedTuple):
    """One use of a store.

    Attributes:
        url: The setting with the URL, such as `storage_url`.
        options: The setting with the credentials and options.
        writes: Whether objects are written, or only listed and read.
    """

    url: str
    options: str
    writes: bool = False

    @property
    def done(self) -> str:
        """The action that fails with the store, as a participle."""
        return "written" if self.writes else "read"

    @property
    def rights(self) -> str:
        """The rights that the credentials need."""
        return "to write" if self.writes else "to list and to read"
