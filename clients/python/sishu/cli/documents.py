"""What can be done with documents and chunks beside list, get and delete."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import httpx
import typer
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from sishu.cli.context import with_client
from sishu.cli.find_projects import find_project
from sishu.cli.options import IdArgument, LimitOption, PathsArgument, ProjectOption, takes
from sishu.cli.output import CHUNK_COLUMNS, DOCUMENT_COLUMNS, leave_out, show_many, show_one
from sishu.cli.parse_options import ParseOptions, parse_request
from sishu.cli.settings import SETTINGS
from sishu.cli.texts import say
from sishu.client import Client
from sishu.common.v1.job_pb2 import JOB_STATE_FAILED
from sishu.errors import ApiError
from sishu.ingest.v1 import chunk_service_pb2 as chunk_pb
from sishu.ingest.v1 import document_service_pb2 as document_pb
from sishu.ingest.v1.chunk_pb2 import Chunk
from sishu.ingest.v1.document_pb2 import DOCUMENT_STATE_PARSED, Document
from sishu.learn.files import gather_files, held_by, upload_files
from sishu.learn.jobs import failures_of, job_error, wait, wait_for_success

LINK_SECONDS = 60.0
MOST_FETCHED = 10_000


@takes(ParseOptions)
def add_documents(paths: PathsArgument, project: ProjectOption, options: ParseOptions) -> None:
    """`sishu document add`: upload, parse, wait."""
    files = gather_files(paths, leave_out)
    wanted = parse_request(options)

    async def work(client: Client) -> None:
        project_id = (await find_project(client, project)).id
        made = dict[str, Document]()
        try:
            documents = await upload_files(client, project_id, files, leave_out=leave_out, made=made)
            await parse(client, project_id, [one.id for one in documents], wanted)
        except ApiError:
            # The others are in, whatever became of some.
            with contextlib.suppress(ApiError):
                await show_documents(client, project_id, list(made.values()))
            raise
        await show_documents(client, project_id, documents)

    with_client(work)


@takes(ParseOptions)
def parse_documents(
    project: ProjectOption,
    options: ParseOptions,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help=say("parse_ids"))] = None,
) -> None:
    """`sishu document parse`: parse documents anew, or all that wait."""
    wanted = parse_request(options)

    async def work(client: Client) -> None:
        await parse(client, (await find_project(client, project)).id, ids or [], wanted)

    with_client(work)


def fetch_documents(
    urls: Annotated[list[str], typer.Argument(metavar="URL...", help=say("urls"))], project: ProjectOption
) -> None:
    """`sishu document fetch`: get files from the web, parse, wait."""

    async def work(client: Client) -> None:
        project_id = (await find_project(client, project)).id
        request = document_pb.FetchDocumentsRequest(project_id=project_id, urls=urls)
        job = await wait(client, "ingest", (await client.documents.FetchDocuments(request)).job)
        documents = await fetched(client, project_id, job.id)
        waiting = [one.id for one in documents if one.state != DOCUMENT_STATE_PARSED]
        if waiting:
            await parse(client, project_id, waiting, document_pb.ParseDocumentsRequest())
        await show_documents(client, project_id, documents)
        if job.state == JOB_STATE_FAILED:
            # The others are in, whatever became of some.
            raise job_error(job, await failures_of(client, "ingest", job))

    with_client(work)


def show_text(
    document_id: IdArgument, version: Annotated[int, typer.Option(help=say("version"))] = 0
) -> None:
    """`sishu document text`: print the normalised text."""

    async def work(client: Client) -> str:
        request = document_pb.GetDocumentContentRequest(id=document_id, version=version)
        content = await client.documents.GetDocumentContent(request)
        if not content.HasField("text"):
            raise ApiError("FAILED_PRECONDITION", "NOT_PARSED", f"document {document_id} is not parsed yet")
        async with httpx.AsyncClient(timeout=LINK_SECONDS, trust_env=False) as http:
            return (await http.get(content.text.url)).raise_for_status().content.decode()

    text = with_client(work)
    sys.stdout.write(json.dumps({"text": text}, ensure_ascii=False) + "\n" if SETTINGS.json else text)


def list_images(document_id: IdArgument, limit: LimitOption = 100) -> None:
    """`sishu document images`."""

    async def work(client: Client) -> list[Message]:
        request = document_pb.ListDocumentImagesRequest(document_id=document_id)
        return await first(client.documents.ListDocumentImages, request, "images", limit)

    show_many(with_client(work), ("index", "page", "span.start", "media_type", "object.name"))


def list_changes(document_id: IdArgument, limit: LimitOption = 100) -> None:
    """`sishu document changes`: what cleaning changed."""

    async def work(client: Client) -> list[Message]:
        request = document_pb.ListCleanChangesRequest(document_id=document_id)
        return await first(client.documents.ListCleanChanges, request, "clean_changes", limit)

    show_many(with_client(work), ("rule", "span.start", "span.end", "removed", "added"))


def edit_chunk(chunk_id: IdArgument, text: Annotated[str, typer.Option(help=say("chunk_text"))] = "") -> None:
    """`sishu chunk edit`: another text in the place of a chunk's; from standard input without `--text`."""
    wanted = text or sys.stdin.read()

    async def work(client: Client) -> Chunk:
        return (await client.chunks.EditChunk(chunk_pb.EditChunkRequest(id=chunk_id, text=wanted))).chunk

    show_one(with_client(work))


