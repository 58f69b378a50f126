"""Documents by URL, through the rpcs, from a real web server on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web

from sishu.client import Client
from sishu.common.v1 import job_pb2, job_service_pb2
from sishu.ingest.v1 import document_pb2
from sishu.ingest.v1 import document_service_pb2 as pb
from tests.integration.command_line import CommandLine
from tests.integration.conftest import StartRoom
from tests.integration.documents import documents_of, end_of, failure, new_project, parse, text_of
from tests.integration.stores import Rooms, Stores
from tests.support.web_server import served

PAGE = "<html><head><title>T</title></head><body><main><h1>Returns</h1><p>Within {days} days.</p></main></body></html>"


@pytest_asyncio.fixture
async def site() -> AsyncIterator[str]:
    days = iter(range(30, 60))

    async def page(request: web.Request) -> web.Response:
        if request.path.endswith("missing"):
            return web.Response(status=404)
        return web.Response(text=PAGE.format(days=next(days)), content_type="text/html")

    async with served(page) as url:
        yield url


async def fetch_all(client: Client, project: str, *urls: str) -> job_pb2.Job:
    request = pb.FetchDocumentsRequest(project_id=project, urls=urls)
    return await end_of(client, "ingest", (await client.documents.FetchDocuments(request)).job.id)


async def test_a_page_becomes_a_document_and_when_it_changed_its_next_version(
    stores: Stores, start_room: StartRoom, site: str
) -> None:
    await start_room("ingest", env={"SISHU_INGEST_PRIVATE_ADDRESSES": "127.0.0.0/8"})
    async with stores.client() as client:
        project, url = await new_project(client), f"{site}/help/returns"
        job = await fetch_all(client, project, url, f"{site}/missing")
        assert (job.counts.done, job.counts.failed) == (1, 1)
        request = job_service_pb2.ListJobFailuresRequest(job_id=job.id)
        (letter,) = (await client.jobs("ingest").ListJobFailures(request)).job_failures
        assert letter.failure.reason == "URL_REFUSED"
        ((name, document),) = (await documents_of(client, project)).items()
        assert name.endswith("/help/returns.html")
        assert (document.source_url, document.state) == (url, document_pb2.DOCUMENT_STATE_UPLOADED)
        await parse(client, project)
        assert await text_of(client, document.id) == "# Returns\n\nWithin 30 days.\n"
        await fetch_all(client, project, url)
        await parse(client, project)
        ((_, again),) = (await documents_of(client, project)).items()
        assert (again.id, again.version) == (document.id, 2)
        assert await text_of(client, document.id) == "# Returns\n\nWithin 31 days.\n"


@pytest.mark.full
async def test_a_fetch_names_what_it_fetched_and_the_command_parses_and_prints_that_alone(
    stores: Stores, start_room: StartRoom
) -> None:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text=PAGE.format(days=len(request.path)), content_type="text/html")

    await start_room("ingest", env={"SISHU_INGEST_PRIVATE_ADDRESSES": "127.0.0.0/8"})
    async with served(page) as site, stores.client() as client:
        project = await new_project(client)
        await fetch_all(client, project, f"{site}/of-another")
        job = await fetch_all(client, project, f"{site}/mine", f"{site}/of-another")
        request = pb.ListDocumentsRequest(project_id=project, job_id=job.id)
        names = [one.name for one in (await client.documents.ListDocuments(request)).documents]
        assert [name.rpartition("/")[2] for name in names] == ["mine.html", "of-another.html"]
        command = CommandLine(Rooms(stores, client, {}), project)
        for _ in range(2):
            code, printed = await command.run("document", "fetch", f"{site}/mine", "--project", project)
            assert (code, "mine.html" in printed, "of-another.html" in printed) == (0, True, False), printed
        states = {
            name.rpartition("/")[2]: one.state for name, one in (await documents_of(client, project)).items()
        }
        assert states == {
            "mine.html": document_pb2.DOCUMENT_STATE_PARSED,
            "of-another.html": document_pb2.DOCUMENT_STATE_UPLOADED,
        }


async def test_a_fetch_goes_on_after_its_room_was_killed(stores: Stores, start_room: StartRoom) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def page(request: web.Request) -> web.Response:
        asked.set()
        await go_on.wait()
        return web.Response(text=PAGE.format(days=30), content_type="text/html")

    env = {"SISHU_INGEST_PRIVATE_ADDRESSES": "127.0.0.0/8", "SISHU_HEARTBEAT_SECONDS": 3}
    async with served(page) as url, stores.client() as client:
        room = await start_room("ingest", env=env)
        project = await new_project(client)
        request = pb.FetchDocumentsRequest(project_id=project, urls=[f"{url}/page"])
        job = (await client.documents.FetchDocuments(request)).job
        await asyncio.wait_for(asked.wait(), 30)
        await room.kill()
        go_on.set()
        await start_room("ingest", env=env)
        assert (await end_of(client, "ingest", job.id)).counts.done == 1
        assert len(await documents_of(client, project)) == 1


async def test_an_address_of_a_private_network_is_refused(
    stores: Stores, start_room: StartRoom, site: str
) -> None:
    await start_room("ingest")
    async with stores.client() as client:
        project = await new_project(client)
        job = await fetch_all(client, project, f"{site}/help/returns")
        assert (job.state, job.failure.reason) == (job_pb2.JOB_STATE_FAILED, "ADDRESS_PRIVATE")
        assert await documents_of(client, project) == {}


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "gopher://example.com/", "http://user:secret@example.com/"]
)
async def test_what_is_no_web_address_starts_no_job(stores: Stores, start_room: StartRoom, url: str) -> None:
    await start_room("ingest")
    async with stores.client() as client:
        request = pb.FetchDocumentsRequest(project_id=await new_project(client), urls=[url])
        error = await failure(client.documents.FetchDocuments(request))
        assert (error.code, error.reason) == ("INVALID_ARGUMENT", "URL_INVALID")
        assert "secret" not in error.message
