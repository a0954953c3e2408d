"""Names are coded short, and come back exactly."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tap_braze_currents.bucket.layout import FileKey, paths_in, shift
from tap_braze_currents.planning.coded_names import decode_names, encode_names

NAMES = (
    st.builds("{}+{:010d}".format, st.integers(0, 12), st.integers(0, 10**11))
    | st.builds("{}+{}".format, st.integers(0, 2), st.integers(0, 30))
    | st.sampled_from(["a b.json", "0+1 | 2", "+1", "0+", "00+0001", "x+1", "0>1", "1*2", "ä.avro"])
)
PLACES = st.tuples(
    st.sampled_from(["i/1/z", "i/2/z", "", "i/date=2026-11-01"]),
    st.integers(0, 60).map(lambda hours: shift("2026-11-01-00", hours)),
)
FOUND = st.dictionaries(PLACES, st.sets(NAMES, min_size=1, max_size=12), max_size=8)


@given(FOUND)
def test_names_come_back_exactly(names):
    coded = json.loads(json.dumps(encode_names(names)))

    assert decode_names(coded) == names


@given(FOUND, st.randoms())
def test_the_order_of_names_does_not_change_the_code(names, random):
    items = [(place, random.sample(sorted(found), len(found))) for place, found in names.items()]
    random.shuffle(items)

    assert encode_names(dict(items)) == encode_names(names)


@given(FOUND)
def test_many_paths_are_made_like_single_ones(names):
    for (folder, hour), found in names.items():
        expected = [FileKey(hour, folder, name).path("a.B") for name in sorted(found)]
        assert list(paths_in("a.B", folder, hour, sorted(found))) == expected


def test_what_a_person_sees():
    names = {
        ("i/1/z", "2026-11-01-06"): ["0+0000507779", "0+0000508302", "1+0000000100"],
        ("i/1/z", "2026-11-01-07"): [f"0+{508_402 + 100 * n:010d}" for n in range(4)],
    }

    assert encode_names(names) == [
        {
            "folder": "i/1/z",
            "day": "2026-11-01",
            "hours": "06 0+0000507779 ej 1+0000000100 | 07 0>2s 2s*3",
        }
    ]


def test_ninety_thousand_names_take_four_characters_each():
    size = 0
    for stream in range(54):
        names: dict[tuple[str, str], list[str]] = {}
        offset = 1000 * stream
        for hour in range(49):
            place = (
                "dataexport.prod-01.S3.integration.5f2a/158/prod-01",
                shift("2026-11-01-00", hour),
            )
            names[place] = []
            for number in range(36):
                offset += 20 + 7 * (number * stream % 100)
                names[place].append(f"0+{offset:010d}")
        size += len(json.dumps(encode_names(names), separators=(",", ":")))

    assert size < 400_000
