"""Every SQL statement of the ingest room, behind functions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import astuple, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg

from services.ingest.documents import Document, DocumentVersion, NewFile, Upload, other_name
from services.ingest.parsing.options import ParseOptions
from services.ingest.projects import Project, check_project
from services.ingest.store_errors import (
    MOST_NAMES,
    check_all_found,
    document_not_found,
    held_elsewhere,
    name_taken,
    names_taken,
    project_not_found,
    upload_not_found,
)
from services.runtime.db import Connection, Pool, claim_request, first_answer, forget_requests, transaction
from services.runtime.errors import NotFound
from services.runtime.failures import Failure
from services.runtime.ids import new_id
from services.runtime.jobs import Jobs, NewItem
from services.runtime.pages import Page, PageRequest, page_of
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parent / "sql" / "ingest.sql")


class Store:
    """Projects, uploads and documents."""

    def __init__(self, pool: Pool, jobs: Jobs) -> None:
        self.pool = pool
        self.jobs = jobs

    async def first_answer(self, method: str, request_id: str) -> str | None:
        """Id of what a request id made before; nothing for a new request, and for one without an id."""
        return await first_answer(self.pool, method, request_id)

    async def create_project(self, name: str, description: str, request_id: str) -> Project:
        """Add a project; the same request id gives the first answer.

        Raises:
            InvalidArgument: name or description breaks a rule.
            AlreadyExists: another project has the name.
        """
        async with transaction(self.pool) as connection:
            new = new_id()
            project_id = await claim_request(connection, "CreateProject", request_id, new)
            if project_id != new:
                return await self._get_project(connection, project_id)
            check_project(name, description)
            row = await connection.fetchrow(SQL.insert_project, project_id, name, description)
            if row is None:
                raise name_taken(name)
            return Project(**row)

    async def get_project(self, project_id: str) -> Project:
        """One project.

        Raises:
            NotFound: there is none.
        """
        async with self.pool.acquire() as connection:
            return await self._get_project(connection, project_id)

    async def list_projects(self, page: PageRequest, name: str) -> Page[Project]:
        """Projects, newest first."""
        after = page.after[0] if page.after else None
        rows = await self.pool.fetch(SQL.list_projects, name, after, page.limit)
        return page_of([Project(**row) for row in rows], page, lambda project: (project.id,), project_bytes)

    async def update_project(self, project_id: str, name: str | None, description: str | None) -> Project:
        """Change name and description, those that are given.

        Raises:
            InvalidArgument: one of them breaks a rule.
            NotFound: there is no such project.
            AlreadyExists: another project has the name.
        """
        check_project(name, description)
        try:
            row = await self.pool.fetchrow(SQL.update_project, project_id, name, description)
        except asyncpg.UniqueViolationError:
            raise name_taken(name or "") from None
        if row is None:
            raise project_not_found(project_id)
        return Project(**row)

    async def create_upload(self, upload: Upload, request_id: str) -> Upload:
        """Note an announced file; the same request id gives the first.

        Raises:
            NotFound: there is no such project.
        """
        async with transaction(self.pool) as connection:
            first = await claim_request(connection, "CreateUpload", request_id, upload.id)
            if first == upload.id:
                await self.keep_project(connection, upload.project_id)
                await connection.execute(SQL.insert_upload, *astuple(upload)[:-1])
        return await self.get_upload(first)

    async def get_upload(self, upload_id: str) -> Upload:
        """An announced file.

        Raises:
            NotFound: it was never announced.
        """
        row = await self.pool.fetchrow(SQL.get_upload, upload_id)
        if row is None:
            raise upload_not_found(upload_id)
        return Upload(**row)

    async def complete_upload(
        self, upload: Upload, take: Callable[[Connection], Awaitable[None]]
    ) -> Document:
        """Make the document of a checked upload, once, as `put_file` does.

        Args:
            upload: with the key of the checked bytes.
            take: called in the transaction where the document is of these bytes.

        Raises:
            NotFound: the upload was forgotten meanwhile, or its project is being deleted.
        """
        async with transaction(self.pool) as connection:
            document = await self._complete_upload(connection, upload)
            if document.file_key == upload.file_key:
                await take(connection)
        return document

    async def _complete_upload(self, connection: Connection, upload: Upload) -> Document:
        row = await connection.fetchrow(SQL.lock_upload, upload.id)
        if row is None:
            raise upload_not_found(upload.id)
        document_id: str | None = row["document_id"]
        if document_id is None:
            file = NewFile(
                upload.project_id,
                upload.name,
                upload.media_type,
                upload.size_bytes,
                upload.sha256,
                upload.file_key,
            )
            document_id = (await self.put_file(connection, file)).id
            await connection.execute(SQL.complete_upload, upload.id, document_id)
        return await self._get_document(connection, document_id)

    async def old_uploads(self, seconds: float, limit: int) -> list[Upload]:
        """The first uploads that were announced longer ago than this."""
        rows = await self.pool.fetch(SQL.old_uploads, timedelta(seconds=seconds), limit)
        return [Upload(**row) for row in rows]

    async def delete_uploads(self, upload_ids: Sequence[str]) -> None:
        """Forget uploads, and the requests that made them."""
        async with transaction(self.pool) as connection:
            await connection.execute(SQL.delete_uploads, upload_ids)
            await forget_requests(connection, *upload_ids)

    async def find_document(
        self, project_id: str, name: str, media_type: str, sha256: str
    ) -> Document | None:
        """The uploaded document that holds these bytes; another than that of this name only as a twin."""
        row = await self.pool.fetchrow(SQL.find_document, project_id, name, sha256, None, None, media_type)
        return document(row) if row else None

    async def get_document(self, document_id: str) -> Document:
        """One document.

        Raises:
            NotFound: there is none.
        """
        async with self.pool.acquire() as connection:
            return await self._get_document(connection, document_id)

    async def get_version(self, document: Document, version: int) -> DocumentVersion:
        """A version of a document; 0 is the newest.

        Raises:
            NotFound: there is none.
        """
        number = version or document.version
        row = await self.pool.fetchrow(SQL.get_version, document.id, number)
        if row is None:
            raise NotFound(
                "DOCUMENT_VERSION_NOT_FOUND",
                f"{document.name} has no version {number}; its newest is {document.version}",
                "version",
                document_id=document.id,
                version=str(number),
            )
        return DocumentVersion(**row)

    async def list_documents(
        self,
        page: PageRequest,
        project_id: str,
        state: str | None,
        parent_id: str | None,
        job_id: str | None,
        name: str = "",
    ) -> Page[Document]:
        """Documents of a project by name; only those of a holder, a fetch, and a last name, that is said."""
        filters = (project_id, state, parent_id, job_id, name)
        after = page.after[0] if page.after else None
        rows = await self.pool.fetch(SQL.list_documents, *filters, after, page.limit)
        return page_of([document(row) for row in rows], page, lambda one: (one.name,), document_bytes)

    async def start_parse(
        self, project_id: str, document_ids: Sequence[str], options: ParseOptions, request_id: str
    ) -> str:
        """Queue the named documents, or all that wait to be parsed; return the job's id.

        Raises:
            NotFound: the project is not there, or has no such document.
        """
        async with transaction(self.pool) as connection:
            new = new_id()
            job_id = await claim_request(connection, "ParseDocuments", request_id, new)
            if job_id != new:
                return job_id
            await self.keep_project(connection, project_id)
            rows = await connection.fetch(SQL.documents_to_parse, project_id, list(document_ids))
            check_all_found(document_ids, [row["id"] for row in rows])
            items = [parse_item(row["id"], row["version"], options) for row in rows]
            await self.jobs.create(connection, "parse_documents", items, project_id=project_id, job_id=job_id)
        return job_id

    async def start_fetch(self, project_id: str, urls: Sequence[str], request_id: str) -> str:
        """Queue addresses to fetch; return the job's id.

        Raises:
            NotFound: there is no such project.
        """
        async with transaction(self.pool) as connection:
            new = new_id()
            job_id = await claim_request(connection, "FetchDocuments", request_id, new)
            if job_id != new:
                return job_id
            await self.keep_project(connection, project_id)
            items = [NewItem("fetch_document", url, project_id) for url in dict.fromkeys(urls)]
            await self.jobs.create(connection, "fetch_documents", items, project_id=project_id, job_id=job_id)
        return job_id

    async def note_fetched(self, connection: Connection, job_id: str, document_id: str) -> None:
        """Note what a job fetched, also when it is unchanged."""
        await connection.execute(SQL.note_fetched, job_id, document_id)

    async def put_file(self, connection: Connection, file: NewFile) -> Document:
        """Make a document of a file, or the next version of the one of its name.

        Bytes that a document of the project holds make no second one of the same media type, unless that one
        failed or the name is another's. What an archive holds is apart: it is deleted with the archive.

        Raises:
            AlreadyExists: an archive or mail holds a document of this name; or what it holds finds no name.
        """
        if file.parent_id is None:
            # What lies in an archive is a twin only of what lies in the same one, whose row is held.
            await connection.execute(SQL.lock_hash, file.project_id, file.sha256)
        for _ in range(MOST_NAMES):
            twin = await connection.fetchrow(SQL.find_document, *twin_of(file))
            if twin:
                return document(twin)
            row = await self._hold_name(connection, file)
            if row and row["parent_id"] == file.parent_id:
                stored = (file.size_bytes, file.sha256, file.file_key)
                await connection.execute(
                    SQL.add_file, row["id"], *stored, file.source_url, as_json(file.refusal)
                )
                return await self._get_document(connection, row["id"])
            if row and file.parent_id is None:
                raise held_elsewhere(file.name)
            if row:
                file = replace(file, name=other_name(file.name))
        raise names_taken(file.name)

    async def _hold_name(self, connection: Connection, file: NewFile) -> asyncpg.Record | None:
        """The document of a file's name, made of the file if there was none; none when it is just deleted."""
        named = (file.project_id, file.name)
        stored = (file.size_bytes, file.sha256, file.file_key)
        origin = (file.parent_id, file.source_url)
        await connection.execute(
            SQL.insert_document, new_id(), *named, file.media_type, *stored, *origin, as_json(file.refusal)
        )
        return await connection.fetchrow(SQL.lock_document_named, *named)

    async def keep_project(self, connection: Connection, project_id: str) -> None:
        """Hold off the deletion of a project until the transaction ends.

        Raises:
            NotFound: there is no such project, or it is being deleted.
        """
        if await connection.fetchval(SQL.keep_project, project_id) is None:
            raise project_not_found(project_id)

    async def _get_project(self, connection: Connection, project_id: str) -> Project:
        row = await connection.fetchrow(SQL.get_project, project_id)
        if row is None:
            raise project_not_found(project_id)
        return Project(**row)

    async def _get_document(self, connection: Connection, document_id: str) -> Document:
        row = await connection.fetchrow(SQL.get_document, document_id)
        if row is None:
            raise document_not_found(document_id)
        return document(row)


