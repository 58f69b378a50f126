"""The dataset room: imports of data files, over gRPC, Postgres, S3 and its queue."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.dataset.imports.store import SQL as IMPORT_SQL
from services.dataset.imports.store import ImportStore
from services.dataset.imports.uploads import UploadSweeper
from services.runtime.ids import new_id
from services.runtime.jobs import Jobs
from sishu.common.v1 import job_pb2, job_service_pb2
from sishu.common.v1.project_data_service_pb2 import DeleteProjectDataRequest
from sishu.dataset.v1 import example_pb2, import_pb2
from sishu.dataset.v1 import import_service_pb2 as pb
from sishu.errors import ApiError
from tests.integration.command_line import CommandLine
from tests.integration.dataset_school import KEPT, REJECTED, FakeProjects, School, closed_items
from tests.integration.processes import eventually
from tests.integration.stores import Rooms, started_room
from tests.support.small_disks import mounted

SUCCEEDED, FAILED = job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED


def lines(rows: list[Any]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def asked(count: int, start: int = 0) -> list[dict[str, str]]:
    return [
        {"question": f"What is {n}?", "answer": f"It is \\{n}\t\n{{}} 号."}
        for n in range(start, start + count)
    ]


async def uploaded(school: School, project_id: str, name: str, data: bytes, announced: bytes = b"") -> str:
    request = pb.CreateImportUploadRequest(
        project_id=project_id,
        name=name,
        size_bytes=len(announced or data),
        sha256=hashlib.sha256(announced or data).hexdigest(),
    )
    answer = await school.client.imports.CreateImportUpload(request)
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        (
            await http.put(answer.target.url, content=data, headers=dict(answer.target.headers))
        ).raise_for_status()
    return answer.upload_id


async def start(
    school: School, project_id: str, upload_id: str, request_id: str = "", **options: Any
) -> import_pb2.Import:
    wanted = import_pb2.Import(
        project_id=project_id,
        file=import_pb2.ImportFile(upload_id=upload_id),
        options=import_pb2.ImportOptions(**options),
    )
    request = pb.CreateImportRequest(**{"import": wanted}, request_id=request_id)
    return of(await school.client.imports.CreateImport(request))


def of(answer: Any) -> import_pb2.Import:
    found: import_pb2.Import = getattr(answer, "import")
    return found


async def got(school: School, import_id: str) -> import_pb2.Import:
    return of(await school.client.imports.GetImport(pb.GetImportRequest(id=import_id)))


async def imported(
    school: School, project_id: str, name: str, data: bytes, **options: Any
) -> import_pb2.Import:
    started = await start(school, project_id, await uploaded(school, project_id, name, data), **options)
    await school.ended(started.job)
    return await got(school, started.id)


async def faults(school: School, import_id: str, page_size: int = 2) -> list[import_pb2.ImportFault]:
    found: list[import_pb2.ImportFault] = []
    request = pb.ListImportFaultsRequest(import_id=import_id, page_size=page_size)
    while True:
        page = await school.client.imports.ListImportFaults(request)
        found += page.import_faults
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


async def refused(call: Any) -> str:
    with pytest.raises(ApiError) as caught:
        await call
    return caught.value.reason


async def test_good_rows_become_examples_and_bad_ones_are_told_of(school: School) -> None:
    project_id = new_id()
    bad: list[dict[str, Any]] = [
        {"question": "Why?", "answer": ""},
        {"question": "Why?", "answer": 3},
        {"question": "", "answer": "x"},
    ]
    rows: list[dict[str, Any]] = [
        *asked(30),
        *bad,
        {"question": "中文？", "answer": "是。<think>", "x": None},
    ]
    done = await imported(school, project_id, "a.jsonl", lines(rows), labels=["mine"])
    assert done.job.state == SUCCEEDED
    assert done.file.name == "a.jsonl"
    counts = done.counts
    assert (counts.rows, counts.kept, counts.duplicates, counts.bad) == (34, 31, 0, 3)
    assert dict(counts.bad_by_reason) == {"TEXT_EMPTY": 2, "TEXT_EXPECTED": 1}
    found = await school.listed(project_id)
    assert [(one.messages[0].content, one.messages[1].content) for one in found] == [
        (row["question"], row["answer"]) for row in [*asked(30), rows[-1]]
    ]
    assert {(one.kind, one.state) for one in found} == {(example_pb2.EXAMPLE_KIND_SFT, KEPT)}
    assert [one.lineage.import_row for one in found] == [*range(1, 31), 34]
    assert {one.lineage.import_id for one in found} == {done.id}
    assert {tuple(one.labels) for one in found} == {("mine",)}
    assert [one.language for one in found][-1] == "zh"
    told = await faults(school, done.id)
    assert [(one.file, one.row, one.field, one.reason) for one in told] == [
        ("a.jsonl", 31, "answer", "TEXT_EMPTY"),
        ("a.jsonl", 32, "answer", "TEXT_EXPECTED"),
        ("a.jsonl", 33, "question", "TEXT_EMPTY"),
    ]
    profile = done.profile
    assert dict(profile.kinds) == {"sft": 31}
    assert dict(profile.turns) == {2: 31}
    assert dict(profile.empty_columns) == {"answer": 1, "question": 1, "x": 1}
    assert profile.characters.count == 31
    assert sum(profile.characters.bins.values()) == 31
    listed = (await school.client.imports.ListImports(pb.ListImportsRequest(project_id=project_id))).imports
    assert list(listed) == [done]


async def test_duplicates_are_kept_as_rejected_examples(school: School) -> None:
    project_id = new_id()
    first = await imported(school, project_id, "a.jsonl", lines(asked(5)))
    second = await imported(school, project_id, "b.jsonl", lines([*asked(3, 3), *asked(3, 5)]))
    assert (first.counts.kept, first.counts.duplicates) == (5, 0)
    # Two are there, one comes twice.
    assert (second.counts.rows, second.counts.kept, second.counts.duplicates) == (6, 3, 3)
    found = await school.listed(project_id)
    by_row = {(one.lineage.import_id, one.lineage.import_row): one for one in found}
    firsts = [by_row[first.id, 4], by_row[first.id, 5], by_row[second.id, 3]]
    for row, earlier in zip((1, 2, 4), firsts, strict=True):
        later = by_row[second.id, row]
        assert later.state == REJECTED
        assert later.rejection.reason == "DUPLICATE"
        assert later.rejection.metadata["example_id"] == earlier.id


async def test_an_import_with_too_many_bad_rows_brings_nothing_but_tells_which(school: School) -> None:
    project_id = new_id()
    rows = [*asked(20), *[{"question": "Why?", "answer": ""}] * 4]
    upload_id = await uploaded(school, project_id, "a.jsonl", lines(rows))
    failed = await start(school, project_id, upload_id)
    assert (await school.ended(failed.job)).state == FAILED
    done = await got(school, failed.id)
    assert done.job.failure.reason == "ROWS_BAD"
    assert (done.counts.rows, done.counts.kept, done.counts.bad) == (24, 0, 4)
    assert [one.row for one in await faults(school, failed.id)] == [21, 22, 23, 24]
    assert not await school.listed(project_id)
    none = await start(school, project_id, upload_id, max_bad_rows=2, max_bad_share=1)
    assert (await school.ended(none.job)).failure.reason == "ROWS_BAD"
    # What was uploaded is there for another try.
    again = await start(school, project_id, upload_id, max_bad_share=0.5)
    assert (await school.ended(again.job)).state == SUCCEEDED
    assert len(await school.listed(project_id)) == 20
    assert await refused(start(school, project_id, upload_id)) == "UPLOAD_MISSING"


async def test_a_file_that_cannot_be_read_fails_the_job(school: School) -> None:
    for name, data, reason in [
        ("a.json", b'[{"question": "x"', "JSON_CUT_OFF"),
        ("a.jsonl", b"\n\n", "FILE_EMPTY"),
        ("a.jsonl", b'{"x": 1}\n', "SHAPE_UNKNOWN"),
        ("a.parquet", b"rubbish", "FILE_DAMAGED"),
        ("a.zip", b"PK rubbish", "FILE_DAMAGED"),
    ]:
        done = await imported(school, new_id(), name, data)
        assert (done.job.state, done.job.failure.reason) == (FAILED, reason)


async def test_options_and_uploads_are_checked_at_once(school: School) -> None:
    project_id = new_id()
    upload_id = await uploaded(school, project_id, "a.jsonl", lines(asked(1)))
    cases: list[tuple[dict[str, Any], str]] = [
        ({"shape": "poem"}, "SHAPE_UNSUPPORTED"),
        ({"columns": {"verse": "x"}}, "COLUMN_UNKNOWN"),
        ({"encoding": "klingon"}, "ENCODING_UNSUPPORTED"),
        ({"think_start": "["}, "FIELD_INVALID"),
        ({"max_bad_share": 2}, "FIELD_INVALID"),
        ({"kind": example_pb2.EXAMPLE_KIND_PREFERENCE}, "FIELD_INVALID"),
    ]
    for options, reason in cases:
        assert await refused(start(school, project_id, upload_id, **options)) == reason
    assert await refused(start(school, new_id(), upload_id)) == "PROJECT_MISMATCH"
    assert await refused(start(school, project_id, new_id())) == "UPLOAD_NOT_FOUND"
    assert await refused(uploaded(school, project_id, "a.docx", b"x")) == "FORMAT_UNSUPPORTED"
    assert await refused(uploaded(school, FakeProjects.missing, "a.json", b"x")) == "PROJECT_NOT_FOUND"
    assert await refused(got(school, new_id())) == "IMPORT_NOT_FOUND"
    assert await refused(faults(school, new_id())) == "IMPORT_NOT_FOUND"
    short = await uploaded(school, project_id, "a.jsonl", b"x", lines(asked(1)))
    assert await refused(start(school, project_id, short)) == "UPLOAD_MISMATCH"
    other = await uploaded(school, project_id, "a.jsonl", lines(asked(1)).swapcase(), lines(asked(1)))
    assert (
        await school.ended((await start(school, project_id, other)).job)
    ).failure.reason == "UPLOAD_MISMATCH"
    assert not await school.listed(project_id)


async def test_the_same_request_gives_the_same_import(school: School) -> None:
    project_id, request_id = new_id(), new_id()
    upload_id = await uploaded(school, project_id, "a.jsonl", lines(asked(3)))
    first = await start(school, project_id, upload_id, request_id)
    await school.ended(first.job)
    assert (await start(school, project_id, upload_id, request_id)).id == first.id
    assert len(await school.listed(project_id)) == 3


async def test_a_preview_stores_nothing(school: School) -> None:
    project_id = new_id()
    rows = [{"q": "Why?", "a": "So."}, {"q": "Why?", "a": ""}] * 30
    upload_id = await uploaded(school, project_id, "a.jsonl", lines(rows))
    columns = {"instruction": "q", "answer": "a"}
    request = pb.PreviewImportRequest(
        upload_id=upload_id, options=import_pb2.ImportOptions(columns=columns), rows=5
    )
    answer = await school.client.imports.PreviewImport(request)
    assert [one.messages[1].content for one in answer.examples] == ["So."] * 3
    assert [(one.row, one.reason) for one in answer.faults] == [(2, "TEXT_EMPTY"), (4, "TEXT_EMPTY")]
    assert not await school.listed(project_id)


async def test_a_folder_of_llama_factory_comes_as_a_zip(school: School) -> None:
    info = {"mine": {"file_name": "rows.json", "num_samples": 2}}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("f/dataset_info.json", json.dumps(info))
        rows = [{"instruction": f"Why {n}?", "input": "", "output": "So."} for n in range(9)]
        archive.writestr("f/rows.json", json.dumps(rows, indent=1))
    project_id = new_id()
    done = await imported(school, project_id, "f.zip", packed.getvalue())
    assert (done.counts.rows, done.counts.kept) == (2, 2)
    kinds = {one.kind for one in await school.listed(project_id)}
    assert kinds == {example_pb2.EXAMPLE_KIND_SFT}


async def test_shards_of_a_version_come_back_as_they_were(school: School) -> None:
    here, there = new_id(), new_id()
    rows = [
        *[
            {
                "messages": [
                    {"role": "user", "content": f"{n}?"},
                    {"role": "assistant", "content": f"<think>Hm.</think>{n}"},
                ]
            }
            for n in range(40)
        ],
        *[{"prompt": f"Better {n}?", "chosen": "Yes.", "rejected": "No."} for n in range(5)],
    ]
    await imported(school, here, "a.jsonl", lines(rows[:40]), labels=["one", 'tw"o\\'])
    await imported(school, here, "b.jsonl", lines(rows[40:]))
    version = await school.made(here)
    files = await school.shards(version.id)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    done = await imported(school, there, "v.zip", packed.getvalue())
    assert done.job.state == SUCCEEDED
    before, after = await school.listed(here), await school.listed(there)

    def plain(one: example_pb2.Example) -> Any:
        one.id = one.project_id = ""
        for field in ("lineage", "create_time", "update_time"):
            one.ClearField(field)
        return one.SerializeToString(deterministic=True)

    held = {one.example_id for one in await school.held(version.id)}
    assert sorted(plain(one) for one in before if one.id in held) == sorted(map(plain, after))
    assert len(after) > 30


@asynccontextmanager
async def held(school: School, statement: str, value: str) -> AsyncIterator[None]:
    """What a statement locks is locked until the end."""
    async with (
        school.stores.pool("dataset", 1) as pool,
        pool.acquire() as connection,
        connection.transaction(),
    ):
        await connection.fetch(statement, value)
        yield


async def test_an_import_is_whole_or_not_there_though_its_worker_is_killed(idle_school: School) -> None:
    school, project_id, count = idle_school, new_id(), 2000
    started = await start(
        school, project_id, await uploaded(school, project_id, "a.jsonl", lines(asked(count)))
    )

    async def has_read_all() -> bool:
        request = job_service_pb2.GetJobRequest(id=started.job.id)
        job = (await school.client.jobs("dataset").GetJob(request)).job
        return job.progress == f"{count} rows read, looking for duplicates"

    async with (
        # All rows are copied then; who stores their counts waits.
        held(school, "SELECT FROM imports WHERE id = $1 FOR UPDATE", started.id),
        started_room(school.stores, "dataset", "worker") as worker,
    ):
        await eventually(has_read_all)
        await worker.kill()
    assert not await school.listed(project_id)
    assert not (await got(school, started.id)).HasField("counts")
    async with started_room(school.stores, "dataset", "worker"):
        assert (await school.ended(started.job)).state == SUCCEEDED
    done = await got(school, started.id)
    assert (done.counts.rows, done.counts.kept) == (count, count)
    rows = [one.lineage.import_row for one in await school.listed(project_id, page_size=1000)]
    assert rows == list(range(1, count + 1))


async def test_a_cancelled_import_brings_nothing(idle_school: School) -> None:
    school, project_id = idle_school, new_id()
    started = await start(
        school, project_id, await uploaded(school, project_id, "a.jsonl", lines(asked(2000)))
    )

    async def waits() -> bool:
        async with school.stores.pool("dataset", 1) as pool:
            found: int = await pool.fetchval(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted "
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        return found > 0

    async with started_room(school.stores, "dataset", "worker") as worker:
        async with held(school, IMPORT_SQL.lock_project, project_id):
            await eventually(waits)
            async with asyncio.timeout(5):
                request = job_service_pb2.CancelJobRequest(id=started.job.id)
                await school.client.jobs("dataset").CancelJob(request)

        async def is_given_up() -> bool:
            return await closed_items(worker, "import_file") == 1

        await eventually(is_given_up)
    assert not await school.listed(project_id)


async def test_a_deleted_project_takes_its_imports_with_it(school: School) -> None:
    project_id = new_id()
    rows = [*asked(20), {"question": "", "answer": "x"}]
    done = await imported(school, project_id, "a.jsonl", lines(rows))
    left = await uploaded(school, project_id, "b.jsonl", lines(asked(1)))
    request = DeleteProjectDataRequest(project_id=project_id)
    answer = await school.client.project_data("dataset").DeleteProjectData(request)
    assert [answer.deleted_rows[f"dataset.{one}"] for one in ("imports", "import_uploads", "examples")] == [
        1,
        2,
        20,
    ]
    assert answer.deleted_objects == 1
    assert await refused(got(school, done.id)) == "IMPORT_NOT_FOUND"
    assert await refused(start(school, project_id, left)) == "UPLOAD_NOT_FOUND"


@pytest.mark.full
async def test_a_folder_is_imported_from_the_command_line(school: School, tmp_path: Path) -> None:
    project_id = new_id()
    cli = CommandLine(Rooms(school.stores, school.client, {}), project_id)
    rows = [*asked(30), {"question": "Why?", "answer": ""}]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.jsonl").write_bytes(lines(rows))
    (tmp_path / "data" / "b.json").write_text("{")
    where = (str(tmp_path / "data"), "--project", project_id, "--files", "*.jsonl")
    code, printed = await cli.run("--json", "import", "preview", *where, "--rows", "2")
    assert code == 0, printed
    assert [json.loads(line)["messages"][0]["content"] for line in printed.splitlines()] == [
        "What is 0?",
        "What is 1?",
    ]
    code, printed = await cli.run("--json", "import", "create", *where, "--label", "mine", "--wait")
    assert code == 0, printed
    assert "1 of 31 rows are no examples" in printed
    done = json.loads(printed.splitlines()[-1])
    assert (done["counts"]["kept"], done["file"]["name"]) == ("30", "data.zip")
    code, printed = await cli.run("--json", "import", "faults", done["id"])
    assert [json.loads(line)["reason"] for line in printed.splitlines()] == ["TEXT_EMPTY"]
    code, printed = await cli.run("import", "list", "--project", project_id)
    assert (code, done["id"] in printed) == (0, True), printed
    code, printed = await cli.run("import", "create", *where, "--column", "oops")
    assert code == 1
    assert "--column oops: write what it holds and its name" in printed
    code, printed = await cli.run("import", "create", str(tmp_path / "none"), "--project", project_id)
    assert (code, "there is no file or folder" in printed) == (1, True), printed


@pytest.mark.full
async def test_an_import_waits_for_a_bucket_that_is_away_and_goes_on(idle_school: School) -> None:
    school, project_id = idle_school, new_id()
    started = await start(
        school, project_id, await uploaded(school, project_id, "a.jsonl", lines(asked(500)))
    )
    async with started_room(school.stores, "dataset", "worker") as worker:
        await school.stores.servers.s3.stop()

        async def waits() -> bool:
            return "item_retried" in worker.log()

        try:
            await eventually(waits, 60.0)
            assert not await school.listed(project_id)
        finally:
            await school.stores.servers.s3.start()
        assert (await school.ended(started.job)).state == SUCCEEDED
    assert (await got(school, started.id)).counts.kept == 500


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder with room for 256 KiB."""
    with mounted(tmp_path, "256k") as folder:
        yield folder


