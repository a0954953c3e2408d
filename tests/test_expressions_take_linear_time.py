"""No regular expression takes time that grows with the square of what comes from outside."""

from __future__ import annotations

import importlib
import re
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from braze_mixpanel.settings import redaction
from braze_mixpanel.stores import options, service_answers, store_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[1]
PACKAGES = (
    *("braze_mixpanel", "tap_braze_currents", "tap_mixpanel_cohorts"),
    *("target_mixpanel", "target_braze_cohorts"),
)
SIZES = (12_500, 25_000, 50_000)
MOST_SECONDS = 1.0
"""For the largest size; linear time takes some milliseconds, a square some seconds at least."""
UNITS = ("a", "A", "1", " ", "\n", "\\", '"', "<", ":", "/", ".", "@", "-", "_", "=", "\xe9")
ENDS = ("", "!\0")

Seeds = tuple[tuple[str, str, str], ...]
"""What comes before, what is repeated, and what comes behind."""
TABLE: dict[str, dict[str, tuple[str, Seeds]]] = {
    "braze_mixpanel.clean_text": {
        "_unfit_for_log": ("sub", (("", "\x1b", "a"),)),
        "_unfit_for_line": ("sub", (("", "\t\x1b", "a"),)),
    },
    "braze_mixpanel.identifiers": {"_match_count": ("fullmatch", (("1.", "0", "x"),))},
    "braze_mixpanel.settings.reading": {"_is_whole_number": ("fullmatch", (("+", "1", "x"),))},
    "braze_mixpanel.settings.redaction": {
        "_MAY_HOLD_SECRET": ("search", ()),
        "_url_user": ("sub", (("", "://a", ""), ("://", "a", ""), ("", "://", ""))),
        "_signature": ("sub", (("", "?sig=", ""), ("?sig=", "a", "<"), ("", "&key=a", ""))),
        "_authorization": ("sub", (("", "Basic ", ""), ("Bearer ", "a", "!"), ("", "Basic a", ""))),
        "_secret_variable": ("search", (("", "_SA", ""), ("", "CONNECTION_STRIN", ""))),
        "_names_a_file": ("search", (("", "_FILE", "x"),)),
    },
    "braze_mixpanel.singer.large_records": {
        "_has_record": ("search", (('"record"', " ", "x"), ("", '"record"  ', ""))),
    },
    "braze_mixpanel.settings.spellings": {
        "_percent_or_unicode": ("sub", (("", "%A", ""), ("", "\\u000", ""))),
    },
    "braze_mixpanel.lenient_json": {
        "_find_tokens": (
            "finditer",
            (
                ("", '"\\', ""),
                ('"', "\\\\", ""),
                ('"', "\\a", ""),
                ("", '"a', ""),
                ("", '"\\"', ""),
            ),
        ),
        "_match_inside": ("match", (("", "\\a", ""), ("", "a\\", ""))),
    },
    "braze_mixpanel.singer.message_reader": {
        "_has_record": ("search", (('"record"', " ", "x"), ("", '"record"  ', ""))),
        "_has_type": ("search", (('"type"', " ", "x"), ("", '"type" ', ""))),
        "_has_stream": ("search", (('"stream"', " ", "x"), ("", '"stream" ', ""))),
    },
    "braze_mixpanel.stores.options": {"_NAME": ("fullmatch", (("", "a.", " "),))},
    "braze_mixpanel.stores.place": {
        "_SCHEME": ("match", (("a", "+", ""), ("", "a.", " "))),
        "_NAME": ("fullmatch", (("", "a.", " "),)),
    },
    "braze_mixpanel.stores.service_answers": {
        "_STATUS": ("search", (("", "status code: ", ""), ("", "status code: 1", ""))),
        "_CODE": ("search", (("", "<Code>", ""), ("<Code>", "a", ""))),
        "_MESSAGE": ("search", (("", "<Messag", ""),)),
        "_DETAILS": ("search", (("", "<Detail", ""),)),
        "_URL": ("sub", (("", "http://", ""), ("", "https:/", ""))),
        "_IN_TIME": ("sub", (("", " in 1s", ""), (" in ", "1", ""), ("", " in 1s -", ""))),
        "_CAUSES": ("findall", (("", 'message: "', ""), ("", 'error: "a', ""), ("", "kind: ", ""))),
        "_BAD_SEGMENT": (
            "search",
            (("", 'path "', ""), ('path "', '"', ""), ("", 'Path "a" c', "")),
        ),
        "_TOKEN_REQUEST": ("search", (("", "token reques", ""),)),
    },
    "braze_mixpanel.stores.store_errors": {
        "_CODE_IN_TEXT": (
            "finditer",
            (("ErrorCode: ", "a", ""), ("", "ErrorCode:", ""), ("", "error occurred (a", "")),
        ),
        "_is_namelike": ("search", (("", "a:", " "),)),
    },
    "braze_mixpanel.times": {
        "_is_number": ("fullmatch", (("1.", "1", "x"),)),
        "_is_basic_date": ("fullmatch", ()),
        "_match_extended": ("fullmatch", (("2024-01-01T00:00:00.", "1", "x"),)),
        "_match_basic": ("fullmatch", (("20240101T000000.", "1", "x"),)),
    },
    "tap_braze_currents.bucket.layout": {
        "INTEGRATION_FOLDER": (
            "match",
            (("dataexport.", ".integration.", "/"), ("dataexport.", ".integration.a", "\n")),
        ),
        "_SHORT_NAME": ("fullmatch", (("", "a", "."),)),
        "_HOUR": ("match", ()),
    },
    "tap_braze_currents.formats.content": {
        "_MARKS": ("match", (("", " \ufeff", ""), ("\ufeff", " ", "a"), ("", "\ufeff", "a"))),
    },
    "tap_braze_currents.formats.json_text": {
        "_BLANK_LINES": ("match", (("\n", " ", "a"), ("", " \n", "a"))),
        "_LINE": ("match", (("", "a\n", ""),)),
        "_BETWEEN": ("match", (("", " \ufeff", "a"), ("\ufeff", " ", "a"))),
        "_SCALAR": ("match", ()),
    },
    "tap_braze_currents.planning.coded_names": {"_USUAL": ("fullmatch", (("1+", "1", "x"),))},
    "tap_mixpanel_cohorts.inbox.push": {"_WORD": ("fullmatch", ())},
    "tap_mixpanel_cohorts.query.client": {
        "_EMAIL": ("sub", (("", "a@", ""), ("a@", "a", ""), ("", "a@a ", ""))),
    },
    "target_braze_cohorts.intake.identity": {
        "_is_email": ("fullmatch", (("a@a", ".a", "@"), ("", "a@", ""), ("a@", "a.", ""))),
        "_is_phone": ("fullmatch", (("+1", "1", ""),)),
        "_drop_separators": ("sub", (("", "(-", "x"),)),
    },
    "target_braze_cohorts.run.planned_people": {
        "_email": ("fullmatch", (("", "a", "@a "), ("a", "@", ""), ("aa@", "a", " "))),
        "_phone": ("fullmatch", (("+11", "1", "x"),)),
    },
    "target_mixpanel.mapping.currents": {
        "_CAMEL_WORD": ("findall", (("", "Aa", ""), ("", "A", "a"), ("", "\u0661", ""))),
    },
    "target_mixpanel.mapping.placeholders": {"_is_placeholder_user": ("fullmatch", ())},
    "target_mixpanel.mapping.rules": {"_has_insert_id_form": ("fullmatch", ())},
}
INLINE: dict[str, tuple[int, Callable[[str], object]]] = {
    "braze_mixpanel.settings.redaction": (1, lambda text: redaction.secrets_in_urls(f"a://{text}")),
    "braze_mixpanel.stores.options": (1, options.seconds_of),
    "braze_mixpanel.stores.service_answers": (
        1,
        lambda text: service_answers.as_service_error(ValueError(text), "path"),
    ),
    "braze_mixpanel.stores.store_errors": (
        1,
        lambda text: store_errors.is_temporary(OSError(text), ""),
    ),
}
"""Expressions inside a function, which is tried as a whole."""
OF_THE_MACHINE = {"braze_mixpanel.stores.ambient": 4}
"""They see the names of environment variables only."""
_CALLS = re.compile(r"\bre\.(?:compile|match|search|sub|fullmatch|split|findall|finditer)\(")


