"""Every SQL statement of the dataset room, behind functions."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import asyncpg

from services.dataset.exam_split import Split
from services.dataset.examples import Example, Lineage, Message, Origin, Quote, gate
from services.dataset.manifest import dropped_counts, split_counts
from services.dataset.versions import (
    DatasetOptions,
    DatasetVersion,
    DatasetVersionExample,
    VersionFile,
    no_examples,
)
from services.runtime.db import CONNECT_SECONDS, Connection, Pool, claim_request, forget_requests, transaction
from services.runtime.errors import NotFound
from services.runtime.failures import Failure
from services.runtime.ids import new_id
from services.runtime.jobs import ItemClosed, Jobs, NewItem, job_of
from services.runtime.pages import Page, PageRequest, page_of
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parent / "sql" / "dataset.sql")

FIRST_SPLIT, LAST_SPLIT = "train", "exam"
"""In the order of the type `dataset_split`."""
ROWS = 1000
"""Rows that go to Postgres, or come from it, at once."""


class Store:
    """The tables of the dataset room."""

    def __init__(self, pool: Pool, jobs: Jobs) -> None:
        self.pool = pool
        self.jobs = jobs

    async def create_import(self, project_id: str, generation_id: str, request_id: str) -> str:
        """Start an import of a generation; return its job. A request id gives its first one."""
        async with transaction(self.pool) as connection:
            new = new_id()
            job_id = await claim_request(connection, "ImportExamples", request_id, new)
            if job_id == new:
                item = NewItem("import_examples", generation_id, generation_id)
                await self.jobs.create(
                    connection,
                    "import_examples",
                    [item],
                    project_id=project_id,
                    resource_id=generation_id,
                    job_id=job_id,
                )
        return job_id

    async def import_examples(
        self, job_id: str, project_id: str, generation_id: str, examples: Sequence[Example]
    ) -> int:
        """Add the examples whose questions have none yet, after the gate; return how many.

        Raises:
            ItemClosed: the job was cancelled or deleted; nothing is stored.
        """
        async with transaction(self.pool) as connection:
            if not await connection.fetchval(SQL.hold_job, job_id):
                raise ItemClosed
            await connection.execute(SQL.lock_generation, generation_id)
            questions = [question_id for example in examples for question_id in example.lineage.question_ids]
            there = {row["question_id"] for row in await connection.fetch(SQL.imported_questions, questions)}
            new = [example for example in examples if there.isdisjoint(example.lineage.question_ids)]
            digests = [example.question_sha256 for example in new]
            rows = await connection.fetch(SQL.first_examples, project_id, digests, generation_id)
            firsts = {row["question_sha256"]: row["id"] for row in rows}
            await connection.executemany(SQL.insert_example, map(example_row, gate(new, firsts)))
        return len(new)

    async def create_example(self, example: Example, request_id: str) -> str:
        """Add an example written by hand; return its id. A request id gives its first one."""
        async with transaction(self.pool) as connection:
            example_id = await claim_request(connection, "CreateExample", request_id, example.id)
            if example_id == example.id:
                await connection.execute(SQL.insert_example, *example_row(example))
        return example_id

    async def get_example(self, example_id: str) -> Example:
        """One example.

        Raises:
            NotFound: there is none.
        """
        async with self.pool.acquire() as connection:
            return await self._get_example(connection, SQL.get_example, example_id)

    async def update_example(self, example_id: str, change: Callable[[Example], Example]) -> Example:
        """Change messages and state of an example; nobody else changes it meanwhile.

        Raises:
            NotFound: there is none.
        """
        async with transaction(self.pool) as connection:
            changed = change(await self._get_example(connection, SQL.lock_example, example_id))
            row = await connection.fetchrow(
                SQL.update_example,
                example_id,
                [asdict(message) for message in changed.messages],
                changed.state,
                changed.rejection.as_json() if changed.rejection else None,
                changed.question_sha256,
            )
        assert row is not None  # noqa: S101  # the row is locked
        return example_of(row)

    async def delete_example(self, example_id: str) -> None:
        """Delete an example.

        Raises:
            NotFound: there is none.
        """
        async with transaction(self.pool) as connection:
            if await connection.execute(SQL.delete_example, example_id) == "DELETE 0":
                raise example_not_found(example_id)
            await forget_requests(connection, example_id)

    async def list_examples(
        self,
        page: PageRequest,
        project_id: str,
        state: str | None,
        kind: str | None,
        generation_id: str | None,
        source_gone: bool,
    ) -> Page[Example]:
        """Examples, oldest first."""
        after = page.after[0] if page.after else None
        rows = await self.pool.fetch(
            SQL.list_examples, project_id, state, kind, generation_id, source_gone, after, page.limit
        )
        return page_of(
            [example_of(row) for row in rows],
            page,
            lambda example: (example.id,),
            size_bytes=lambda example: size_of(example.messages, example.quotes),
        )

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        """Read examples as they are at one instant."""
        async with (
            self.pool.acquire(timeout=CONNECT_SECONDS) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield Snapshot(connection)

    async def create_version(self, project_id: str, options: DatasetOptions, request_id: str) -> str:
        """Start a version, after the newest of the project; return its id. A request id gives its first one.

        Raises:
            FailedPrecondition: it would hold nothing.
        """
        async with transaction(self.pool) as connection:
            new = new_id()
            version_id = await claim_request(connection, "CreateDatasetVersion", request_id, new)
            if version_id == new:
                generations = list(options.generation_ids)
                if not await connection.fetchval(SQL.any_kept_example, project_id, generations):
                    raise no_examples()
                await self._insert_version(connection, version_id, project_id, options)
        return version_id

    async def get_version(self, version_id: str) -> DatasetVersion:
        """One version.

        Raises:
            NotFound: there is none.
        """
        rows = await self.pool.fetch(SQL.list_versions, version_id, None, None, 1)
        if not rows:
            raise NotFound(
                "DATASET_VERSION_NOT_FOUND",
                f"there is no dataset version {version_id}",
                dataset_version_id=version_id,
            )
        return version_of(rows[0])

    async def list_versions(self, page: PageRequest, project_id: str) -> Page[DatasetVersion]:
        """Versions of a project, newest first."""
        after = page.after[0] if page.after else None
        rows = await self.pool.fetch(SQL.list_versions, None, project_id, after, page.limit)
        return page_of(
            [version_of(row) for row in rows],
            page,
            lambda version: (version.id,),
            size_bytes=lambda version: len(json.dumps(asdict(version.options), ensure_ascii=False).encode()),
        )

    async def content_of(self, version_id: str) -> str:
        """Content hash of a version; empty when it has none, or is gone."""
        return (await self.pool.fetchval(SQL.content_of, version_id)) or "" if version_id else ""

    async def list_members(
        self, page: PageRequest, version_id: str, split: str | None
    ) -> Page[DatasetVersionExample]:
        """What a version holds, or one split of it, by split and position."""
        after, position = page.after or (split or FIRST_SPLIT, "-1")
        rows = await self.pool.fetch(
            SQL.list_members, version_id, after, int(position), split or LAST_SPLIT, page.limit
        )
        return page_of(
            [member_of(row) for row in rows],
            page,
            lambda member: (member.split, member.position),
            size_bytes=lambda member: size_of(member.messages, member.quotes),
        )

    async def set_made(
        self,
        connection: Connection,
        version_id: str,
        split: Split,
        content_sha256: str,
        files: Sequence[VersionFile],
    ) -> None:
        """Make a version complete but for its members: counts and files."""
        await connection.execute(
            SQL.set_made,
            version_id,
            split_counts(split),
            dropped_counts(split),
            content_sha256,
            [asdict(file) for file in files],
        )

    async def add_members(
        self,
        connection: Connection,
        version_id: str,
        split: str,
        start: int,
        members: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """Add what a version holds from a position of a split on: contents by the id of the example."""
        await connection.execute(
            SQL.insert_members, version_id, split, start, list(members), list(members.values())
        )

    async def delete_version(self, version_id: str, job_id: str) -> None:
        """Delete a version and its job; missing ones are no error."""
        async with transaction(self.pool) as connection:
            await connection.execute(SQL.delete_job, job_id)
            await connection.execute(SQL.delete_version, version_id)
            await forget_requests(connection, version_id)

    async def delete_project(self, project_id: str) -> dict[str, int]:
        """Delete everything of a project; return the deleted rows by table."""
        statements = {
            "dataset_version_examples": SQL.delete_project_members,
            "dataset_versions": SQL.delete_project_versions,
            "examples": SQL.delete_project_examples,
            "version_numbers": SQL.delete_project_numbers,
        }
        async with transaction(self.pool) as connection:
            requested = [row["resource_id"] for row in await connection.fetch(SQL.requested, project_id)]
            # Go first: this waits for what they are storing now, and nothing more is stored after it.
            await self.jobs.delete_project(connection, project_id)
            await forget_requests(connection, *requested)
            return {
                table: int((await connection.execute(statement, project_id)).split()[-1])
                for table, statement in statements.items()
            }

    async def _insert_version(
        self, connection: Connection, version_id: str, project_id: str, options: DatasetOptions
    ) -> None:
        job = await self.jobs.create(
            connection,
            "make_dataset_version",
            [NewItem("make_dataset_version", version_id, version_id)],
            project_id=project_id,
            resource_id=version_id,
        )
        number = await connection.fetchval(SQL.next_number, project_id)
        await connection.execute(SQL.insert_version, version_id, project_id, number, asdict(options), job.id)

    async def _get_example(self, connection: Connection, statement: str, example_id: str) -> Example:
        row = await connection.fetchrow(statement, example_id)
        if row is None:
            raise example_not_found(example_id)
        return example_of(row)


class Snapshot:
    """The examples at one instant."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def kept_examples(self, project_id: str, generation_ids: Sequence[str]) -> AsyncIterator[Example]:
        """The kept examples of a project, or of some of its generations, in any order."""
        cursor = self._connection.cursor(SQL.kept_examples, project_id, list(generation_ids), prefetch=ROWS)
        async for row in cursor:
            yield example_of(row)

    async def examples(self, ids: Sequence[str]) -> list[Example]:
        """Some examples, in the order of their ids."""
        rows = await self._connection.fetch(SQL.examples_by_id, list(ids))
        found = {row["id"]: example_of(row) for row in rows}
        return [found[example_id] for example_id in ids]