@pytest.mark.full
async def test_a_full_disk_is_told_of_and_nothing_comes(idle_school: School, small_disk: Path) -> None:
    school, project_id = idle_school, new_id()
    upload_id = await uploaded(school, project_id, "a.jsonl", lines(asked(10_000)))
    started = await start(school, project_id, upload_id)
    async with started_room(school.stores, "dataset", "worker", env={"TMPDIR": str(small_disk)}):
        ended = await school.ended(started.job)
    assert (ended.state, ended.failure.reason) == (FAILED, "DISK_UNUSABLE")
    assert "No space left on device" in ended.failure.message
    assert not await school.listed(project_id)
    # What was uploaded is there for another try.
    async with started_room(school.stores, "dataset", "worker"):
        request = job_service_pb2.RetryJobRequest(id=started.job.id)
        await school.client.jobs("dataset").RetryJob(request)
        assert (await school.ended(started.job)).state == SUCCEEDED
    assert (await got(school, started.id)).counts.kept == 10_000


async def test_old_uploads_that_no_import_needs_are_swept(idle_school: School) -> None:
    school, project_id = idle_school, new_id()
    ids = [await uploaded(school, project_id, "a.jsonl", lines(asked(2))) for _ in range(4)]
    waiting, failed = [await start(school, project_id, upload_id) for upload_id in ids[:2]]
    await school.client.jobs("dataset").CancelJob(job_service_pb2.CancelJobRequest(id=failed.job.id))
    async with school.stores.pool("dataset") as pool, school.stores.storage() as storage:
        old = (
            "UPDATE import_uploads SET create_time = now() - interval '26 hours' WHERE id = ANY ($1::uuid[])"
        )
        await pool.execute(old, ids[:3])
        sweeper = UploadSweeper(ImportStore(pool, Jobs(pool, "dataset")), storage, 86400.0)
        assert not await sweeper.sweep_some()
        rows = await pool.fetch("SELECT id, sweep_time FROM import_uploads WHERE project_id = $1", project_id)
    # One is waited for, of one an import tells, one is gone, one is young.
    assert {row["id"]: row["sweep_time"] is not None for row in rows} == {
        ids[0]: False,
        ids[1]: True,
        ids[3]: False,
    }
    assert await refused(start(school, project_id, ids[1])) == "UPLOAD_MISSING"
    assert await refused(start(school, project_id, ids[2])) == "UPLOAD_NOT_FOUND"
    async with started_room(school.stores, "dataset", "worker"):
        assert (await school.ended(waiting.job)).state == SUCCEEDED
