"""The dataset room: what would change nothing, or cannot be as it was said, is refused and not passed over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.runtime.ids import new_id
from sishu.common.v1 import job_service_pb2
from sishu.dataset.v1 import (
    benchmark_service_pb2,
    dataset_version_pb2,
    deduplication_pb2,
    deduplication_service_pb2,
)
from sishu.dataset.v1.leak_check_pb2 import LeakOptions
from sishu.errors import ApiError
from tests.integration.command_line import CommandLine
from tests.integration.dataset.test_imports import imported, lines
from tests.integration.dataset.test_leaks import ROWS, begun, started_check
from tests.integration.dataset_school import School, turns
from tests.integration.stores import Rooms


async def error_of(call: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await call
    return caught.value


async def test_when_meanings_are_equal_is_not_said_where_nobody_compares_them(school: School) -> None:
    project_id = new_id()
    options = deduplication_pb2.DeduplicationOptions(meaning_similarity=0.9)
    search = deduplication_pb2.Deduplication(project_id=project_id, options=options)
    request = deduplication_service_pb2.CreateDeduplicationRequest(deduplication=search)
    leaks = LeakOptions(meaning_similarity=0.9)
    for call, field in (
        (school.client.deduplications.CreateDeduplication(request), "deduplication.options"),
        (started_check(school, project_id, against_exam=True, options=leaks), "leak_check.options"),
        (
            school.start_version(
                project_id, leak_meaning_similarity=0.9, exam_leaks=dataset_version_pb2.LEAK_ACTION_DROP
            ),
            "dataset_version.options",
        ),
    ):
        error = await error_of(call)
        assert (error.code, error.reason) == ("INVALID_ARGUMENT", "FIELD_INVALID")
        assert error.field in {f"{field}.meaning_similarity", f"{field}.leak_meaning_similarity"}
        assert "provider" in error.message


async def test_a_version_is_not_made_with_fewer_exam_items_than_were_wanted(school: School) -> None:
    project_id = new_id()
    for number in range(4):
        await school.create(project_id=project_id, messages=turns(f"{number}{'abcd'[number] * 9}?", "Yes."))
    version = await school.start_version(project_id, exam_count=1000)
    await school.ended(version.job)
    assert (await school.version(version.id)).state == dataset_version_pb2.DATASET_VERSION_STATE_FAILED
    failures = await school.client.jobs("dataset").ListJobFailures(
        job_service_pb2.ListJobFailuresRequest(job_id=version.job.id)
    )
    (failure,) = [one.failure for one in failures.job_failures]
    assert failure.reason == "EXAMPLES_TOO_FEW"
    assert dict(failure.metadata) == {"split": "exam", "wanted": "1000", "found": "3", "examples": "4"}

    cli = CommandLine(Rooms(school.stores, school.client, {}), project_id)
    create = ["dataset", "create", "--project", project_id, "--validation-count", "9", "--wait"]
    code, printed = await cli.run(*create)
    assert (code, "of the 4 that fit only 2 can be held out" in printed) == (1, True), printed
    code, printed = await cli.run("--lang", "zh", *create)
    assert (code, "--validation-count" in printed and "2" in printed) == (1, True), printed


async def test_a_benchmark_has_its_name_alone(school: School) -> None:
    project_id = new_id()
    first = await begun(school, project_id, ROWS, "pumps")
    error = await error_of(begun(school, project_id, ROWS, " pumps "))
    assert (error.code, error.reason) == ("ALREADY_EXISTS", "BENCHMARK_NAME_TAKEN")
    assert (error.field, error.metadata["benchmark_id"]) == ("benchmark.name", first.id)
    # Without a name it is that of the file; another project has names of its own.
    await begun(school, project_id, ROWS)
    assert (await error_of(begun(school, project_id, ROWS))).metadata["name"] == "bench.jsonl"
    await begun(school, new_id(), ROWS, "pumps")
    # Of two at once one is there.
    both = await asyncio.gather(
        *(begun(school, project_id, ROWS, "twice") for _ in range(2)), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in both) == ["ApiError", "Benchmark"]
    request = benchmark_service_pb2.DeleteBenchmarkRequest(id=first.id)
    await school.client.benchmarks.DeleteBenchmark(request)
    await begun(school, project_id, ROWS, "pumps")


async def test_columns_that_an_import_does_not_read_are_named(school: School) -> None:
    project_id = new_id()
    rows = [{"instruction": f"Why {n}?", "output": "So.", "topic": "x", "page": None} for n in range(3)]
    found = await imported(school, project_id, "a.jsonl", lines([*rows, {**rows[0], "page": 3}]))
    assert dict(found.profile.unread_columns) == {"topic": 4, "page": 1}
    assert dict(found.profile.empty_columns) == {"page": 3}
