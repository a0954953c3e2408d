"""Read the options of a store. Each option is used, ignored on purpose, or rejected."""

from __future__ import annotations

import difflib
import re
from datetime import timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.identifiers import exact_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from braze_mixpanel.stores.use import Use

IGNORED = frozenset(
    [
        "access",
        "assume_container_exists",
        "asynchronous",
        "auto_mkdir",
        "batch_size",
        "blocksize",
        "cache_regions",
        "cache_timeout",
        "check_connection",
        "consistency",
        "default_block_size",
        "default_cache_type",
        "default_fill_cache",
        "default_location",
        "fixed_upload_size",
        "listings_expiry_time",
        "location_mode",
        "loop",
        "max_concurrency",
        "max_paths",
        "secure_serialize",
        "session_kwargs",
        "skip_instance_cache",
        "use_listings_cache",
        "version_aware",
    ]
)
"""Names that older versions passed on to fsspec. They set up caches and writing: nothing here."""


_NAME = re.compile("[A-Za-z0-9._-]+")
_LEAST_SECONDS = 1e-3
MOST_SECONDS = 7 * 86_400
MOST_TIMES = 1_000
_UNITS = {
    **dict.fromkeys(("ms", "msec"), 1e-3),
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86_400.0),
}
"""Of obstore's durations, such as `2h 37min`."""
_LONGEST_DURATION = 50


def seconds_of(value: object) -> float | None:
    """Read a duration: a number, also as a text, or obstore's `2h 37min`.

    Args:
        value: As set.

    Returns:
        Seconds, which may be below 0 or not finite; None if it is no duration.
    """
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    text = str(value).strip()[:_LONGEST_DURATION]
    try:
        return float(text)
    except ValueError:
        parts = re.findall(r"([0-9]+) *([a-z]+)|(\S)", text)
    if not parts or any(rest or unit not in _UNITS for _, unit, rest in parts):
        return None
    return sum(int(number) * _UNITS[unit] for number, unit, _ in parts)


class Options:
    """The options of one store. Each option is taken once, and `finish` rejects the rest."""

    def __init__(
        self, options: Mapping[str, Any], known: Iterable[str], use: Use, place: str = ""
    ) -> None:
        """Copy the options.

        Args:
            options: The options. A null option counts as not set.
            known: All names that can be taken, for the hint in an error.
            use: The names of the settings, for errors.
            place: The path of these options in the setting. Empty: the top level.
        """
        self._left = {name: value for name, value in options.items() if value is not None}
        self._known = [*known]
        self.use = use
        self.place = place or use.options

    def take(self, *names: str) -> object:
        """Return the value of the first of these names that is set, or None."""
        found = [self._left.pop(name) for name in names if name in self._left]
        return found[0] if found else None

    def text(self, *names: str) -> str | None:
        """Return a text that is valid in a URL and in an HTTP header.

        Raises:
            SettingsError: The text has blanks, line ends or characters that are not ASCII.
        """
        value = self.take(*names)
        text = "" if value is None else str(value).strip()
        if not text.isascii() or not text.isprintable() or " " in text:
            raise SettingsError(
                f"{self.place}.{names[0]} holds a blank, a line end or a character that is not "
                "ASCII: was it copied completely?"
            )
        return text or None

    def nested(self, name: str, known: Iterable[str]) -> Options:
        """Return the options below a name.

        Raises:
            SettingsError: It is no object.
        """
        return Options(self.mapping(name), known, self.use, f"{self.place}.{name}")

    def mapping(self, name: str) -> dict[str, Any]:
        """Return the object below a name, empty if there is none.

        Raises:
            SettingsError: It is no object.
        """
        value = self.take(name)
        if value is not None and not isinstance(value, dict):
            raise SettingsError(f"{self.place}.{name} must be an object.")
        return value or {}

    def seconds(self, *names: str, least: float = _LEAST_SECONDS) -> timedelta | None:
        """Return the first of these names that is set, as a duration.

        Args:
            names: Other names of the same option.
            least: The shortest, in seconds.

        Raises:
            SettingsError: It is no duration, shorter, or longer than a week.
        """
        set_names = [name for name in names if name in self._left]
        value = self.take(*names)
        if value is None:
            return None
        seconds = seconds_of(value)
        if seconds is None or not least <= seconds <= MOST_SECONDS:
            above = "at least 0" if least == 0 else "more than 0"
            raise SettingsError(
                f"{self.place}.{set_names[0]} must be a number of seconds, {above} and at most "
                f"{MOST_SECONDS}, or a duration such as 30s."
            )
        return timedelta(seconds=seconds)

    def whole_number(self, *names: str) -> int | None:
        """Return the first of these names that is set, as a whole number from 0 on.

        Raises:
            SettingsError: It is none, or larger than `MOST_TIMES`.
        """
        set_names = [name for name in names if name in self._left]
        value = self.take(*names)
        if value is None:
            return None
        number = exact_count(value)
        if number is None or number > MOST_TIMES:
            raise SettingsError(
                f"{self.place}.{set_names[0]} must be a whole number from 0 to {MOST_TIMES}."
            )
        return number

    def switch(self, name: str) -> bool | None:
        """Return a switch.

        Raises:
            SettingsError: It is neither true nor false.
        """
        value = self.take(name)
        if value is None:
            return None
        if str(value).strip().lower() not in {"true", "false", "1", "0", "yes", "no"}:
            raise SettingsError(f"{self.place}.{name} must be true or false.")
        return is_true(str(value).strip())

    def rest(self, names: Iterable[str]) -> dict[str, Any]:
        """Take all of these names that are set."""
        return {name: self._left.pop(name) for name in names if name in self._left}

    def finish(self) -> None:
        """Raise if an option was not taken.

        Raises:
            SettingsError: This store does not have such an option.
        """
        for name in self._left:
            if name in IGNORED:
                continue
            close = difflib.get_close_matches(name, [*self._known, *IGNORED], n=1)
            known = ", ".join(sorted(self._known)) or "none"
            hint = f"did you mean {close[0]}?" if close else f"it knows {known}."
            raise SettingsError(f"{self.place} has no {name} for this {self.use.url}: {hint}")


def endpoint_of(url: str | None, use: Use) -> str | None:
    """Check the URL of a service.

    Args:
        url: The URL.
        use: Names the setting in the error.

    Raises:
        SettingsError: It is no http or https URL of a host and, perhaps, a port.
    """
    if not url:
        return None
    from braze_mixpanel.http.safe_url import host_of  # noqa: PLC0415 - loads urllib3

    if not url.startswith(("http://", "https://")):
        raise SettingsError(
            f"The endpoint {url!r} in {use.options} or the environment must begin with https:// or "
            "http://."
        )
    host = host_of(url)
    # With other hosts, obstore would panic and print a stack trace.
    as_written = url.isascii() and host.lower() in url.lower()  # not decoded from %41
    if not as_written or not (_is_ip_address(host) or _is_name(host)):
        raise SettingsError(
            f"The endpoint {url!r} in {use.options} or the environment is not a URL: check its "
            "host and port."
        )
    return url.rstrip("/")


def _is_name(host: str) -> bool:
    """Return whether a host is a name; one that ends in a number is an address, says WHATWG."""
    return bool(_NAME.fullmatch(host)) and not host.rstrip(".").rpartition(".")[2].isdigit()


def _is_ip_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return "%" not in host  # a zone, as in [::1%eth0]


def is_true(value: object) -> bool:
    """Read a switch, also one that was given as a text."""
    return str(value).lower() in {"true", "1", "yes", "requester"}
