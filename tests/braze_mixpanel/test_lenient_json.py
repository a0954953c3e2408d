"""JSON that is not strictly valid."""

from __future__ import annotations

import pytest

from braze_mixpanel.lenient_json import MOST_NESTED, decode_leniently


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a": 1e400, "b": NaN, "c": -Infinity}', {"a": None, "b": None, "c": None}),
        (b'{"a": 1' + b"0" * 5000 + b"}", {"a": None}),
        (
            b'{"a": "\\ud83d", "b": "\xff"}',
            {"a": "\N{REPLACEMENT CHARACTER}", "b": "\N{REPLACEMENT CHARACTER}"},
        ),
        (b'{"a": 18446744073709551616}', {"a": 2**64}),
    ],
    ids=lambda text: str(text)[:40],
)
def test_json_that_is_not_quite_json_is_read_as_far_as_it_goes(text, value) -> None:
    assert decode_leniently(text) == value


@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_what_is_nested_beyond_all_measure_is_cut_off_and_the_rest_kept(brackets) -> None:
    opening, closing = ("[", "]") if brackets == "[]" else ('{"k":', "}")
    deep = opening * 5000 + "1" + closing * 5000
    value = decode_leniently(f'{{"a":{deep},"b":"{{[[\\"","c":{deep}}}'.encode())
    assert value["b"] == '{[["'
    levels, inner = 0, value["c"]
    while not isinstance(inner, str):
        inner = inner[0] if brackets == "[]" else inner["k"]
        levels += 1
    assert inner == "(nested too deep)"
    assert levels == MOST_NESTED - 1
    with pytest.raises(ValueError, match="delimiter"):
        decode_leniently(b'{"a":' + b"[" * 5000)
