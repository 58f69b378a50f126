"""The ingest room through its rpcs: files in, chunks out, and nothing lost on the way."""

from __future__ import annotations

import asyncio
import hashlib

from google.protobuf.field_mask_pb2 import FieldMask

from services.runtime.ids import new_id
from sishu.client import Client
from sishu.common.v1 import job_pb2
from sishu.ingest.v1 import chunk_pb2, chunk_service_pb2, document_pb2, project_pb2
from sishu.ingest.v1 import document_service_pb2 as pb
from sishu.ingest.v1 import project_service_pb2 as project_pb
from tests.integration.documents import (
    HANDBOOK,
    SMALL,
    chunks_of,
    document_now,
    documents_of,
    failure,
    fetch,
    new_project,
    parse,
    split_again,
    upload,
)
from tests.support import fault_files


async def test_a_file_becomes_text_and_chunks_that_know_where_they_stand(client: Client) -> None:
    project = await new_project(client)
    document = await upload(client, project, "garden/退货 trees.md", HANDBOOK.replace("\n", "\r\n").encode())
    assert (document.state, document.version) == (document_pb2.DOCUMENT_STATE_UPLOADED, 1)
    job = await parse(client, project, **SMALL)
    assert (job.state, job.counts.done, job.counts.total) == (job_pb2.JOB_STATE_SUCCEEDED, 1, 1)
    document = await document_now(client, document.id)
    assert document.state == document_pb2.DOCUMENT_STATE_PARSED
    content = await client.documents.GetDocumentContent(pb.GetDocumentContentRequest(id=document.id))
    text = await fetch(content.text.url)
    assert text.decode() == HANDBOOK
    assert content.text.sha256 == document.text_sha256 == hashlib.sha256(text).hexdigest()
    assert await fetch(content.file.url) == HANDBOOK.replace("\n", "\r\n").encode()
    chunks = await chunks_of(client, project)
    assert "".join(chunk.text for chunk in chunks) == HANDBOOK
    for chunk in chunks:
        assert HANDBOOK[chunk.span.start : chunk.span.end] == chunk.text
        assert chunk.sha256 == hashlib.sha256(chunk.text.encode()).hexdigest()
    assert [list(chunk.heading_path) for chunk in chunks] == [["Ash"], ["Birch"], ["Cedar"]]
    assert (document.chunk_count, document.char_count) == (3, len(HANDBOOK))
    got = await client.chunks.GetChunk(chunk_service_pb2.GetChunkRequest(id=chunks[1].id))
    assert got.chunk == chunks[1]


async def test_the_chunks_of_a_pdf_know_their_pages(client: Client) -> None:
    project = await new_project(client)
    await upload(
        client, project, "a.pdf", fault_files.pdf("The first page says this.", "The second says that.")
    )
    await parse(client, project, min_size=1, max_size=30)
    chunks = await chunks_of(client, project)
    assert [(chunk.page_start, chunk.page_end) for chunk in chunks] == [(1, 1), (2, 2)]
    assert (await documents_of(client, project))["a.pdf"].page_count == 2


async def test_a_document_shows_the_split_options_that_were_taken(client: Client) -> None:
    project = await new_project(client)
    document = await upload(client, project, "a.md", HANDBOOK.encode())
    assert not document.HasField("split_options")
    for asked, taken in (
        ({}, (800, 1500)),
        ({"max_size": 90}, (90, 90)),
        ({"min_size": 2000}, (2000, 2000)),
    ):
        await split_again(client, document, **asked)
        options = (await document_now(client, document.id)).split_options
        assert (options.strategy, options.min_size, options.max_size) == (
            chunk_pb2.SPLIT_STRATEGY_STRUCTURE,
            *taken,
        )


async def test_split_options_that_contradict_each_other_are_refused(client: Client) -> None:
    project = await new_project(client)
    options = chunk_pb2.SplitOptions(min_size=100, max_size=50)
    error = await failure(
        client.documents.ParseDocuments(pb.ParseDocumentsRequest(project_id=project, split_options=options))
    )
    assert (error.reason, error.field) == ("SPLIT_OPTIONS_INVALID", "split_options.min_size")


