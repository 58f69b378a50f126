"""The dataset room when the bucket goes away in the middle, the disk fills, or a worker is killed."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
import pytest_asyncio

from services.runtime.ids import new_id
from sishu.common.v1 import job_pb2, job_service_pb2
from sishu.dataset.v1 import export_pb2, export_service_pb2, import_pb2
from sishu.dataset.v1 import import_service_pb2 as pb
from tests.integration.dataset_school import READY, School, started_school, turns
from tests.integration.processes import eventually
from tests.integration.stores import HOST, Room, Servers, started_room
from tests.support.small_disks import enlarge, mounted

SUCCEEDED = job_pb2.JOB_STATE_SUCCEEDED
AWAY_SECONDS = 20.0
CHUNK = 4096

pytestmark = pytest.mark.full


@pytest_asyncio.fixture(scope="module")
async def school(servers: Servers) -> AsyncIterator[School]:
    """A school whose queue is worked on only where a test starts a worker."""
    async with started_school(servers, SISHU_DATASET_CONCURRENCY="0") as started:
        yield started


@dataclass
class Line:
    """A way to the bucket that breaks off once, and is whole again after a while.

    Args:
        url: of the server behind it.
        most_up: bytes to the server after which it breaks.
        most_down: bytes from the server after which it breaks.
        cuts: connections that were cut off or refused.
    """

    url: str
    most_up: float = float("inf")
    most_down: float = float("inf")
    port: int = 0
    cuts: int = 0
    _away_until: float = 0.0

    @property
    def broken(self) -> bool:
        """Whether nothing gets through now."""
        return asyncio.get_running_loop().time() < self._away_until

    def cut(self) -> None:
        """Break off now."""
        self.most_up = self.most_down = float("inf")
        self._away_until = asyncio.get_running_loop().time() + AWAY_SECONDS

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what one client and the server say."""
        if self.broken:
            self.cuts += 1
            writer.transport.abort()
            return
        server = urlsplit(self.url)
        there, back = await asyncio.open_connection(server.hostname, server.port)
        with contextlib.suppress(OSError):
            await asyncio.gather(self._up(reader, back), self._down(there, writer))
        for one in (writer, back):
            one.transport.abort()

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for data in self._through(reader, writer):
            self.most_up -= data
            if self.most_up < 0:
                self.cut()

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for data in self._through(reader, writer):
            self.most_down -= data
            if self.most_down < 0:
                self.cut()

    async def _through(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> AsyncIterator[int]:
        while data := await reader.read(CHUNK):
            yield len(data)
            if self.broken:
                self.cuts += 1
                raise ConnectionResetError
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError


@asynccontextmanager
async def worker_behind(
    school: School, most_up: float = float("inf"), most_down: float = float("inf")
) -> AsyncIterator[tuple[Room, Line]]:
    """A worker whose way to the bucket breaks off."""
    line = Line(school.stores.env["SISHU_S3_URL"])
    server = await asyncio.start_server(line.serve, HOST, 0)
    line.port = server.sockets[0].getsockname()[1]
    env = {"SISHU_S3_URL": f"http://{HOST}:{line.port}"}
    try:
        async with started_room(school.stores, "dataset", "worker", env=env) as worker:
            # What it asks for at its start is not counted.
            line.most_up, line.most_down = most_up, most_down
            yield worker, line
    finally:
        server.close()


def rows_of(count: int, said: str = "It is so.") -> bytes:
    rows = ({"question": f"What is part {n * 7919}?", "answer": f"{n}: {said}"} for n in range(count))
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


async def import_of(school: School, project_id: str, data: bytes) -> import_pb2.Import:
    """An import of a file that was sent."""
    request = pb.CreateImportUploadRequest(
        project_id=project_id,
        name="a.jsonl",
        size_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )
    target = await school.client.imports.CreateImportUpload(request)
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        answer = await http.put(target.target.url, content=data, headers=dict(target.target.headers))
        answer.raise_for_status()
    file = import_pb2.ImportFile(upload_id=target.upload_id)
    wanted: dict[str, Any] = {"import": import_pb2.Import(project_id=project_id, file=file)}
    made: import_pb2.Import = getattr(
        await school.client.imports.CreateImport(pb.CreateImportRequest(**wanted)), "import"
    )
    return made


async def check_rows(school: School, project_id: str, count: int) -> None:
    """Look whether every row is there once, in its order."""
    found = await school.listed(project_id, page_size=1000)
    assert [one.lineage.import_row for one in found] == list(range(1, count + 1))


async def progress(school: School, job: job_pb2.Job) -> str:
    answer = await school.client.jobs("dataset").GetJob(job_service_pb2.GetJobRequest(id=job.id))
    return answer.job.progress


async def reads(school: School, job: job_pb2.Job) -> None:
    """Wait until rows are read."""

    async def is_reading() -> bool:
        return "rows read" in await progress(school, job)

    await eventually(is_reading)


async def filled(school: School, answer: str = "Ada.", count: int = 40) -> str:
    """A project with some examples."""
    project_id = new_id()
    for n in range(count):
        await school.create(
            project_id=project_id, messages=turns(f"Who is number {n * 7919}?", f"{n} {answer}")
        )
    return project_id


async def export_of(school: School, version_id: str) -> export_pb2.Export:
    wanted = export_pb2.Export(
        dataset_version_id=version_id, options=export_pb2.ExportOptions(bundle="llama_factory")
    )
    request = export_service_pb2.CreateExportRequest(export=wanted)
    return (await school.client.exports.CreateExport(request)).export


async def exported(school: School, export_id: str) -> dict[str, bytes]:
    """The files of an export, held against their size and SHA-256."""
    request = export_service_pb2.GetExportFilesRequest(id=export_id)
    found = {}
    async with httpx.AsyncClient(trust_env=False) as http:
        for link in (await school.client.exports.GetExportFiles(request)).files:
            found[link.name] = (await http.get(link.url)).raise_for_status().content
            assert hashlib.sha256(found[link.name]).hexdigest() == link.sha256
    return found


async def check_export(school: School, export_id: str, version_id: str) -> None:
    """Look whether an export holds the examples of its version, each once."""
    files = await exported(school, export_id)
    said = [row for name, data in files.items() if name.startswith("alpaca") for row in json.loads(data)]
    rows = [row for split in ("train", "validation", "exam") for row in await school.rows(version_id, split)]
    assert len(rows) > 20
    assert sorted(row["instruction"] for row in said) == sorted(row["messages"][0]["content"] for row in rows)


async def test_an_import_whose_file_breaks_off_waits_and_goes_on(school: School) -> None:
    project_id, count = new_id(), 3000
    data = rows_of(count, "It is so. " * 20)
    started = await import_of(school, project_id, data)
    async with worker_behind(school, most_down=len(data) // 2) as (worker, line):
        ended = await school.ended(started.job)
    assert ended.state == SUCCEEDED
    assert line.cuts > 1
    assert "item_retried" in worker.log()
    await check_rows(school, project_id, count)


async def test_an_import_is_stored_though_the_bucket_goes_away_meanwhile(school: School) -> None:
    project_id, count = new_id(), 20_000
    started = await import_of(school, project_id, rows_of(count))
    async with worker_behind(school) as (_, line):
        await reads(school, started.job)
        line.cut()
        assert (await school.ended(started.job)).state == SUCCEEDED
        assert line.broken
        await check_rows(school, project_id, count)


async def test_a_version_whose_upload_breaks_off_waits_and_goes_on(school: School) -> None:
    project_id = await filled(school)
    started = await school.start_version(project_id, exam_share=0.2)
    async with worker_behind(school, most_up=4000) as (worker, line):
        await school.ended(started.job)
    version = await school.version(started.id)
    assert version.state == READY
    assert line.cuts > 1
    assert "item_retried" in worker.log()
    assert set(await school.files(version.id)) > {"train-00000.parquet", "exam-00000.parquet"}
    held = sorted(one.example_id for one in await school.held(version.id))
    assert held == sorted(one.id for one in await school.listed(project_id))


async def test_an_export_whose_upload_breaks_off_waits_and_goes_on(school: School) -> None:
    project_id = await filled(school, "It is so. " * 50)
    async with started_room(school.stores, "dataset", "worker"):
        version = await school.made(project_id, exam_share=0.2)
    started = await export_of(school, version.id)
    async with worker_behind(school, most_up=10_000) as (worker, line):
        assert (await school.ended(started.job)).state == SUCCEEDED
    assert line.cuts > 1
    assert "item_retried" in worker.log()
    await check_export(school, started.id, version.id)


async def test_an_export_waits_for_room_on_a_full_disk_and_goes_on(school: School, tmp_path: Path) -> None:
    project_id = await filled(school, "It is so. " * 1500)
    async with started_room(school.stores, "dataset", "worker"):
        version = await school.made(project_id, exam_share=0.2)
    started = await export_of(school, version.id)

    async def is_told() -> bool:
        return "disk of the dataset room's worker is full" in await progress(school, started.job)

    with mounted(tmp_path / "small", "256k") as folder:
        async with started_room(school.stores, "dataset", "worker", env={"TMPDIR": str(folder)}):
            await eventually(is_told)
            assert not list(folder.iterdir())
            enlarge(folder, "64m")
            assert (await school.ended(started.job)).state == SUCCEEDED
    await check_export(school, started.id, version.id)


async def test_a_killed_worker_takes_along_what_reads_for_it(school: School) -> None:
    project_id, count = new_id(), 20_000
    data = rows_of(count, "It is so. " * 50)
    assert len(data) > 8 << 20
    started = await import_of(school, project_id, data)
    async with started_room(school.stores, "dataset", "worker") as worker:
        await reads(school, started.job)
        readers = psutil.Process(worker.pid).children()
        assert any("reading_child" in " ".join(one.cmdline()) for one in readers)
        await worker.kill()
        _, alive = await asyncio.to_thread(psutil.wait_procs, readers, 10)
    assert not alive
    assert not await school.listed(project_id)
    async with started_room(school.stores, "dataset", "worker"):
        assert (await school.ended(started.job)).state == SUCCEEDED
    await check_rows(school, project_id, count)
