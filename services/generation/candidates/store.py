"""The table `candidates`: the statements of `candidates.sql`, behind functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, astuple, replace
from pathlib import Path
from typing import Any

import asyncpg

from services.generation.asking.asking import Asked
from services.generation.asking.call_store import call_of, insert_call
from services.generation.candidates.candidates import (
    DOUBLE,
    Candidate,
    CandidateFilter,
    NewCandidate,
    candidate_not_found,
    content_key,
    stored_content,
)
from services.generation.gates.judgement_store import judgement_of, said_in
from services.generation.generations.generations import Generation
from services.generation.questions.quotes import Quote
from services.generation.regeneration.replacing import CANDIDATE, overtaken, take_place
from services.runtime.db import Connection, Pool
from services.runtime.failures import Failure
from services.runtime.pages import Page, PageRequest, page_of, page_request
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "candidates.sql")


class CandidateStore:
    """The table `candidates`, and the questions of which candidates are made."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def insert(
        self, connection: Connection, generation: Generation, asked: Asked[Any], new: NewCandidate
    ) -> bool:
        """Store a candidate and its call; one whose wording the generation has already is rejected.

        So is one whose original was replaced meanwhile.

        Returns whether it waits for the judge.
        """
        await insert_call(connection, generation.id, asked.call, asked.settlement)
        if state_of(generation, new) == "kept":
            new = replace(new, rejection=await overtaken(connection, CANDIDATE, new.replaces_id))
        state, inserted = state_of(generation, new), await insert_row(connection, generation, asked, new)
        if not inserted:
            await insert_row(connection, generation, asked, replace(new, rejection=DOUBLE))
        elif state == "kept":
            await take_place(connection, CANDIDATE, new.id, new.replaces_id)
        return inserted and state == "judging"

    async def get(self, candidate_id: str) -> Candidate:
        """One candidate.

        Raises:
            NotFound: there is none.
        """
        row = await self.pool.fetchrow(SQL.get_candidate, candidate_id)
        if row is None:
            raise candidate_not_found(candidate_id)
        return candidate_of(row)

    async def list_page(self, page: PageRequest, wanted: CandidateFilter) -> Page[Candidate]:
        """Candidates, oldest first."""
        after = page.after[0] if page.after else None
        rows = await self.pool.fetch(SQL.list_candidates, *astuple(wanted), after, page.limit)
        found = [candidate_of(row) for row in rows]
        return page_of(found, page, lambda one: (one.id,), size_bytes=lambda one: one.size_bytes)

    async def list_of_chunk(self, project_id: str, chunk_id: str, kind: str) -> Sequence[Candidate]:
        """The first candidates of a kind that were written from a chunk."""
        page = page_request(1, "")
        return (await self.list_page(page, CandidateFilter(project_id, chunk_id=chunk_id, kind=kind))).rows

    async def delete(self, candidate_id: str) -> None:
        """Delete a candidate.

        Raises:
            NotFound: there is none.
        """
        if await self.pool.execute(SQL.delete_candidate, candidate_id) == "DELETE 0":
            raise candidate_not_found(candidate_id)

    async def answered(self, project_id: str, generation_id: str, after: str, limit: int) -> list[str]:
        """Ids of questions with a good answer from the documents, oldest first.

        Args:
            project_id: the project.
            generation_id: only of this generation; empty for all.
            after: only later ones than this; empty from the beginning.
            limit: at most so many.
        """
        rows = await self.pool.fetch(
            SQL.list_answered, project_id, generation_id or None, after or None, limit
        )
        return [row["id"] for row in rows]


async def insert_row(
    connection: Connection, generation: Generation, asked: Asked[Any], new: NewCandidate
) -> bool:
    """Insert a candidate unless its wording is there already; whether it was inserted."""
    inserted = await connection.fetchval(
        SQL.insert_candidate,
        new.id,
        generation.project_id,
        generation.id,
        new.content.kind,
        state_of(generation, new),
        asdict(new.content),
        content_key(new.content),
        new.chunk_ids,
        new.document_ids,
        new.fact_ids,
        new.question_id,
        [vars(quote) for quote in new.quotes],
        new.rejection and new.rejection.as_json(),
        asked.reasoning,
        asked.call.id,
        new.heading_path,
        new.replaces_id,
        said_in(new.judgement) if new.judgement else None,
    )
    return inserted is not None


def state_of(generation: Generation, new: NewCandidate) -> str:
    """Where a candidate stands that the gates of the program have seen."""
    if new.rejection:
        return "rejected"
    return "judging" if generation.options.gates.judge else "kept"


async def delete_generation_candidates(connection: Connection, generation_id: str) -> int:
    """Delete the candidates of a generation; return how many."""
    status = await connection.execute(SQL.delete_generation_candidates, generation_id)
    return int(status.split()[-1])


async def delete_project_candidates(connection: Connection, project_id: str) -> int:
    """Delete the candidates of a project; return how many."""
    status = await connection.execute(SQL.delete_project_candidates, project_id)
    return int(status.split()[-1])


def candidate_of(row: asyncpg.Record) -> Candidate:
    """A row of `candidate_view`."""
    own = {name: row[name] for name in Candidate.__dataclass_fields__}
    return Candidate(
        **{
            **own,
            "content": stored_content(row["kind"], row["content"]),
            "quotes": [Quote(**quote) for quote in row["quotes"]],
            "rejection": Failure(**row["rejection"]) if row["rejection"] else None,
            "call": call_of(row["call"]),
            "judgement": judgement_of(row),
        }
    )
