"""Find files and upload them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from sishu.client import Client
from sishu.errors import ApiError
from sishu.ingest.v1.document_pb2 import Document
from sishu.ingest.v1.document_service_pb2 import (
    CompleteUploadRequest,
    CreateUploadRequest,
    ListDocumentsRequest,
)
from sishu.loopback import WITHOUT_PROXY

BLOCK = 1 << 20
UPLOAD_SECONDS = 600.0
SENT_AT_ONCE = 8
HOLDERS = {"application/zip", "message/rfc822"}
"""Media types of files that hold files."""


LeaveOut = Callable[[Path, str], None]
"""Told which file of a folder is left out, and why."""
CLUTTER = ("~$", "Thumbs.db", "desktop.ini")
"""How names begin of files that programs leave beside documents."""


@dataclass(frozen=True)
class SourceFile:
    """A file and the name that its document gets; `found` in a folder, where not all must be documents."""

    path: Path
    name: str
    found: bool = False


def gather_files(paths: Sequence[Path], leave_out: LeaveOut = lambda path, why: None) -> list[SourceFile]:
    """The files under some paths, sorted by name; what no document can be in a folder is left out.

    Raises:
        ApiError: a path is missing, or nothing is there.
    """
    found: dict[str, SourceFile] = {}
    for path in paths:
        for file in files_under(path, leave_out):
            if file.name in found and found[file.name].path != file.path:
                raise ApiError(
                    "INVALID_ARGUMENT",
                    "NAME_TWICE",
                    f"{file.path} and {found[file.name].path} would have one name, {file.name}; rename one",
                )
            found[file.name] = file
    if not found:
        named = ", ".join(map(str, paths))
        raise ApiError("INVALID_ARGUMENT", "NO_FILES", f"no files in {named}", metadata={"paths": named})
    return [found[name] for name in sorted(found)]


def files_under(path: Path, leave_out: LeaveOut) -> list[SourceFile]:
    """A file itself, or the files of a folder, named by their path inside it."""
    if path.is_file():
        files = [SourceFile(path, path.name)]
    elif path.is_dir():
        files = [
            SourceFile(one, one.relative_to(path).as_posix(), found=True)
            for one in sorted(path.rglob("*"))
            if not any(part.startswith(".") for part in one.relative_to(path).parts)
            and belongs(one, leave_out)
        ]
    else:
        message = f"there is no file or folder {path}; check the path"
        raise ApiError("NOT_FOUND", "PATH_NOT_FOUND", message, metadata={"path": str(path)})
    for file in files:
        check_file(file)
    return files


def belongs(path: Path, leave_out: LeaveOut) -> bool:
    """Whether what was found in a folder is a file that a document can be made of."""
    if path.is_symlink():
        # It may lead anywhere.
        leave_out(path, "it is a link")
    elif path.is_file() and path.name.startswith(CLUTTER):
        leave_out(path, "a program left it")
    elif path.is_file() and path.stat().st_size == 0:
        leave_out(path, "it is empty")
    else:
        return path.is_file()
    return False


def check_file(file: SourceFile) -> None:
    """Look at a file before anything is sent.

    Raises:
        ApiError: it cannot be read, or has a name that no other system could show.
    """
    shown = str(file.path).encode("utf-8", "replace").decode()
    try:
        file.name.encode()
    except UnicodeEncodeError:
        raise ApiError(
            "INVALID_ARGUMENT", "NAME_NOT_UTF8", f"the name of the file {shown} is not UTF-8; rename it"
        ) from None
    try:
        with file.path.open("rb") as stream:
            stream.read(1)
    except OSError as error:
        raise ApiError(
            "INVALID_ARGUMENT",
            "FILE_UNREADABLE",
            f"the file {shown} cannot be read ({error.strerror}); give yourself the right, or leave it out",
        ) from error


async def upload_files(
    client: Client,
    project_id: str,
    files: Sequence[SourceFile],
    progress: Callable[[int, int], None] = lambda done, total: None,
    leave_out: LeaveOut = lambda path, why: None,
    made: dict[str, Document] | None = None,
) -> list[Document]:
    """Upload files, some at a time; files of the same bytes and kind are one document, and sent once.

    What was found in a folder and is of a kind that is not read is left out; `leave_out` is told of this, and
    of each file whose document has the name of another; `made` takes each document by its id.

    Returns the documents in the order of the files, each once.
    """
    slots, done = asyncio.Semaphore(SENT_AT_ONCE), 0
    progress(done, len(files))

    async def send(file: SourceFile) -> Document | None:
        nonlocal done
        document = None
        async with slots:
            try:
                document = await upload_file(client, http, project_id, file)
            except ApiError as error:
                if not file.found or error.reason != "FORMAT_UNSUPPORTED":
                    raise
                leave_out(file.path, "files of its kind are not read")
        if document and made is not None:
            made[document.id] = document
        if document and document.name != file.name:
            leave_out(file.path, f"its bytes are those of {document.name}")
        done += 1
        progress(done, len(files))
        return document

    async with httpx.AsyncClient(timeout=UPLOAD_SECONDS, mounts=WITHOUT_PROXY) as http:
        documents = await all_of([send(file) for file in files])
    if not any(documents):
        raise ApiError("INVALID_ARGUMENT", "NO_FILES", "none of the files is of a kind that can be read")
    return list({document.id: document for document in documents if document}.values())


async def all_of(calls: Sequence[Coroutine[Any, Any, Document | None]]) -> list[Document | None]:
    """What all calls return; the first error ends them all."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


async def held_by(client: Client, project_id: str, documents: Sequence[Document]) -> list[Document]:
    """Documents, each followed by those that it holds: the files of an archive, the attachments of a mail."""
    found = []
    for document in documents:
        found.append(document)
        request = ListDocumentsRequest(project_id=project_id, parent_id=document.id, page_size=1000)
        while document.media_type in HOLDERS:
            page = await client.documents.ListDocuments(request)
            found += await held_by(client, project_id, page.documents)
            request.page_token = page.next_page_token
            if not request.page_token:
                break
    return found


async def upload_file(client: Client, http: httpx.AsyncClient, project_id: str, file: SourceFile) -> Document:
    """Announce a file, send its bytes straight to the bucket, and have them checked.

    Raises:
        ApiError: the service refuses the file, or the bucket does not take it.
    """
    size, digest = await asyncio.to_thread(measure, file.path)
    request = CreateUploadRequest(project_id=project_id, name=file.name, size_bytes=size, sha256=digest)
    announced = await client.documents.CreateUpload(request)
    if not announced.upload_id:
        return announced.document
    headers = {**announced.target.headers, "content-length": str(size)}
    try:
        answer = await http.put(announced.target.url, content=blocks(file.path), headers=headers)
    except httpx.HTTPError as error:
        raise bucket_error(file.path, str(error)) from error
    if answer.status_code >= 300:
        raise bucket_error(file.path, f"HTTP {answer.status_code}")
    done = await client.documents.CompleteUpload(CompleteUploadRequest(upload_id=announced.upload_id))
    return done.document


def measure(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of a file."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return path.stat().st_size, digest


async def blocks(path: Path) -> AsyncIterator[bytes]:
    """The content of a file, a megabyte at a time."""
    with path.open("rb") as stream:  # read in threads below
        while block := await asyncio.to_thread(stream.read, BLOCK):
            yield block


def bucket_error(path: Path, why: str) -> ApiError:
    """The error for bytes that the bucket did not take."""
    return ApiError(
        "UNAVAILABLE",
        "UPLOAD_FAILED",
        f"{path} could not be sent to the S3 server ({why}); check that it runs",
    )