def example_row(example: Example) -> tuple[Any, ...]:
    """The values of `insert_example`."""
    lineage = example.lineage
    return (
        example.id,
        example.project_id,
        example.kind,
        [asdict(message) for message in example.messages],
        example.state,
        example.rejection.as_json() if example.rejection else None,
        [asdict(quote) for quote in example.quotes],
        asdict(lineage),
        lineage.generation_id or None,
        next(iter(lineage.question_ids), None),
        example.question_sha256,
        example.source_gone_time,
    )


def example_of(row: asyncpg.Record) -> Example:
    """A row of `examples`."""
    return Example(
        id=row["id"],
        project_id=row["project_id"],
        kind=row["kind"],
        messages=[Message(**message) for message in row["messages"]],
        state=row["state"],
        rejection=Failure(**row["rejection"]) if row["rejection"] else None,
        quotes=[Quote(**quote) for quote in row["quotes"]],
        lineage=lineage_of(row["lineage"]),
        create_time=row["create_time"],
        update_time=row["update_time"],
        source_gone_time=row["source_gone_time"],
    )


def lineage_of(values: Mapping[str, Any]) -> Lineage:
    """What `asdict` made of a lineage."""
    origins = {name: values[name] and Origin(**values[name]) for name in ("question_origin", "answer_origin")}
    return Lineage(**{**values, **origins})


