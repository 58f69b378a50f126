"""The dataset room: benchmarks, and the search for examples that hold questions of theirs or of exams."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from services.runtime.ids import new_id
from sishu.common.v1 import exam_item_pb2, job_pb2, job_service_pb2
from sishu.common.v1.project_data_service_pb2 import DeleteProjectDataRequest
from sishu.dataset.v1 import (
    benchmark_pb2,
    benchmark_service_pb2,
    dataset_version_pb2,
    example_pb2,
    import_pb2,
    leak_check_pb2,
)
from sishu.dataset.v1 import leak_check_service_pb2 as pb
from sishu.dataset.v1.dataset_version_pb2 import DATASET_SPLIT_TRAIN, DATASET_SPLIT_UNSPECIFIED
from sishu.dataset.v1.example_filter_pb2 import ExampleFilter
from tests.integration.command_line import CommandLine
from tests.integration.dataset.test_imports import lines, refused, uploaded
from tests.integration.dataset_school import FakeProjects, School, turns
from tests.integration.stores import Rooms

SUCCEEDED, FAILED = job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED
WORDS, NEAR = leak_check_pb2.LEAK_WAY_SHARED_WORDS, leak_check_pb2.LEAK_WAY_NEAR_COPY
ASKED = "How many litres of water does the spare pump of the harbour in Kiel move in forty minutes?"
CHOICE = "Which bird is the heaviest?"
CHOICES = ["the grey heron", "the white stork", "the mute swan", "the herring gull"]
ROWS: list[Any] = [
    {"question": ASKED, "answer": "960"},
    {"question": " "},
    {"question": CHOICE, "choices": CHOICES, "answer": 2},
    *(
        {"question": f"What is the {number}th of all that there is of {number * 7919}?"}
        for number in range(20)
    ),
]


async def begun(school: School, project_id: str, rows: list[Any], name: str = "", **options: Any) -> Any:
    upload_id = await uploaded(school, project_id, "bench.jsonl", lines(rows))
    wanted = benchmark_pb2.Benchmark(
        project_id=project_id,
        name=name,
        file=import_pb2.ImportFile(upload_id=upload_id),
        options=benchmark_pb2.BenchmarkOptions(**options),
    )
    request = benchmark_service_pb2.CreateBenchmarkRequest(benchmark=wanted)
    return (await school.client.benchmarks.CreateBenchmark(request)).benchmark


async def got(school: School, benchmark_id: str) -> benchmark_pb2.Benchmark:
    request = benchmark_service_pb2.GetBenchmarkRequest(id=benchmark_id)
    return (await school.client.benchmarks.GetBenchmark(request)).benchmark


async def made(school: School, project_id: str, rows: list[Any], name: str = "") -> benchmark_pb2.Benchmark:
    started = await begun(school, project_id, rows, name)
    assert (await school.ended(started.job)).state == SUCCEEDED
    return await got(school, started.id)


async def started_check(school: School, project_id: str, **fields: Any) -> leak_check_pb2.LeakCheck:
    request = pb.CreateLeakCheckRequest(leak_check=leak_check_pb2.LeakCheck(project_id=project_id, **fields))
    return (await school.client.leak_checks.CreateLeakCheck(request)).leak_check


async def checked(school: School, project_id: str, **fields: Any) -> leak_check_pb2.LeakCheck:
    started = await started_check(school, project_id, **fields)
    assert (await school.ended(started.job)).state == SUCCEEDED
    request = pb.GetLeakCheckRequest(id=started.id)
    return (await school.client.leak_checks.GetLeakCheck(request)).leak_check


async def leaks(school: School, check_id: str, page_size: int = 1) -> list[leak_check_pb2.Leak]:
    found: list[leak_check_pb2.Leak] = []
    request = pb.ListLeaksRequest(leak_check_id=check_id, page_size=page_size)
    while True:
        page = await school.client.leak_checks.ListLeaks(request)
        found += page.leaks
        request.page_token = page.next_page_token
        if not request.page_token:
            return found


async def asked(school: School, project_id: str, text: str, answer: str = "Two.", **fields: Any) -> str:
    return (await school.create(project_id=project_id, messages=turns(text, answer), **fields)).id


async def test_examples_that_hold_questions_of_a_benchmark_are_found(school: School) -> None:
    project_id = new_id()
    benchmark = await made(school, project_id, ROWS, "pumps")
    assert (benchmark.name, benchmark.file.name, len(benchmark.sha256)) == ("pumps", "bench.jsonl", 64)
    assert (benchmark.counts.rows, benchmark.counts.bad) == (22, 1)
    assert benchmark.counts.characters > len(ASKED)
    assert dict(benchmark.counts.bad_by_reason) == {"QUESTION_EMPTY": 1}
    assert [(fault.row, fault.field) for fault in benchmark.faults] == [(2, "question")]

    inside = await asked(school, project_id, "What was it?", f"Somebody asked: {ASKED} Nobody knew.")
    near = await asked(school, project_id, ASKED.replace("forty", "40").replace("spare", "old"))
    mixed = await asked(
        school, project_id, "\n".join([CHOICE, *(f"{n}. {c}" for n, c in enumerate(reversed(CHOICES)))])
    )
    await asked(school, project_id, "What does the heron weigh?", labels=["mine"])
    await asked(school, project_id, ASKED, kind=example_pb2.EXAMPLE_KIND_EXAM_ITEM)

    check = await checked(school, project_id, benchmark_ids=[benchmark.id])
    assert (check.counts.examples, check.counts.leaking_examples) == (4, 3)
    assert (check.counts.shared_words, check.counts.near_copies) == (1, 2)
    assert (check.options.threshold, check.options.words) == (0.7, 13)
    (source,) = check.sources
    assert (source.benchmark_id, source.name, source.rows, source.leaks) == (benchmark.id, "pumps", 22, 3)
    assert source.sha256 == benchmark.sha256
    found = {leak.example_id: leak for leak in await leaks(school, check.id)}
    assert list(found) == [inside, near, mixed]
    assert [list(found[one].ways) for one in (inside, near, mixed)] == [[WORDS], [NEAR], [NEAR]]
    assert [found[one].row for one in (inside, near, mixed)] == [1, 1, 3]
    assert found[inside].shared_words == "how many litres of water does the spare pump of the harbour in"
    assert found[near].similarity > 0.7
    assert (found[mixed].question, found[mixed].benchmark_id, found[mixed].file) == (
        CHOICE,
        benchmark.id,
        "bench.jsonl",
    )
    assert found[near].split == DATASET_SPLIT_UNSPECIFIED

    only = await checked(
        school, project_id, benchmark_ids=[benchmark.id], filter=ExampleFilter(labels=["mine"])
    )
    assert (only.counts.examples, only.counts.leaking_examples, await leaks(school, only.id)) == (1, 0, [])
    text = await checked(
        school, project_id, benchmark_ids=[benchmark.id], filter=ExampleFilter(text="nobody knew")
    )
    assert (text.counts.examples, text.counts.leaking_examples) == (1, 1)


async def test_examples_that_hold_questions_of_an_exam_are_found(school: School) -> None:
    project_id = new_id()
    item = exam_item_pb2.ExamItem(
        type=exam_item_pb2.EXAM_ITEM_TYPE_SINGLE_CHOICE, text=CHOICE, choices=CHOICES, correct=[2]
    )
    exam = await asked(school, project_id, ASKED, "960", kind=example_pb2.EXAMPLE_KIND_EXAM_ITEM)
    choice = await asked(
        school, project_id, "\n".join([CHOICE, *CHOICES]), CHOICES[2],
        kind=example_pb2.EXAMPLE_KIND_EXAM_ITEM, exam_item=item,
    )  # fmt: skip
    inside = await asked(school, project_id, "What was it?", f"Somebody asked: {ASKED} Nobody knew.")
    near = await asked(school, project_id, "\n".join([CHOICE, *reversed(CHOICES)]))
    check = await checked(school, project_id, against_exam=True)
    assert (check.counts.examples, check.counts.leaking_examples) == (2, 2)
    assert [(one.benchmark_id, one.name, one.rows, one.leaks) for one in check.sources] == [
        ("", "exam", 2, 2)
    ]
    found = {leak.example_id: leak for leak in await leaks(school, check.id)}
    assert (found[inside].exam_example_id, found[near].exam_example_id) == (exam, choice)

    version = await school.made(project_id)
    in_version = await checked(school, project_id, dataset_version_id=version.id, against_exam=True)
    # The near copy was left out of the version.
    assert (in_version.dataset_version_id, in_version.counts.examples) == (version.id, 1)
    assert [(leak.example_id, leak.split) for leak in await leaks(school, in_version.id)] == [
        (inside, DATASET_SPLIT_TRAIN)
    ]


async def test_what_can_not_be_checked_is_refused(school: School) -> None:
    project_id, client = new_id(), school.client
    assert await refused(started_check(school, project_id)) == "LEAK_SOURCE_MISSING"
    assert (
        await refused(started_check(school, FakeProjects.missing, against_exam=True)) == "PROJECT_NOT_FOUND"
    )
    assert await refused(started_check(school, project_id, benchmark_ids=[new_id()])) == "BENCHMARK_NOT_FOUND"
    other = await made(school, new_id(), ROWS)
    assert other.name == "bench.jsonl"
    assert await refused(started_check(school, project_id, benchmark_ids=[other.id])) == "PROJECT_MISMATCH"
    assert (
        await refused(started_check(school, project_id, dataset_version_id=new_id(), against_exam=True))
        == "DATASET_VERSION_NOT_FOUND"
    )
    bad = await begun(school, project_id, [{"question": ""}, {"question": "Why?"}])
    assert (await school.ended(bad.job)).state == FAILED
    bad = await got(school, bad.id)
    assert (bad.sha256, bad.counts.bad, len(bad.faults)) == ("", 1, 1)
    assert await refused(started_check(school, project_id, benchmark_ids=[bad.id])) == "BENCHMARK_NOT_READY"
    assert (
        await refused(client.leak_checks.GetLeakCheck(pb.GetLeakCheckRequest(id=new_id())))
        == "LEAK_CHECK_NOT_FOUND"
    )
    upload = import_pb2.ImportFile(upload_id=await uploaded(school, new_id(), "a.jsonl", b"{}\n"))
    wanted = benchmark_pb2.Benchmark(project_id=project_id, file=upload)
    request = benchmark_service_pb2.CreateBenchmarkRequest(benchmark=wanted)
    assert await refused(client.benchmarks.CreateBenchmark(request)) == "PROJECT_MISMATCH"


async def test_benchmarks_and_checks_are_listed_and_deleted(school: School) -> None:
    project_id, client = new_id(), school.client
    await asked(school, project_id, ASKED)
    one, two = await made(school, project_id, ROWS, "one"), await made(school, project_id, ROWS, "two")
    assert one.sha256 == two.sha256
    page = await client.benchmarks.ListBenchmarks(
        benchmark_service_pb2.ListBenchmarksRequest(project_id=project_id, page_size=1)
    )
    assert [benchmark.id for benchmark in page.benchmarks] == [two.id]
    check = await checked(school, project_id, benchmark_ids=[one.id, two.id])
    assert [(source.name, source.leaks) for source in check.sources] == [("one", 1), ("two", 1)]
    assert (check.counts.leaking_examples, check.counts.near_copies) == (1, 2)
    await client.benchmarks.DeleteBenchmark(benchmark_service_pb2.DeleteBenchmarkRequest(id=one.id))
    assert await refused(got(school, one.id)) == "BENCHMARK_NOT_FOUND"
    kept = await client.leak_checks.ListLeakChecks(pb.ListLeakChecksRequest(project_id=project_id))
    assert kept.leak_checks[0].sources[0].sha256 == one.sha256
    assert len(await leaks(school, check.id, 100)) == 2
    await client.leak_checks.DeleteLeakCheck(pb.DeleteLeakCheckRequest(id=check.id))
    assert await refused(leaks(school, check.id)) == "LEAK_CHECK_NOT_FOUND"
    await checked(school, project_id, benchmark_ids=[two.id])
    wanted = DeleteProjectDataRequest(project_id=project_id)
    gone = await client.project_data("dataset").DeleteProjectData(wanted)
    assert (gone.deleted_rows["dataset.benchmarks"], gone.deleted_rows["dataset.leak_checks"]) == (1, 1)


async def test_leaks_are_found_from_the_command_line(school: School, tmp_path: Path) -> None:
    cli = CommandLine(Rooms(school.stores, school.client, {}), new_id())
    example_id = await asked(school, cli.project, "What was it?", f"Somebody asked: {ASKED} Nobody knew.")
    path = tmp_path / "pumps.jsonl"
    path.write_bytes(lines(ROWS))
    project = ("--project", cli.project)
    code, printed = await cli.run("benchmark", "create", str(path), *project, "--name", "pumps", "--wait")
    assert code == 0, printed
    assert "no questions: 1; the first is row 2 of pumps.jsonl: question holds no text" in printed
    code, printed = await cli.run(
        "--json", "leak-check", "create", *project, "--benchmark", "pumps", "--wait"
    )
    assert code == 0, printed
    check = json.loads(printed)
    assert check["counts"]["leaking_examples"] == "1"
    code, printed = await cli.run("--json", "leak-check", "leaks", check["id"])
    leak = json.loads(printed)
    assert (leak["example_id"], leak["ways"]) == (example_id, ["LEAK_WAY_SHARED_WORDS"])
    code, printed = await cli.run("--lang", "zh", "leak-check", "create", *project, "--benchmark", "none")
    assert (code, "没有名为 none 的评测集" in printed) == (1, True)


async def test_a_version_holds_no_question_of_a_benchmark_unless_it_is_told_to(school: School) -> None:
    project_id = new_id()
    benchmark = await made(school, project_id, ROWS)
    inside = await asked(school, project_id, "What was it?", f"Somebody asked: {ASKED} Nobody knew.")
    for name in ("heron", "stork", "swan", "gull"):
        await asked(
            school, project_id, f"Where does the {name} of page {len(name) * 7919} sleep in {name}land?"
        )
    wanted: dict[str, Any] = {"benchmark_ids": [benchmark.id], "exam_share": 0.0}
    started = await school.start_version(project_id, **wanted)
    assert (await school.ended(started.job)).state == FAILED
    request = job_service_pb2.ListJobFailuresRequest(job_id=started.job.id)
    (failed,) = (await school.client.jobs("dataset").ListJobFailures(request)).job_failures
    assert failed.failure.reason == "BENCHMARK_LEAK"
    assert (
        f"sishu leak-check create --project {project_id} --benchmark {benchmark.id}" in failed.failure.message
    )

    dropped = await school.made(project_id, **wanted, benchmark_leaks=dataset_version_pb2.LEAK_ACTION_DROP)
    assert (dropped.split_counts["train"], dropped.dropped_counts["BENCHMARK_LEAK"]) == (4, 1)
    assert inside not in {one.example_id for one in await school.held(dropped.id)}
    reported = await school.made(project_id, **wanted, benchmark_leaks=dataset_version_pb2.LEAK_ACTION_REPORT)
    assert (reported.split_counts["train"], dict(reported.dropped_counts)) == (5, {})
    assert dict(reported.leak_counts) == dict(dropped.leak_counts) == {benchmark.id: 1}
    (told,) = (await school.manifest(reported.id))["leaks"]
    assert (told["sha256"], told["rows"], told["leaks"]) == (benchmark.sha256, 22, 1)
    again = await school.made(project_id, **wanted, benchmark_leaks=dataset_version_pb2.LEAK_ACTION_DROP)
    assert again.content_sha256 == dropped.content_sha256
    assert await refused(school.start_version(new_id(), **wanted)) == "PROJECT_MISMATCH"


async def test_words_of_exam_questions_are_looked_for_where_it_is_wanted(school: School) -> None:
    project_id = new_id()
    await asked(school, project_id, ASKED, "960", kind=example_pb2.EXAMPLE_KIND_EXAM_ITEM)
    inside = await asked(school, project_id, "What was it?", f"Somebody asked: {ASKED} Nobody knew.")
    await asked(school, project_id, "Where does the heron of the third page sleep?")
    usual = await school.made(project_id, exam_count=1)
    assert (usual.split_counts["train"], dict(usual.leak_counts)) == (2, {})
    dropped = await school.made(project_id, exam_count=1, exam_leaks=dataset_version_pb2.LEAK_ACTION_DROP)
    assert (dropped.split_counts["train"], dropped.dropped_counts["EXAM_LEAK"]) == (1, 1)
    assert dict(dropped.leak_counts) == {"exam": 1}
    assert inside not in {one.example_id for one in await school.held(dropped.id)}
    started = await school.start_version(
        project_id, exam_count=1, exam_leaks=dataset_version_pb2.LEAK_ACTION_BLOCK
    )
    assert (await school.ended(started.job)).state == FAILED
