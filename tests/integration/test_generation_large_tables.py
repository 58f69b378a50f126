"""What is looked up about chunks, in tables that have grown since anybody analysed them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from services.generation.coverage.coverage import Choice
from services.generation.coverage.store import SQL as COVERAGE
from services.generation.coverage.store import CoverageStore
from services.generation.questions.facts import Fact
from services.generation.sources.source_change_store import SQL as CHANGES
from services.runtime.db import Connection, Pool
from services.runtime.ids import new_id
from tests.integration.stores import Stores
from tests.support.chunks import KESTREL, chunk_of

ROWS, ABOUT_ONE = 20_000, 10
PROJECT, GENERATION = new_id(), new_id()
QUESTIONS = """
    INSERT INTO questions (id, project_id, generation_id, chunk_ids, document_ids, text, text_key, fact, form, state,
                           call_id, answer, answer_quotes, answer_call_id)
    SELECT gen_random_uuid(), $1, $2, ARRAY[md5('c' || number / $4)::uuid], '{}', number, number,
           jsonb_build_object('text', number), 0, 'answered', $2, '4 kg', '[]', $2
    FROM generate_series(0, $3 - 1) AS number
"""
CANDIDATES = """
    INSERT INTO candidates (id, project_id, generation_id, kind, state, content, content_key, chunk_ids, call_id)
    SELECT gen_random_uuid(), $1, $2, 'passage', 'kept', '{}', number, ARRAY[md5('c' || number / $4)::uuid], $2
    FROM generate_series(0, $3 - 1) AS number
"""
STATEMENTS: dict[str, tuple[str, list[Any]]] = {
    "count_questions": (COVERAGE.count_questions, [None]),
    "asked_facts": (COVERAGE.asked_facts, []),
    "questioned_chunks": (CHANGES.questioned_chunks, [False]),
    "written_chunks": (CHANGES.written_chunks, ["passage"]),
}


@pytest_asyncio.fixture
async def grown(stores: Stores) -> AsyncIterator[Connection]:
    """A connection to tables of many rows, which were never analysed."""
    async with stores.pool("generation") as pool, pool.acquire() as connection:
        for table in ("questions", "candidates"):
            await connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
        # Rows without their generations and calls.
        await connection.execute("SET session_replication_role = replica")
        for fill in (QUESTIONS, CANDIDATES):
            await connection.execute(fill, PROJECT, GENERATION, ROWS, ABOUT_ONE)
        yield connection


def scanned(plan: dict[str, Any]) -> Iterator[float]:
    """How many rows the scans of a plan have looked at."""
    for below in plan.get("Plans", ()):
        yield from scanned(below)
    if "Scan" in plan["Node Type"] and "Relation Name" in plan:
        yield (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]


@pytest.mark.parametrize("name", STATEMENTS)
async def test_of_a_large_table_only_what_is_about_the_chunks_is_read(grown: Connection, name: str) -> None:
    statement, more = STATEMENTS[name]
    ids = await grown.fetchval(
        "SELECT array_agg(md5('c' || number)::uuid) FROM generate_series(1, 50) AS number"
    )
    found = await grown.fetch(statement, PROJECT, ids, *more)
    assert {row["chunk_id"] for row in found} == set(ids)
    told = await grown.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", PROJECT, ids, *more)
    assert 0 < sum(scanned(json.loads(told)[0]["Plan"])) <= 50 * ABOUT_ONE


async def test_facts_that_are_noted_again_are_noted_once(stores: Stores) -> None:
    chunk = replace(chunk_of(KESTREL), id=new_id())
    facts = [Fact(at, at + 5, chunk.text[at : at + 5]) for at in (0, 7)]
    async with stores.pool("generation") as pool:
        await without_generations(pool)
        store = CoverageStore(pool)
        for more in ([], facts[:1]):
            async with pool.acquire() as connection:
                await store.add_planned(
                    connection, GENERATION, [Choice(chunk, facts, 0), Choice(chunk, more, 0)]
                )
        assert await store.planned(GENERATION, [chunk.id]) == {chunk.id: [0, 7]}


async def without_generations(pool: Pool) -> None:
    """Let facts be noted of a generation that is not there."""
    await pool.execute("ALTER TABLE planned_facts DROP CONSTRAINT planned_facts_generation_id_fkey")