def member_of(row: asyncpg.Record) -> DatasetVersionExample:
    """A row of `dataset_version_examples`."""
    content = row["content"]
    return DatasetVersionExample(
        example_id=row["example_id"],
        split=row["split"],
        position=row["position"],
        kind=content["kind"],
        messages=[Message(**message) for message in content["messages"]],
        quotes=[Quote(**quote) for quote in content["quotes"]],
        lineage=lineage_of(content["lineage"]),
    )


def size_of(messages: Iterable[Message], quotes: Iterable[Quote]) -> int:
    """About how large an example is in an answer, in bytes."""
    texts = [text for message in messages for text in (message.content, message.reasoning)]
    return sum(len(text.encode()) for text in [*texts, *(quote.text for quote in quotes)])


def version_of(row: asyncpg.Record) -> DatasetVersion:
    """A row of `list_versions`."""
    return DatasetVersion(
        id=row["id"],
        project_id=row["project_id"],
        number=row["number"],
        parent_id=row["parent_id"] or "",
        options=DatasetOptions(**row["options"]),
        job=job_of(row["job"]),
        split_counts=row["split_counts"],
        dropped_counts=row["dropped_counts"],
        content_sha256=row["content_sha256"],
        files=[VersionFile(**file) for file in row["files"]],
        create_time=row["create_time"],
    )


def example_not_found(example_id: str) -> NotFound:
    """The error for an example that is not there."""
    return NotFound("EXAMPLE_NOT_FOUND", f"there is no example {example_id}", example_id=example_id)
