"""What shows that a list came to its end, and what does not."""

from __future__ import annotations

import pytest

from target_braze_cohorts.intake.completeness import StreamEvidence


def evidence(*events):
    """Report messages to the evidence of a members stream under the parent `cohorts`."""
    found = StreamEvidence("cohort_members", {"cohorts"})
    for event in events:
        if event == "renamed":
            continue
        if event == "schema":
            found.saw_schema("people" if events[0] == "renamed" else "cohort_members")
        elif event == "record":
            found.saw_record()
        elif event == "activate":
            found.saw_activate_version()
        else:
            found.saw_state(event)
    return found.complete


def at(stream):
    return {"currently_syncing": stream}


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([at("cohorts"), "schema", "record", {}], id="tap-mixpanel's own end"),
        pytest.param([at("cohorts"), "schema", {}], id="its end with no member at all"),
        pytest.param([at("cohorts"), "schema", "record", at("funnels")], id="moved on"),
        pytest.param([at("cohort_members"), "schema", "record", at("cohorts")], id="to the parent"),
        pytest.param(["schema", at("cohort_members"), "record", {"bookmarks": {}}], id="gone"),
        pytest.param(["schema", "record", "activate"], id="activate version"),
        pytest.param(["activate", "record", "activate"], id="activated before and after"),
        pytest.param(
            ["schema", "activate", "record", "schema", "activate", "record", "activate"],
            id="each parent activated before, all of them after",
        ),
        pytest.param(["schema", "record", "schema", "record", "activate"], id="schema repeated"),
        pytest.param(["schema", at("engage"), "record", {}], id="records under another name"),
        pytest.param(["renamed", at("people"), "schema", "record", at("cohorts")], id="renamed"),
    ],
)
def test_this_shows_the_end(events):
    assert evidence(*events)


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([at("cohorts"), "schema", "record"], id="end of input"),
        pytest.param([at("engage"), {}, at("cohorts"), "schema", "record"], id="an earlier end"),
        pytest.param([at("cohorts"), {}, "schema"], id="an end before the beginning"),
        pytest.param([at("cohorts"), "schema", "record", at("cohorts")], id="still the same"),
        pytest.param(["schema", at("engage"), at("cohorts")], id="moving on to the parent"),
        pytest.param(["schema", at("engage"), at("cohort_members")], id="moving on to itself"),
        pytest.param(["renamed", "schema", at("engage"), at("people")], id="to itself, renamed"),
        pytest.param(["schema", "record", {"bookmarks": {}}], id="a tap that never says where"),
        pytest.param(["schema", "activate"], id="activated without a record"),
        pytest.param(["schema", at("engage"), {}], id="the end of another stream"),
        pytest.param(["schema", "activate", "record"], id="activated before the records"),
        pytest.param(
            ["schema", "activate", "record", "schema", "activate"],
            id="the next parent activated before its records, as the Singer SDK does",
        ),
        pytest.param(["schema", "record", "activate", "schema"], id="another parent after the end"),
        pytest.param([at("cohorts"), "schema", "record", {}, "schema"], id="schema after the end"),
        pytest.param([at("cohorts"), "schema", {}, "record"], id="records after the end"),
    ],
)
def test_this_does_not(events):
    assert not evidence(*events)