def document(row: asyncpg.Record | Mapping[str, Any]) -> Document:
    """A row of `document_view`."""
    failure, refusal, options = row["failure"], row["refusal"], row["parse_options"]
    return Document(
        **{
            **row,
            "failure": Failure(**failure) if failure else None,
            "refusal": Failure(**refusal) if refusal else None,
            "parse_options": ParseOptions.of(options) if options else None,
        }
    )


def twin_of(file: NewFile) -> tuple[object, ...]:
    """What finds the document that is made of a file already."""
    return (
        file.project_id,
        file.name,
        file.sha256,
        file.parent_id,
        as_json(file.refusal),
        file.media_type,
    )


def as_json(failure: Failure | None) -> dict[str, Any] | None:
    """A failure as a jsonb value."""
    return failure.as_json() if failure else None


def parse_item(document_id: str, version: int, options: ParseOptions) -> NewItem:
    """The item that parses a version of a document."""
    return NewItem("parse_document", item_key(document_id, version), document_id, options.as_json())


def item_key(document_id: str, version: int) -> str:
    """Key of the item that parses a version; the trigger that sets a version FAILED knows it too."""
    return f"{document_id}:{version}"


def project_bytes(project: Project) -> int:
    """About how large a project is in an answer."""
    return len(project.name.encode()) + len(project.description.encode())


def document_bytes(one: Document) -> int:
    """About how large a document is in an answer; its failure says its name twice."""
    failure = len(one.failure.message.encode()) if one.failure else 0
    return len(one.name.encode()) + 2 * failure