def strings(seeds: Seeds, size: int) -> Iterator[str]:
    general = ((unit, end) for unit in UNITS for end in ENDS)
    for before, unit, behind in (*(("", unit, end) for unit, end in general), *seeds):
        yield before + unit * (size // len(unit)) + behind


def assert_linear(use: Callable[[Any], object], seeds: Seeds, *, as_bytes: bool = False) -> None:
    for size in SIZES:
        for text in strings(seeds, size):
            given = text.encode() if as_bytes else text
            began = time.process_time()
            use(given)
            assert time.process_time() - began < MOST_SECONDS, (size, text[:40], text[-10:])


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in TABLE.items() for name in names]
)
def test_an_expression_takes_linear_time(module, name) -> None:
    found = getattr(importlib.import_module(module), name)
    pattern = found if isinstance(found, re.Pattern) else found.__self__
    method, seeds = TABLE[module][name]
    if not isinstance(found, re.Pattern):
        assert found.__name__ == method
    call = getattr(pattern, method)
    is_bytes = isinstance(pattern.pattern, bytes)

    def use(text: Any) -> object:
        if method == "sub":
            return call(b"" if is_bytes else "", text)
        return list(call(text)) if method == "finditer" else call(text)

    assert_linear(use, seeds, as_bytes=is_bytes)


@pytest.mark.parametrize("module", INLINE)
def test_a_function_with_an_expression_inside_takes_linear_time(module) -> None:
    seeds = tuple(seed for _, some in TABLE.get(module, {}).values() for seed in some)
    dumps = tuple((f"\n\nDebug source:{before}", unit, end) for before, unit, end in seeds)
    assert_linear(INLINE[module][1], seeds + dumps)


def test_every_expression_of_the_five_packages_is_in_the_table() -> None:
    calls: Counter[str] = Counter()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            calls[module] += len(_CALLS.findall(path.read_text("utf-8")))
    known = Counter({module: len(names) for module, names in TABLE.items()})
    known.update({module: count for module, (count, _) in INLINE.items()})
    known.update(OF_THE_MACHINE)
    assert +calls == known
