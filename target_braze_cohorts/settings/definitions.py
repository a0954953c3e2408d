"""The settings of target-braze-cohorts, as `--about` and Meltano show them."""

from __future__ import annotations

from typing import Any, Final

from singer_sdk import typing as th

from braze_mixpanel.files.place_settings import PATH_OPTIONS
from braze_mixpanel.report.writer import REPORT_PATH
from braze_mixpanel.settings import shared
from braze_mixpanel.summary.writer import SUMMARY_PATH
from target_braze_cohorts.settings.changes_stream import DEFAULT_CHANGES_STREAM
from target_braze_cohorts.settings.identifier_kinds import EXTERNAL_ID, KINDS
from target_braze_cohorts.settings.instances import ENDPOINTS

COHORT: Final = "cohort"
ATTRIBUTE: Final = "attribute"
DISTINCT_ID: Final = "distinct_id"

SCHEMA: Final[dict[str, Any]] = th.PropertiesList(
    th.Property(
        "instance",
        th.StringType,
        allowed_values=list(ENDPOINTS),
        description="Braze instance, such as US-01 or EU-02. Or set rest_endpoint.",
    ),
    th.Property(
        "rest_endpoint",
        th.StringType,
        description="REST endpoint to use instead of instance, for example of a new instance.",
    ),
    th.Property(
        "delivery",
        th.StringType,
        allowed_values=[COHORT, ATTRIBUTE],
        description=(
            "cohort: Braze's partner cohort import (needs a partner key, which most users do not "
            "have). attribute: an array attribute of users, for everyone with a REST API key. "
            "Default: attribute if api_key is the only credential that is set, else cohort."
        ),
    ),
    th.Property(
        "data_import_key",
        th.StringType,
        secret=True,
        description=(
            "For delivery cohort: the data import key from Braze's Technology Partners > Mixpanel."
        ),
    ),
    th.Property(
        "partner_api_key",
        th.StringType,
        secret=True,
        description="For delivery cohort: the key that Braze gives to a partner.",
    ),
    th.Property(
        "partner_name",
        th.StringType,
        default="mixpanel",
        description="For delivery cohort: the name of the partner in Braze's URLs.",
    ),
    th.Property(
        "api_key",
        th.StringType,
        secret=True,
        description="For delivery attribute: a REST API key with the permission users.track.",
    ),
    th.Property(
        "attribute_name",
        th.StringType,
        default="mixpanel_cohorts",
        description="For delivery attribute: the array attribute that holds a user's cohorts.",
    ),
    th.Property(
        "attribute_value",
        th.StringType,
        default="name",
        allowed_values=["name", "id"],
        description="For delivery attribute: whether it holds the name or the id of a cohort.",
    ),
    th.Property(
        "sync_mode",
        th.StringType,
        default="dynamic",
        allowed_values=["dynamic", "one_time"],
        description=(
            "dynamic: adds and removals in each run. one_time: adds only, and each cohort once."
        ),
    ),
    shared.ids_or_names(
        "cohort_ids",
        "Ids or names of the cohorts to deliver. By default all. A text of digits is an id.",
    ),
    th.Property(
        "external_id_property",
        th.StringType,
        default=DISTINCT_ID,
        description=(
            "Profile property with the Braze external id, such as $braze_external_id, or with the "
            "identifier that identifier names, such as $email. Except for distinct_id, it is read "
            "from the member record, or else from the profiles stream, which must be selected."
        ),
    ),
    th.Property(
        "cohorts_stream",
        th.StringType,
        default="cohorts",
        description="Stream of cohorts. It may be the same as members_stream.",
    ),
    th.Property(
        "members_stream",
        th.StringType,
        default="cohort_members",
        description="Stream of cohort members.",
    ),
    th.Property(
        "profiles_stream",
        th.StringType,
        default="engage",
        description="Stream of profiles, read only if external_id_property needs it.",
    ),
    th.Property(
        "cohort_id_field",
        th.StringType,
        default="id",
        description="Field of cohorts_stream with the cohort's id.",
    ),
    th.Property(
        "cohort_name_field",
        th.StringType,
        default="name",
        description="Field of cohorts_stream with the cohort's name.",
    ),
    th.Property(
        "cohort_created_field",
        th.StringType,
        default="created",
        description="Field of cohorts_stream with the date-time at which the cohort was created.",
    ),
    th.Property(
        "cohort_count_field",
        th.StringType,
        default="count",
        description=(
            "Field of cohorts_stream with the number of members. A list with this number of "
            "members is complete."
        ),
    ),
    th.Property(
        "member_cohort_id_field",
        th.StringType,
        default="cohort_id",
        description="Field of members_stream with the cohort's id.",
    ),
    th.Property(
        "member_id_field",
        th.StringType,
        default=DISTINCT_ID,
        description=(
            "Field of members_stream with the member's id (for an alias, its name). Profiles in "
            "profiles_stream are joined by the same field."
        ),
    ),
    th.Property(
        "identifier",
        th.StringType,
        default=EXTERNAL_ID,
        allowed_values=list(KINDS),
        description=(
            "The kind of identifier in Braze. device_id needs delivery cohort. email, phone (with "
            "+ and country code) and braze_id need delivery attribute."
        ),
    ),
    th.Property(
        "alias_label_field",
        th.StringType,
        description="For identifier alias: field of members_stream with the alias label.",
    ),
    th.Property(
        "alias_label",
        th.StringType,
        description="For identifier alias: the label of members whose record has none.",
    ),
    th.Property(
        "changes_stream",
        th.CustomType({"type": ["string", "boolean", "null"]}),
        default=DEFAULT_CHANGES_STREAM,
        description=(
            "Stream of changes, besides the full lists in members_stream. A record with "
            "should_remove or _sdc_deleted_at removes its member, any other record adds its "
            "member, and all other members stay. true: members_stream itself holds changes. "
            "false: there are no changes."
        ),
    ),
    th.Property(
        "membership_db",
        th.StringType,
        default="sqlite:///braze_cohorts.db",
        secret=True,
        description=(
            "SQLAlchemy URL of the database with the members that Braze acknowledged: SQLite or "
            "PostgreSQL. Keep it: without it, no member can be removed."
        ),
    ),
    th.Property(
        "workspace",
        th.StringType,
        default="default",
        description=(
            "Any name; give a different one for each Braze workspace when several on the same "
            "instance share a membership_db."
        ),
    ),
    shared.ratio(
        "max_removal_ratio",
        0.3,
        "A cohort that would lose a larger share of its members in one run is stopped (0 to 1).",
    ),
    th.Property(
        "removal_guard_minimum",
        th.IntegerType(minimum=0),
        default=20,
        description=(
            "A run that removes no more people than this from a cohort is not stopped by "
            "max_removal_ratio."
        ),
    ),
    shared.ids_or_names(
        "allow_removals_for",
        "Ids or names of cohorts that may lose any number of members, even all. Set it for one "
        "run only.",
    ),
    th.Property(
        "allow_empty_cohorts",
        th.BooleanType,
        default=False,
        description="Whether a cohort may lose its last member. Otherwise it is stopped.",
    ),
    th.Property(
        "clear_vanished_cohorts",
        th.BooleanType,
        default=False,
        description=(
            "Remove all members from a cohort that is no longer in the source. Otherwise it keeps "
            "its members and is reported."
        ),
    ),
    th.Property(
        "full_resync_days",
        th.IntegerType(minimum=0),
        default=7,
        description=(
            "After this many days all adds are sent again, for users whom Braze did not know when "
            "they were added. 0: in each run."
        ),
    ),
    th.Property(
        "concurrency",
        th.IntegerType(minimum=1, maximum=64),
        default=16,
        description="Most requests in flight at the same time.",
    ),
    shared.retry_seconds("How many seconds one request is retried while Braze is unavailable."),
    th.Property(
        "dead_letter_path",
        th.StringType,
        default="dead_letter",
        description=(
            "Folder for members without an identifier and members whom Braze refuses, or its URL "
            "in a store (s3://, gs://, abfs://)."
        ),
    ),
    th.Property(
        "dry_run",
        th.BooleanType,
        default=False,
        description="Log the plan, write its people to dry_run_path, and send nothing.",
    ),
    th.Property(
        "dry_run_path",
        th.StringType,
        default="dry_run",
        description=(
            "Folder for the files of a dry run, with one person to add or remove on each line, or "
            "its URL in a store."
        ),
    ),
    REPORT_PATH,
    SUMMARY_PATH,
    PATH_OPTIONS,
).to_dict()
