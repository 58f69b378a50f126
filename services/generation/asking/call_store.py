"""Calls to language models, what they cost and what came of them: the statements of `calls.sql`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from services.generation.asking.budgets import Amount, Standing
from services.generation.calls.answers import KeptAnswer, kept_answer
from services.generation.questions.questions import CallRecord
from services.runtime.db import HELD_SECONDS, Connection, Pool, held, transaction
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "calls.sql")

SILENCE_SECONDS = 30.0
LONGEST_CLAIM = timedelta(hours=1)
"""Longer than the calls of an item and its waits for them take: whoever claimed for longer hangs."""


def with_call(statement: str) -> str:
    """A statement that stores a call as well; the parameters of the call come first."""
    return f"WITH {SQL.call}\n{statement}"


INSERT_CALL = with_call("SELECT")


@dataclass(frozen=True)
class Settlement:
    """What is stored with the call of a result.

    Args:
        project_id: whose answers it is kept among.
        key: under what; nothing where it is not kept.
        answer: the answer, as JSON.
        item_id: whose reservation ends, if there is one.
    """

    project_id: str | None = None
    key: bytes | None = None
    answer: str | None = None
    item_id: str | None = None


NOTHING = Settlement()


@dataclass(frozen=True)
class Known:
    """What is known of an answer: it is there, this item is to ask for it, or another one does."""

    answer: KeptAnswer | None
    claimed: bool

    @property
    def is_anothers(self) -> bool:
        """Whether another item asks for it now."""
        return not self.answer and not self.claimed


class CallStore:
    """The tables `llm_calls`, `call_sums`, `llm_answers` and `reservations`.

    Args:
        pool: the room's database.
        silence_seconds: after which a worker counts as dead, as it does for the queue.
    """

    def __init__(self, pool: Pool, silence_seconds: float = SILENCE_SECONDS) -> None:
        self.pool = pool
        self._silence = timedelta(seconds=silence_seconds)

    async def add_failed(
        self,
        generation_id: str,
        call: CallRecord,
        settlement: Settlement = NOTHING,
        seconds: float = HELD_SECONDS,
    ) -> None:
        """Store what calls cost that led to no result; a generation that is gone has no costs either.

        While the database is away it is held here, for so many seconds. What is stored is not stored again.
        """

        async def store() -> None:
            async with transaction(self.pool) as connection:
                if not await connection.fetchval(SQL.lock_generation, generation_id):
                    return
                if not await connection.fetchval(SQL.has_call, call.id):
                    await connection.execute(INSERT_CALL, *call_values(generation_id, call, settlement))

        await held(self.pool, store, seconds)

    async def kept(self, project_id: str, key: bytes) -> KeptAnswer | None:
        """The answer that the project has to what was asked before, if any."""
        answer = await self.pool.fetchval(SQL.kept_answer, project_id, key)
        return kept_answer(answer) if answer else None

    async def find_answer(
        self, project_id: str, key: bytes, item_id: str, useless: KeptAnswer | None = None
    ) -> Known:
        """The answer that the project has to what was asked before; where there is none, an item claims it.

        A claim holds while its item is in work: until the answer is kept, the item gives it up, its worker is
        dead, or an hour has passed.

        Args:
            project_id: whose answers.
            key: what is asked.
            item_id: who asks.
            useless: an answer that was found before and does not validate any more.
        """
        row = await self.pool.fetchrow(
            SQL.find_answer,
            project_id,
            key,
            item_id,
            useless.as_text() if useless else None,
            self._silence,
            LONGEST_CLAIM,
        )
        assert row is not None  # noqa: S101  # a SELECT without FROM has one
        return Known(kept_answer(row["answer"]) if row["answer"] else None, row["claimed"])

    async def give_up_claim(self, project_id: str, key: bytes, item_id: str) -> None:
        """Let others ask what an item had claimed."""
        await self.pool.execute(SQL.give_up_claim, project_id, key, item_id)

    async def reserve(
        self, generation_id: str, item_id: str, attempt_id: str, wanted: Amount
    ) -> Standing | None:
        """Reserve something of a budget for an item, if it fits, in place of what its attempt had.

        What an earlier attempt left counts as spent, as its worker was killed in the middle of a call; but
        what is in a batch is still to come.

        Returns how the budget stands; nothing where the generation is gone.
        """
        async with transaction(self.pool) as connection:
            await connection.execute(SQL.lock_budget, generation_id)
            row = await connection.fetchrow(
                SQL.reserve, generation_id, item_id, wanted.tokens, wanted.cost, attempt_id
            )
        if row is None:
            return None
        most, spent = (
            Amount(row["most_tokens"], row["most_cost"]),
            Amount(row["spent_tokens"], row["spent_cost"]),
        )
        return Standing(row["fits"], most, spent)

    async def is_budget(self, connection: Connection, generation_id: str, most: Amount) -> bool:
        """Whether the budget of a generation is still so much."""
        return bool(await connection.fetchval(SQL.is_budget, generation_id, most.tokens, most.cost))

    async def set_in_batch(self, item_id: str) -> None:
        """Note that what was reserved for an item is for a call in a batch."""
        await self.pool.execute(SQL.set_in_batch, item_id)

    async def release(self, item_id: str) -> None:
        """Give up what was reserved for an item."""
        await self.pool.execute(SQL.release, item_id)


async def insert_call(
    connection: Connection, generation_id: str, call: CallRecord, settlement: Settlement = NOTHING
) -> None:
    """Store a call beside its result."""
    await connection.execute(INSERT_CALL, *call_values(generation_id, call, settlement))


async def insert_calls(connection: Connection, calls: Sequence[tuple[str, CallRecord, Settlement]]) -> None:
    """Store the calls of several results, each with its generation: at half of what each costs alone."""
    rows = [
        {
            **vars(call),
            "parameters": dict(call.parameters),
            "generation_id": generation_id,
            "project_id": settlement.project_id,
            "key": settlement.key and settlement.key.hex(),
            "answer": settlement.answer,
            "item_id": settlement.item_id,
        }
        for generation_id, call, settlement in calls
    ]
    await connection.execute(SQL.insert_calls, rows)


async def delete_answers(connection: Connection, project_id: str) -> None:
    """Delete the answers that a project has."""
    await connection.execute(SQL.delete_project_answers, project_id)


def call_of(values: Mapping[str, Any]) -> CallRecord:
    """A row of `llm_calls` as JSON."""
    return CallRecord(**{name: values[name] for name in CallRecord.__dataclass_fields__})


def call_values(generation_id: str, call: CallRecord, settlement: Settlement = NOTHING) -> tuple[object, ...]:
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
        call.cached,
        settlement.project_id,
        settlement.key,
        settlement.answer,
        settlement.item_id,
    )
