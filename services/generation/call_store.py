"""What calls to language models cost: the statements of `calls.sql`, behind functions."""

from __future__ import annotations

from pathlib import Path

from services.generation.questions import CallRecord
from services.runtime.db import Connection, Pool, transaction
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parent / "sql" / "calls.sql")


def with_call(statement: str) -> str:
    """A statement that stores a call as well; the parameters of the call come first."""
    return f"WITH {SQL.call}\n{statement}"


INSERT_CALL = with_call("SELECT")


class CallStore:
    """The tables `llm_calls` and `call_sums`."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def add_failed(self, generation_id: str, call: CallRecord) -> None:
        """Store what calls cost that led to no result; a generation that is gone has no costs either."""
        async with transaction(self.pool) as connection:
            if await connection.fetchval(SQL.lock_generation, generation_id):
                await connection.execute(INSERT_CALL, *call_values(generation_id, call))


async def insert_call(connection: Connection, generation_id: str, call: CallRecord) -> None:
    """Store a call beside its result."""
    await connection.execute(INSERT_CALL, *call_values(generation_id, call))


def call_values(generation_id: str, call: CallRecord) -> tuple[object, ...]:
    """The parameters of the part `call`."""
    return (
        call.id,
        generation_id,
        call.prompt_version,
        call.provider_id,
        call.model,
        dict(call.parameters),
        call.prompt_tokens,
        call.completion_tokens,
        call.calls,
        call.seconds,
        call.cost,
        call.currency,
        call.chunk_id,
        call.failure,
    )
