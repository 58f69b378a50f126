"""Ingest workers beside the serving process: they share the queue, and may be killed."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest

from services.runtime.work_folders import locked, prefix_of
from sishu.common.v1 import job_pb2, job_service_pb2
from sishu.ingest.v1 import document_service_pb2 as pb
from tests.integration.conftest import StartRoom
from tests.integration.documents import HANDBOOK, SLOW, chunks_of, documents_of, end_of, new_project, upload
from tests.integration.processes import eventually
from tests.integration.stores import Room, Stores

FILES = 240
KILLS = 3
PREFIX = prefix_of("ingest")


@pytest.mark.full
async def test_workers_share_a_job_and_what_is_killed_loses_and_doubles_nothing(
    stores: Stores, start_room: StartRoom
) -> None:
    serving = {"SISHU_INGEST_CONCURRENCY": 0}
    await start_room("ingest", env=serving)
    async with stores.client() as client:
        project = await new_project(client)
        async with asyncio.TaskGroup() as group:
            for number in range(FILES):
                data = f"{HANDBOOK}\nThis is number {number}.\n".encode()
                group.create_task(upload(client, project, f"{number:03}.md", data))
        steady, *killed = [
            await start_room("ingest", "worker", "--concurrency", "1") for _ in range(1 + KILLS)
        ]
        job = (await client.documents.ParseDocuments(pb.ParseDocumentsRequest(project_id=project))).job
        for worker in killed:
            await eventually(partial(at_work, worker))
            await worker.kill()
        ended = await end_of(client, "ingest", job.id)
        documents = await documents_of(client, project, page_size=1000)
        chunks = await chunks_of(client, project)
    assert (ended.state, ended.counts.done) == (job_pb2.JOB_STATE_SUCCEEDED, FILES)
    assert sum(one.chunk_count for one in documents.values()) == len(chunks)
    text_by_document = {
        document.id: "".join(one.text for one in chunks if one.document_id == document.id)
        for document in documents.values()
    }
    expected = {f"{HANDBOOK}\nThis is number {number}.\n" for number in range(FILES)}
    assert set(text_by_document.values()) == expected
    # Both kinds had work: the one that lives, and those that died.
    assert await at_work(steady)
    assert all([await at_work(one) for one in killed])


@pytest.mark.full
async def test_what_a_killed_worker_left_on_the_disk_goes_and_what_is_in_use_stays(
    stores: Stores, start_room: StartRoom, tmp_path: Path
) -> None:
    await start_room("ingest", env={"SISHU_INGEST_CONCURRENCY": 0})
    own = {"TMPDIR": tmp_path}
    worker = await start_room("ingest", "worker", "--concurrency", "1", env=own)
    async with stores.client() as client:
        project = await new_project(client)
        await upload(client, project, "slow.pdf", SLOW)
        job = (await client.documents.ParseDocuments(pb.ParseDocumentsRequest(project_id=project))).job
        await eventually(partial(has_folders, tmp_path))
        await worker.kill()
        (left,) = tmp_path.glob(f"{PREFIX}*")
        await client.jobs("ingest").CancelJob(job_service_pb2.CancelJobRequest(id=job.id))
        used = tmp_path / f"{PREFIX}used"
        used.mkdir()
        with locked(used):
            await start_room("ingest", "worker", "--concurrency", "1", env=own)
        assert used.exists()
        assert not left.exists()


async def has_folders(parent: Path) -> bool:
    """Whether a worker works in a folder."""
    return any(parent.glob(f"{PREFIX}*/file"))


async def at_work(worker: Room) -> bool:
    """Whether a worker has parsed a document."""
    return "document_parsed" in worker.log()
