"""Upload and parse documents as a client does; for tests that need a project with chunks."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from sishu.client import Client
from sishu.common.v1 import job_pb2, job_service_pb2
from sishu.errors import ApiError
from sishu.ingest.v1 import chunk_pb2, chunk_service_pb2, document_pb2, project_pb2
from sishu.ingest.v1 import document_service_pb2 as document_pb
from sishu.ingest.v1 import project_service_pb2 as project_pb
from tests.support.scans import scanned_pdf

JOB_SECONDS = 120.0
HANDBOOK = "".join(
    f"# {tree}\n\nThe {tree} grows in the garden of 北辰. It is {age} years old.\n\n"
    for tree, age in (("Ash", 20), ("Birch", 30), ("Cedar", 40))
)
SLOW = scanned_pdf(*(f"Page {number} of a scan.\n" * 20 for number in range(60)))
"""A minute of work."""
SLOW_TEXT = b"` " * 9_900_000
"""Ten seconds of work at least, without a page to tell that it goes on."""
SMALL = {"min_size": 1, "max_size": 90}


async def failure(call: Any) -> ApiError:
    """The error of a call that must fail."""
    with pytest.raises(ApiError) as raised:
        await call
    return raised.value


async def new_project(client: Client) -> str:
    """A project of a name that no other test uses; its id."""
    project = project_pb2.Project(name=f"project {secrets.token_hex(6)}")
    return (await client.projects.CreateProject(project_pb.CreateProjectRequest(project=project))).project.id


async def announce(
    client: Client, project_id: str, name: str, data: bytes, request_id: str = ""
) -> document_pb.CreateUploadResponse:
    """The first step of an upload."""
    digest = hashlib.sha256(data).hexdigest()
    request = document_pb.CreateUploadRequest(
        project_id=project_id, name=name, size_bytes=len(data), sha256=digest, request_id=request_id
    )
    return await client.documents.CreateUpload(request)


async def send(url: str, data: bytes) -> None:
    """The second step: HTTP PUT."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        (await http.put(url, content=data)).raise_for_status()


async def fetch(url: str) -> bytes:
    """What a link gives."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        return (await http.get(url)).raise_for_status().content


async def complete(client: Client, upload_id: str) -> document_pb2.Document:
    """The third step."""
    request = document_pb.CompleteUploadRequest(upload_id=upload_id)
    return (await client.documents.CompleteUpload(request)).document


async def upload(client: Client, project_id: str, name: str, data: bytes) -> document_pb2.Document:
    """All three steps."""
    upload = await announce(client, project_id, name, data)
    if upload.HasField("document"):
        return upload.document
    await send(upload.target.url, data)
    return await complete(client, upload.upload_id)


async def parse(client: Client, project_id: str, **sizes: int) -> job_pb2.Job:
    """Parse what waits to be parsed; the ended job."""
    request = document_pb.ParseDocumentsRequest(
        project_id=project_id,
        split_options=chunk_pb2.SplitOptions(**sizes),  # type: ignore[arg-type]  # wider than the stubs say
    )
    return await end_of(client, "ingest", (await client.documents.ParseDocuments(request)).job.id)


async def end_of(client: Client, room: str, job_id: str, seconds: float = JOB_SECONDS) -> job_pb2.Job:
    """The job when it has ended."""
    job = job_pb2.Job()
    async with asyncio.timeout(seconds):
        async for seen in client.jobs(room).WatchJob(job_service_pb2.WatchJobRequest(id=job_id)):
            job = seen.job
    return job


async def documents_of(
    client: Client, project_id: str, page_size: int = 100
) -> dict[str, document_pb2.Document]:
    """The first documents of a project by name."""
    request = document_pb.ListDocumentsRequest(project_id=project_id, page_size=page_size)
    page = await client.documents.ListDocuments(request)
    return {document.name: document for document in page.documents}


async def chunks_of(client: Client, project_id: str, **filters: Any) -> list[chunk_pb2.Chunk]:
    """The first thousand chunks of a project."""
    request = chunk_service_pb2.ListChunksRequest(project_id=project_id, page_size=1000, **filters)
    return list((await client.chunks.ListChunks(request)).chunks)


async def parse_again(client: Client, document: document_pb2.Document, **options: Any) -> job_pb2.Job:
    """Parse a document, whatever its state, with the fields of `ParseDocumentsRequest`; the ended job."""
    request = document_pb.ParseDocumentsRequest(
        project_id=document.project_id, document_ids=[document.id], **options
    )
    return await end_of(client, "ingest", (await client.documents.ParseDocuments(request)).job.id)


async def split_again(client: Client, document: document_pb2.Document, **sizes: int) -> None:
    """Parse a document, whatever its state, into chunks of these sizes."""
    options = chunk_pb2.SplitOptions(**sizes)  # type: ignore[arg-type]  # wider than the stubs say
    job = await parse_again(client, document, split_options=options)
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED, job


async def document_now(client: Client, document_id: str) -> document_pb2.Document:
    """A document as it stands now."""
    return (await client.documents.GetDocument(document_pb.GetDocumentRequest(id=document_id))).document


async def chunk_now(client: Client, chunk: chunk_pb2.Chunk) -> chunk_pb2.Chunk:
    """A chunk as it stands now."""
    request = chunk_service_pb2.GetChunkRequest(id=chunk.id)
    return (await client.chunks.GetChunk(request)).chunk


async def text_of(client: Client, document_id: str, version: int = 0) -> str:
    """The normalised text of a version."""
    request = document_pb.GetDocumentContentRequest(id=document_id, version=version)
    return (await fetch((await client.documents.GetDocumentContent(request)).text.url)).decode()


async def content_of(client: Client, document_id: str, version: int = 0) -> tuple[str, str | None]:
    """File and text of a version; no text where there is none."""
    request = document_pb.GetDocumentContentRequest(id=document_id, version=version)
    content = await client.documents.GetDocumentContent(request)
    text = (await fetch(content.text.url)).decode() if content.HasField("text") else None
    return (await fetch(content.file.url)).decode(), text


async def parsed_project(client: Client, files: Mapping[str, bytes], **sizes: int) -> str:
    """A project with parsed documents."""
    project_id = await new_project(client)
    for name, data in files.items():
        await upload(client, project_id, name, data)
    job = await parse(client, project_id, **sizes)
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED, job
    return project_id