def merge_chunks(ids: Annotated[list[str], typer.Argument(metavar="ID...", help=say("chunk_ids"))]) -> None:
    """`sishu chunk merge`."""

    async def work(client: Client) -> Chunk:
        return (await client.chunks.MergeChunks(chunk_pb.MergeChunksRequest(ids=ids))).chunk

    show_one(with_client(work))


def split_chunk(chunk_id: IdArgument, at: Annotated[list[int], typer.Option(help=say("chunk_at"))]) -> None:
    """`sishu chunk split`."""

    async def work(client: Client) -> Sequence[Chunk]:
        request = chunk_pb.SplitChunkRequest(id=chunk_id, cut_points=sorted(at))
        return (await client.chunks.SplitChunk(request)).chunks

    show_many(with_client(work), CHUNK_COLUMNS)


def exclude_chunk(chunk_id: IdArgument) -> None:
    """`sishu chunk exclude`."""
    show_one(with_client(lambda client: set_excluded(client, chunk_id, True)))


def include_chunk(chunk_id: IdArgument) -> None:
    """`sishu chunk include`."""
    show_one(with_client(lambda client: set_excluded(client, chunk_id, False)))


async def set_excluded(client: Client, chunk_id: str, excluded: bool) -> Chunk:
    """Leave a chunk out, or take it in again."""
    request = chunk_pb.UpdateChunkRequest(
        chunk=Chunk(id=chunk_id, excluded=excluded), update_mask=FieldMask(paths=["excluded"])
    )
    return (await client.chunks.UpdateChunk(request)).chunk


async def fetched(client: Client, project_id: str, job_id: str) -> list[Document]:
    """What a job fetched, unchanged documents too."""
    request = document_pb.ListDocumentsRequest(project_id=project_id, job_id=job_id)
    return await first(client.documents.ListDocuments, request, "documents", MOST_FETCHED)


async def parse(
    client: Client, project_id: str, ids: Sequence[str], options: document_pb.ParseDocumentsRequest
) -> None:
    """Parse documents as the options say, and wait."""
    request = document_pb.ParseDocumentsRequest(project_id=project_id, document_ids=ids)
    request.MergeFrom(options)
    job = (await client.documents.ParseDocuments(request)).job
    await wait_for_success(client, "ingest", job)


async def show_documents(client: Client, project_id: str, documents: Sequence[Document]) -> None:
    """Print documents as they stand now, with those that they hold."""
    found = []
    for one in await held_by(client, project_id, documents):
        request = document_pb.GetDocumentRequest(id=one.id)
        found.append((await client.documents.GetDocument(request)).document)
    show_many(found, DOCUMENT_COLUMNS)


async def first(call: Callable[[Any], Any], request: Any, field: str, limit: int) -> list[Any]:
    """The first rows of a list, page by page."""
    found: list[Any] = []
    while len(found) < limit:
        request.page_size = limit - len(found)
        answer = await call(request)
        found += getattr(answer, field)
        request.page_token = answer.next_page_token
        if not request.page_token:
            break
    return found
