"""Our plugins with public ones, as docs/composing.md shows them."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections import Counter

import pytest
from sqlalchemy import create_engine, text

from tests.composing.plugins import BIN, pipe
from tests.currents_generator.files import read_file
from tests.fakes.fake_braze import DATA_IMPORT_KEY, PARTNER_API_KEY, FakeBraze
from tests.fakes.fake_mixpanel import FakeMixpanel
from tools.definitions import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("public plugins")]

OUR_TAP = BIN / "tap-braze-currents"
SAMPLE = ROOT / "sample_bucket"
FROM_SAMPLE = {"storage_url": str(SAMPLE), "settle_seconds": 0}
OPENS = "users_messages_email_open"


def sample_records(event_type):
    files = sorted(SAMPLE.glob(f"*/event_type={event_type}/**/*.avro"))
    return [record for file in files for record in read_file(file)]


def test_currents_as_json_lines_with_hashed_e_mail_addresses(public, tmp_path):
    maps = {OPENS: {"email_address": "sha256(email_address) if email_address else None"}}
    out = tmp_path / "out"
    out.mkdir()
    pipe(
        OUR_TAP,
        {**FROM_SAMPLE, "stream_maps": maps},
        public("target-jsonl"),
        {"destination_path": str(out), "do_timestamp_file": False},
        tmp_path,
        (OPENS,),
    ).ok()
    expected = sample_records("users.messages.email.Open")
    lines = [json.loads(line) for line in (out / f"{OPENS}.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == [record["id"] for record in expected]
    hashed = [
        hashlib.sha256(record["email_address"].encode()).hexdigest()
        for record in expected
        if record["email_address"]
    ]
    assert hashed
    assert [line["email_address"] for line in lines if line["email_address"]] == hashed
    assert not any("@" in json.dumps(line) for line in lines)


def test_currents_as_tables_in_duckdb(public, tmp_path):
    target = public("target-duckdb")
    database = tmp_path / "events.duckdb"
    config = {"filepath": str(database), "default_target_schema": "braze"}
    streams = (OPENS, "users_behaviors_purchase")
    pipe(OUR_TAP, FROM_SAMPLE, target, config, tmp_path, streams).ok()
    query = (
        "import duckdb, sys\n"
        "connection = duckdb.connect(sys.argv[1])\n"
        "for table in ('users_messages_email_open', 'users_behaviors_purchase'):\n"
        "    print(*connection.execute(f'select count(*) from braze.{table}').fetchone())\n"
    )
    python = target.with_name("python")
    counted = subprocess.run(
        [python, "-c", query, database], check=True, capture_output=True, text=True
    )
    types = ("users.messages.email.Open", "users.behaviors.Purchase")
    # The table is keyed by id: events that Braze delivered twice are there once.
    ids = [len({record["id"] for record in sample_records(name)}) for name in types]
    assert [int(count) for count in counted.stdout.split()] == ids


def test_another_taps_records_as_mixpanel_events(public, tmp_path):
    orders = [
        {"order": "o-1", "customer": "u1", "at": "2026-11-01T10:00:00Z", "total": 12.5},
        {"order": "o-2", "customer": "u2", "at": "2026-11-01T11:00:00Z", "total": 3},
    ]
    (tmp_path / "orders.jsonl").write_text("".join(f"{json.dumps(order)}\n" for order in orders))
    tap_config = {
        "path": str(tmp_path / "orders.jsonl"),
        "stream_name": "orders",
        "primary_keys": ["order"],
        "stream_maps": {
            "orders": {
                "order": "order",
                "customer": "customer",
                "at": "at",
                "total": "total",
                "__else__": "__NULL__",
            }
        },
    }
    stream = {"event": "Order Placed", "distinct_id": "customer", "time": "at"}
    with FakeMixpanel() as mixpanel:
        config = {
            "api_url": mixpanel.url,
            "project_token": "project-token",
            "streams": {"orders": {**stream, "insert_id": "order"}},
        }
        pipe(public("tap-jsonl"), tap_config, BIN / "target-mixpanel", config, tmp_path).ok()
        held = mixpanel.events()
    assert [event["event"] for event in held] == ["Order Placed", "Order Placed"]
    first = {"time": 1793527200, "distinct_id": "u1", "$insert_id": "o-1", "total": 12.5}
    assert held[0]["properties"] == {**first, "ip": 0, "token": "project-token"}


TABLES = """
create table lists (id text primary key, name text, made timestamptz);
insert into lists values ('7', 'Champions', '2026-11-01'), ('8', 'At risk', '2026-11-02');
create table people (list_id text, customer text, primary key (list_id, customer));
create view braze_lists as
  select id, name, made, (select count(*) from people where list_id = id) as size from lists;
insert into people values ('7', 'u1'), ('7', 'u2'), ('7', 'u3'), ('7', 'u4'), ('8', 'u2');
"""


def test_a_warehouse_table_as_cohorts_in_braze(public, postgresql, tmp_path):
    url, port = postgresql
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(TABLES))
    tap_config = {
        "host": "127.0.0.1",
        "port": port,
        "user": "postgres",
        "password": "not-asked-for",
        "database": "postgres",
        "filter_schemas": ["public"],
    }
    with FakeBraze() as braze:
        config = {
            "rest_endpoint": braze.url,
            "data_import_key": DATA_IMPORT_KEY,
            "partner_api_key": PARTNER_API_KEY,
            "cohorts_stream": "public-braze_lists",
            "members_stream": "public-people",
            "cohort_created_field": "made",
            "cohort_count_field": "size",
            "member_cohort_id_field": "list_id",
            "member_id_field": "customer",
        }
        for change in ("select 1", "delete from people where customer = 'u4'"):
            with engine.begin() as connection:
                connection.execute(text(change))
            pipe(
                public("tap-postgres"),
                tap_config,
                BIN / "target-braze-cohorts",
                config,
                tmp_path,
                ("public-braze_lists", "public-people"),
            ).ok()
        assert braze.members("7") == {"u1", "u2", "u3"}
        assert braze.members("8") == {"u2"}
        assert {cohort.name for cohort in braze.cohorts.values()} == {"Champions", "At risk"}
        moved = Counter(
            person for request in braze.writes() for person in (*request.adds, *request.removes)
        )
    engine.dispose()
    assert moved == {"u1": 1, "u2": 2, "u3": 1, "u4": 2}
