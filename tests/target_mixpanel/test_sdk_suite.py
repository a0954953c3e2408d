"""The SDK's own tests for targets."""

from __future__ import annotations

import tempfile

from singer_sdk.testing import get_target_test_class
from singer_sdk.testing.suites import SingerTestSuite, target_tests
from singer_sdk.testing.target_tests import TargetRecordMissingKeyProperty

from target_mixpanel.target import TargetMixpanel

LEFT_OUT = {
    # Wants the run to stop at a record without its key. Here the record goes to the dead letter
    # with that reason, and the others are delivered.
    TargetRecordMissingKeyProperty,
}
STREAMS = """
    test_array_data TestCamelcase ForecastingTypeToCategory test_duplicate_records test_strings
    test_strings_in_objects test_strings_in_arrays test_invalid_schema test_no_pk
    test_optional_attributes example_stream record_missing_fields
    test_record_missing_key_property test_object_schema_with_properties
    test_object_schema_no_properties test_schema_updates test:SpecialChars!in?attributes
""".split()  # noqa: SIM905 - a list of words reads best as words


class TargetOfManyStreams(TargetMixpanel):
    """One setting `streams` serves all tests, and each test sends only one of the streams."""

    def require_used_names(self):
        pass


TestTargetMixpanel = get_target_test_class(
    TargetOfManyStreams,
    config={
        "dry_run": True,
        "dry_run_path": tempfile.mkdtemp(prefix="sdk-suite-"),
        "streams": {stream: {"event": "Row", "time": "at"} for stream in STREAMS},
        "stream_maps": {"*": {"at": "int(1790000000)"}},  # the SDK's records have no time
    },
    custom_suites=[
        SingerTestSuite(
            kind="target", tests=[test for test in target_tests.tests if test not in LEFT_OUT]
        )
    ],
    include_target_tests=False,
)