async def test_a_page_of_large_chunks_stays_small(client: Client) -> None:
    project = await new_project(client)
    text = "字" * 2_000_000
    document = await upload(client, project, "a.md", text.encode())
    await split_again(client, document, min_size=100_000, max_size=100_000)
    chunks: list[str] = []
    token = ""
    while token or not chunks:
        request = chunk_service_pb2.ListChunksRequest(project_id=project, page_token=token)
        page = await client.chunks.ListChunks(request)
        assert page.ByteSize() < 2 * 2**20
        chunks += [chunk.text for chunk in page.chunks]
        token = page.next_page_token
    assert "".join(chunks) == text


async def test_documents_are_found_by_their_name_or_the_last_part_of_it(client: Client) -> None:
    project = await new_project(client)
    for name in ("a/birds.md", "birds.md", "blackbirds.md", "b/c/退_鸟.md"):
        await upload(client, project, name, name.encode())
    for name, found in (
        ("birds.md", ["a/birds.md", "birds.md"]),
        ("a/birds.md", ["a/birds.md"]),
        ("c/退_鸟.md", ["b/c/退_鸟.md"]),
        ("退%鸟.md", []),
    ):
        request = pb.ListDocumentsRequest(project_id=project, name=name)
        assert [one.name for one in (await client.documents.ListDocuments(request)).documents] == found


async def test_documents_and_chunks_come_page_by_page_in_order(client: Client) -> None:
    project = await new_project(client)
    for name in ("b.md", "a.md", "退.md", "c.md"):
        await upload(client, project, name, f"{HANDBOOK}\n{name}".encode())
    await parse(client, project, **SMALL)
    names: list[str] = []
    indexes: list[tuple[str, int]] = []
    token = ""
    while token or not names:
        page = await client.documents.ListDocuments(
            pb.ListDocumentsRequest(project_id=project, page_size=3, page_token=token)
        )
        names += [document.name for document in page.documents]
        token = page.next_page_token
    assert names == ["a.md", "b.md", "c.md", "退.md"]
    while token or not indexes:
        chunks = await client.chunks.ListChunks(
            chunk_service_pb2.ListChunksRequest(project_id=project, page_size=5, page_token=token)
        )
        indexes += [(chunk.document_id, chunk.index) for chunk in chunks.chunks]
        token = chunks.next_page_token
    assert indexes == sorted(set(indexes))
    assert len(indexes) == sum(one.chunk_count for one in (await documents_of(client, project)).values())


async def update_project(
    client: Client, project: str, paths: list[str], **values: str
) -> project_pb2.Project:
    wanted = project_pb2.Project(id=project, **values)  # type: ignore[arg-type]  # wider than the stubs say
    request = project_pb.UpdateProjectRequest(project=wanted, update_mask=FieldMask(paths=paths))
    return (await client.projects.UpdateProject(request)).project


async def test_an_update_changes_what_it_names_and_nothing_else(client: Client) -> None:
    project, name = await new_project(client), f"renamed {new_id()}"
    for number in range(10):
        await asyncio.gather(
            update_project(client, project, ["name"], name=f"{name} {number}"),
            update_project(client, project, ["description"], description=f"about {number}"),
        )
        now = (await client.projects.GetProject(project_pb.GetProjectRequest(id=project))).project
        assert (now.name, now.description) == (f"{name} {number}", f"about {number}")
    for paths, values in ((["name"], {"name": ""}), (["description"], {"description": "x" * 2001})):
        error = await failure(update_project(client, project, paths, **values))
        assert (error.reason, error.field) == ("FIELD_INVALID", f"project.{paths[0]}")
    unnamed = await failure(update_project(client, "no id", ["name"], name="x"))
    assert (unnamed.code, unnamed.reason) == ("INVALID_ARGUMENT", "FIELD_INVALID")
    assert (await failure(update_project(client, new_id(), ["name"], name="y"))).reason == "PROJECT_NOT_FOUND"
