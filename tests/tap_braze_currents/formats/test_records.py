"""Values in the JSON type of the catalog."""

from __future__ import annotations

import pytest

from tap_braze_currents.formats.records import convert


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12345, "12345"),
        (12345.0, "12345"),
        (-5.0, "-5"),
        (1.5, "1.5"),
        (1e22, "1e22"),
        ("12345.0", "12345.0"),
    ],
)
def test_one_number_has_one_text_however_it_is_written(value: object, text: str) -> None:
    assert convert(value, "double", "string") == text


@pytest.mark.parametrize("value", [12345, 12345.0])
def test_a_whole_number_has_no_fraction_where_an_integer_is_wanted(value: float) -> None:
    assert repr(convert(value, "double", "integer")) == "12345"
