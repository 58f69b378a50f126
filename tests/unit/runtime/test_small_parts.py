from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import structlog
from google.protobuf.field_mask_pb2 import FieldMask
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.convert import job_state_name, timestamp
from services.runtime.errors import InvalidArgument
from services.runtime.ids import derived_id, new_id
from services.runtime.logs import configure_logs
from services.runtime.masks import check_mask
from services.runtime.metrics import RuntimeMetrics
from sishu.common.v1 import job_pb2


def test_ids_made_later_sort_later() -> None:
    ids = [new_id() for _ in range(1000)]
    time.sleep(0.002)
    assert ids == sorted(ids)
    assert new_id() > ids[-1]
    assert {uuid.UUID(one).version for one in ids} == {7}


@given(st.lists(st.text(), max_size=4))
def test_a_derived_id_is_a_uuid_of_version_5(parts: list[str]) -> None:
    assert derived_id(*parts) == str(uuid.uuid5(uuid.NAMESPACE_URL, "sishu:" + "\x1f".join(parts)))


def test_a_derived_id_depends_on_every_part_and_on_their_order() -> None:
    assert derived_id("a", "b") == derived_id("a", "b")
    assert len({derived_id("a", "b"), derived_id("b", "a"), derived_id("ab"), derived_id("a", "b", "")}) == 4


def test_a_mask_may_name_only_fields_that_change() -> None:
    assert check_mask(FieldMask(paths=["name"]), "name", "description") == {"name"}
    with pytest.raises(InvalidArgument, match="update_mask names id; it may name name, description"):
        check_mask(FieldMask(paths=["id", "name"]), "name", "description")


def test_an_empty_mask_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="no field"):
        check_mask(FieldMask(), "name")


def test_an_item_that_is_cancelled_counts_as_that() -> None:
    metrics = RuntimeMetrics("ingest")
    with pytest.raises(asyncio.CancelledError), metrics.item("parse"):
        raise asyncio.CancelledError
    labels = {"kind": "parse", "outcome": "cancelled"}
    assert metrics.registry.get_sample_value("sishu_ingest_items_total", labels) == 1
    assert metrics.registry.get_sample_value("sishu_ingest_items_in_flight") == 0


def test_job_states_have_the_names_that_are_stored() -> None:
    assert job_state_name(job_pb2.JOB_STATE_UNSPECIFIED) is None
    assert job_state_name(job_pb2.JOB_STATE_SUCCEEDED) == "succeeded"


def test_a_missing_time_stays_missing() -> None:
    assert timestamp(None) is None
    stamp = timestamp(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert stamp is not None
    assert stamp.ToJsonString() == "2026-01-02T03:04:05Z"


@pytest.fixture
def logs_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.mark.usefixtures("logs_as_before")
def test_a_log_line_is_one_json_object_with_room_time_and_level(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("ingest", "info")
    log = structlog.get_logger("services.some")
    log.debug("too_small")
    log.info("document_parsed", name="Bäcker\n手册")
    logging.getLogger("a.library").info("chatter")
    (line,) = capsys.readouterr().err.splitlines()
    seen = json.loads(line)
    assert (seen["event"], seen["room"], seen["level"], seen["name"]) == (
        "document_parsed",
        "ingest",
        "info",
        "Bäcker\n手册",
    )
    assert datetime.fromisoformat(seen["timestamp"]).tzinfo is not None


@pytest.mark.usefixtures("logs_as_before")
def test_an_exception_is_logged_on_the_same_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("ingest", "info")
    try:
        raise KeyError("x")
    except KeyError:
        structlog.get_logger("services.some").exception("failed")
    (line,) = capsys.readouterr().err.splitlines()
    assert "Traceback" in json.loads(line)["exception"]


@pytest.mark.usefixtures("logs_as_before")
def test_a_library_that_loses_the_database_logs_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("ingest", "info")
    for name in ("pgqueuer", "asyncio"):
        try:
            raise ConnectionRefusedError("nobody listens")
        except ConnectionRefusedError:
            logging.getLogger(name).exception("Flush failed")
    brief, whole = map(json.loads, capsys.readouterr().err.splitlines())
    assert brief["error"] == "ConnectionRefusedError: nobody listens"
    assert "exception" not in brief
    assert "Traceback" in whole["exception"]


def test_an_unknown_log_level_names_the_choices() -> None:
    with pytest.raises(InvalidArgument, match="debug, info, warning, error"):
        configure_logs("ingest", "loud")
