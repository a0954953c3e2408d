"""Mistakes in the settings, and the SDK's own suite."""

from __future__ import annotations

import io

import pytest
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.testing import get_target_test_class
from singer_sdk.testing.suites import SingerTestSuite, target_tests
from singer_sdk.testing.target_tests import TargetRecordMissingKeyProperty

from braze_mixpanel.errors import SettingsError, TemporaryError
from target_braze_cohorts.settings.instances import ENDPOINTS, endpoint
from target_braze_cohorts.store.database import open_database
from target_braze_cohorts.target import TargetBrazeCohorts
from tests.target_braze_cohorts.harness import by_attribute, settings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"instance": "US-09", "rest_endpoint": None}, "instance"),
        ({"rest_endpoint": None}, "Setting instance is missing"),
        ({"rest_endpoint": "https://dashboard-01.braze.com"}, "is Braze's dashboard"),
        ({"changes_stream": True, "external_id_property": "$braze_external_id"}, "changes_stream"),
        ({"rest_endpoint": "http://rest.iad-01.braze.com"}, "https://"),
        ({"rest_endpoint": "https://localhost:99999"}, "rest_endpoint is wrong"),
        ({"data_import_key": None}, "data_import_key is missing"),
        ({"delivery": "attribute"}, "api_key is missing"),
        ({"delivery": "atribute"}, "delivery"),
        ({"max_removal_ratio": "30%"}, "max_removal_ratio"),
        ({"max_removal_ration": 0.5}, "did you mean max_removal_ratio"),
        ({"identifier": "alias"}, "alias_label"),
        (by_attribute(identifier="device_id"), "device_id"),
        (
            {"identifier": "alias", "alias_label": "L", "external_id_property": "$email"},
            "with identifier alias it must be distinct_id",
        ),
        ({"dead_letter_path": __file__}, "dead_letter_path is wrong"),
        ({"data_import_key": "hunter22\n"}, "data_import_key is wrong: it begins or ends"),
        ({"rest_endpoint": "https://rest.iad-01.braze.com:abc"}, "a port"),
        ({"membership_db": "braze.db"}, "membership_db"),
        ({"membership_db": "postgresql://user:hunter22@host:abc/db"}, "membership_db"),
        ({"membership_db": "mysql://user:hunter22@host/db"}, "only sqlite and postgresql"),
        ({"membership_db": "sqlite:////no/such/folder/x.db"}, "membership_db"),
        ({"membership_db": "postgresql://user:hunter22@127.0.0.1:9/db"}, "membership_db"),
    ],
)
def test_a_wrong_setting_is_reported_in_one_line(tmp_path, changes, message):
    with pytest.raises((ConfigValidationError, SettingsError)) as caught:
        TargetBrazeCohorts(config=settings(None, tmp_path, **changes)).listen(io.BytesIO(b""))
    lines = getattr(caught.value, "errors", [str(caught.value)])
    assert message in " ".join(lines)
    assert "\n" not in "".join(lines)
    assert "hunter22" not in "".join(lines)


def test_an_instance_may_be_written_in_lower_case(tmp_path):
    target = TargetBrazeCohorts(
        config=settings(None, tmp_path, rest_endpoint=None, instance="eu-02")
    )
    assert target._client().endpoint == ENDPOINTS["EU-02"]


def test_each_instance_has_its_endpoint():
    assert endpoint("US-03", None) == "https://rest.iad-03.braze.com"
    assert endpoint("EU-02", None) == "https://rest.fra-02.braze.eu"
    assert "US-09" not in ENDPOINTS
    assert len(ENDPOINTS) == 15


def test_two_links_to_one_database_share_its_lock(tmp_path):
    (tmp_path / "link.db").symlink_to(tmp_path / "real.db")
    with (
        open_database(f"sqlite:///{tmp_path}/real.db", "one"),
        pytest.raises(TemporaryError, match="Another run"),
        open_database(f"sqlite:///{tmp_path}/link.db", "one"),
    ):
        pass


@pytest.mark.parametrize(
    "loopback", ["http://localhost:1/", "http://127.0.0.1:1", "http://[::1]:1"]
)
def test_only_this_machine_is_reached_without_encryption(loopback):
    assert endpoint("US-01", loopback) == loopback.rstrip("/")


LEFT_OUT = {
    # Each says why the SDK's expectation does not hold for lists of people.
    TargetRecordMissingKeyProperty: "a record's key says nothing about a cohort's members",
}


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


TestSdkSuite = get_target_test_class(
    TargetBrazeCohorts,
    config={
        "rest_endpoint": "http://127.0.0.1:9",
        "dry_run": True,
        # The suite's streams are none of people: all become changes of one cohort.
        "changes_stream": True,
        "stream_maps": {
            "*": {
                "__alias__": "cohort_members",
                "cohort_id": "'1'",
                "distinct_id": "'somebody'",
                "__key_properties__": ["cohort_id", "distinct_id"],
            }
        },
    },
    custom_suites=[
        SingerTestSuite(
            kind="target", tests=[test for test in target_tests.tests if test not in LEFT_OUT]
        )
    ],
    include_target_tests=False,
)
