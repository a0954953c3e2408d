"""Members named to Braze by e-mail address, phone number or Braze's own id."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_sdk.exceptions import ConfigValidationError

from braze_mixpanel.errors import ConnectorError, SettingsError
from target_braze_cohorts.intake.identity import CONTACTS, email_of, phone_of, track_identity
from target_braze_cohorts.target import TargetBrazeCohorts
from tests.fakes.fake_braze import FakeBraze, Fault
from tests.target_braze_cohorts.harness import (
    LENIENT,
    SCHEMAS,
    activate,
    by_attribute,
    cohort,
    full,
    line,
    member,
    run,
    settings,
)

PEOPLE = {
    "email": ["ann@example.com", "bob@example.org"],
    "phone": ["+491701234567", "+14155550100"],
    "braze_id": ["5f2a9c1e7b3d4a0012ab34cd", "5f2a9c1e7b3d4a0012ab34ce"],
}


def by(kind: str, **changes):
    return by_attribute(identifier=kind, attribute_value="id", **changes)


@pytest.mark.parametrize("kind", PEOPLE)
def test_members_are_named_by_that_key_alone_added_and_removed(braze, tmp_path, kind):
    first, second = PEOPLE[kind]
    run(braze, tmp_path, full({1: [first, second]}), **by(kind)).ok()
    assert braze.members("1") == {first, second}
    (request,) = braze.writes()
    assert [set(user) for user in request.body["attributes"]] == [
        {kind, "_update_existing_only", "mixpanel_cohorts"}
    ] * 2
    run(braze, tmp_path, full({1: [second]}), **by(kind), **LENIENT).ok()
    assert braze.members("1") == {second}


@pytest.mark.parametrize("kind", PEOPLE)
def test_people_whom_braze_does_not_know_are_not_made(braze, tmp_path, kind):
    first, second = PEOPLE[kind]
    braze.users = {first}
    run(braze, tmp_path, full({1: [first, second]}), **by(kind)).ok()
    assert braze.users == {first}


def test_the_address_comes_from_a_property_of_the_member_record(braze, tmp_path):
    lines = SCHEMAS + cohort(1, "VIP", 3)
    lines += member(1, "d1", **{"$email": "Ann@Example.com"})
    lines += member(1, "d2", mp_reserved_email="bob@example.org")
    lines += member(1, "d3", **{"$email": None})
    row = run(braze, tmp_path, lines, **by("email", external_id_property="$email")).ok().rows["1"]
    assert braze.members("1") == {"ann@example.com", "bob@example.org"}
    assert (row.counts.received, row.counts.without_identifier) == (3, 1)


def test_or_from_the_profiles_stream(braze, tmp_path):
    profile = {"distinct_id": "d1", "mp_reserved_phone": "+49 (170) 123-4567"}
    schema = {"type": "SCHEMA", "stream": "engage", "key_properties": []}
    lines = line({**schema, "schema": {"properties": {"distinct_id": {}}}})
    lines += line({"type": "RECORD", "stream": "engage", "record": profile})
    lines += full({1: ["d1"]})
    run(braze, tmp_path, lines, **by("phone", external_id_property="$phone")).ok()
    assert braze.members("1") == {"+491701234567"}


def test_another_spelling_of_an_address_neither_adds_nor_removes_the_person(braze, tmp_path):
    run(braze, tmp_path, full({1: ["Ann@Example.com ", "b@example.com"]}), **by("email")).ok()
    before = len(braze.writes())
    run(braze, tmp_path, full({1: ["ann@example.COM", "b@example.com"]}), **by("email")).ok()
    assert len(braze.writes()) == before
    assert braze.members("1") == {"ann@example.com", "b@example.com"}


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("email", "ann"),
        ("email", "ann@localhost"),
        ("email", "ann @example.com"),
        ("email", "a@b@example.com"),
        ("email", 176543210987),
        ("phone", "01701234567"),
        ("phone", "491701234567"),
        ("phone", 491701234567),
        ("phone", "+0170123456"),
        ("phone", "+49 call me"),
        ("phone", "+1234567890123456"),
    ],
)
def test_what_is_no_address_or_number_is_dead_lettered_with_the_reason_and_not_logged(
    braze, tmp_path, kind, wrong
):
    good = PEOPLE[kind][0]
    lines = SCHEMAS + member(1, wrong) + member(1, good) + cohort(1, "VIP", 2) + activate()
    done = run(braze, tmp_path, lines, **by(kind)).ok()
    assert braze.members("1") == {good}
    assert [(dead["reason"], dead["record"]["distinct_id"]) for dead in done.dead] == [
        (f"unusable_{kind}", wrong)
    ]
    assert f"Records without a usable {CONTACTS[kind]}: 1." in done.stderr
    assert str(wrong) not in done.stderr
    assert good not in done.stderr


@given(st.text(max_size=20) | st.integers() | st.none() | st.floats() | st.just([]))
def test_what_is_read_as_an_address_or_a_number_is_read_as_itself_again(value):
    for read in (email_of, phone_of):
        text = read(value)
        assert text is None or read(text) == text


@pytest.mark.parametrize("kind", PEOPLE)
def test_the_cohort_import_does_not_know_them_and_says_so_in_one_line(tmp_path, kind):
    with pytest.raises(ConfigValidationError) as caught:
        TargetBrazeCohorts(config=settings(None, tmp_path, identifier=kind))
    (mistake,) = caught.value.errors
    assert f"cohort import does not know {kind}" in mistake
    assert "delivery to attribute" in mistake


@pytest.mark.parametrize("kind", PEOPLE)
def test_a_refused_member_can_be_sent_again_from_the_dead_letter(braze, tmp_path, kind):
    first, second = PEOPLE[kind]
    braze.refused = {first}
    options = by(kind, external_id_property="$it")
    lines = SCHEMAS + cohort(1, "VIP") + activate()
    lines += member(1, "d1", **{"$it": first}) + member(1, "d2", **{"$it": second})
    done = run(braze, tmp_path, lines, **options)
    (dead,) = done.dead
    assert dead["message"] == "user is blocklisted"
    assert first not in done.stderr
    braze.refused = set()
    again = SCHEMAS + cohort(1, "VIP") + line({"type": "RECORD", **dead})
    run(braze, tmp_path, again, **{**options, "changes_stream": "cohort_changes"})
    assert braze.members("1") == {first, second}


def test_the_database_of_a_run_by_external_id_is_kept_for_that_kind(braze, tmp_path):
    run(braze, tmp_path, full({1: ["a"]}), **by("external_id")).ok()
    done = run(braze, tmp_path, full({1: ["ann@example.com"]}), **by("email"))
    assert isinstance(done.error, SettingsError)
    assert "by external_id" in str(done.error)
    assert "ann@example.com" not in str(done.error)
    run(braze, tmp_path, full({1: ["a", "b"]}), **by("external_id")).ok()
    assert braze.members("1") == {"a", "b"}


@pytest.mark.parametrize("fault", ["401", "400", "broken"])
def test_no_address_is_in_an_error_whatever_braze_answers(tmp_path, fault):
    status = None if fault == "broken" else int(fault)
    with FakeBraze(policy=lambda _: Fault(status)) as braze:
        done = run(braze, tmp_path, full({1: PEOPLE["email"]}), **by("email"))
    assert isinstance(done.error, ConnectorError)
    for person in PEOPLE["email"]:
        assert person not in f"{done.error} {done.stderr} {done.stdout}"


def test_every_kind_but_an_alias_is_its_own_key():
    assert track_identity("email", "a@b.de") == {"email": "a@b.de"}
    assert track_identity("external_id", "u") == {"external_id": "u"}
