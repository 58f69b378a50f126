"""What forecasts are told from: the statements of `forecasts.sql`, behind functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from services.generation.forecasts.forecasts import Extent, Forecast, Paid, SeenChunk, forecast
from services.generation.generations.generations import GenerationView
from services.generation.providers.providers import Price
from services.runtime.db import Connection, Pool
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "forecasts.sql")

MOST_SEEN = 1000
"""Chunks that a forecast looks at; more would tell hardly more."""


class ForecastStore:
    """The table `generation_chunks`."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def add_chunks(
        self,
        connection: Connection,
        generation_id: str,
        chunks: Sequence[tuple[str, int, int]],
        *,
        asked: bool,
        last: bool,
    ) -> None:
        """Note chunks that a generation covers.

        Args:
            connection: the caller's transaction.
            generation_id: the generation.
            chunks: id, characters and `write_questions` items of each.
            asked: whether all of them are asked about.
            last: whether no more follow.
        """
        columns = [list(column) for column in zip(*chunks, strict=True)] or [[], [], []]
        await connection.execute(SQL.add_chunks, generation_id, *columns, asked, last)

    async def choose(self, generation_id: str, count: int) -> list[str]:
        """Chunks for a pilot: so many, spread evenly by length over all of a generation."""
        rows = await self.pool.fetch(SQL.choose_chunks, generation_id, count)
        return [row["chunk_id"] for row in rows]

    async def forget(self, generation_id: str, chunk_ids: Sequence[str]) -> None:
        """Note that a generation covers chunks no more, as those of a document that was deleted."""
        await self.pool.execute(SQL.forget_chunks, generation_id, chunk_ids)

    async def set_links(
        self, connection: Connection, generation_id: str, links: Mapping[str, Sequence[Sequence[Any]]]
    ) -> None:
        """Note the links of chunks, so that a pilot asks for the same ones as a run over all."""
        await connection.execute(SQL.set_links, generation_id, links)

    async def links(self, generation_id: str, chunk_ids: Sequence[str]) -> dict[str, Any]:
        """The links of chunks, by their ids."""
        rows = await self.pool.fetch(SQL.list_links, generation_id, chunk_ids)
        return {row["chunk_id"]: row["links"] for row in rows}

    async def ask(self, connection: Connection, generation_id: str, chunk_ids: Sequence[str]) -> None:
        """Note that chunks are asked about."""
        await connection.execute(SQL.ask_chunks, generation_id, chunk_ids)

    async def tell(self, view: GenerationView, prices: Sequence[Price | None]) -> Forecast | None:
        """What a running generation takes, or a run over all that a pilot stands for.

        Args:
            view: the generation.
            prices: those of now; what a pilot took may have been paid, or not, at others.

        Returns nothing while too little is seen.
        """
        is_pilot = view.generation.options.pilot_chunks > 0
        if view.job.ended and not is_pilot:
            return None
        row = await self.pool.fetchrow(SQL.get_extent, view.generation.id)
        if row is None or not row["planned"]:
            return None
        extent = Extent(**row, ended=view.job.ended)
        rows = await self.pool.fetch(
            SQL.seen_chunks, view.generation.id, MOST_SEEN, is_pilot, extent.asks_knowledge
        )
        stats = view.stats
        paid = Paid(
            stats.calls, stats.prompt_tokens, stats.completion_tokens, stats.cost, stats.calls_per_second
        )
        seen = [SeenChunk(**row) for row in rows]
        if is_pilot:
            seen = [replace(one, cost=dearest(one, prices, extent)) for one in seen]
        return forecast(extent, seen, stats.currency, None if is_pilot else paid)


def dearest(seen: SeenChunk, prices: Sequence[Price | None], extent: Extent) -> float:
    """What the tokens of a chunk cost at the highest of some prices."""
    # What a model is asked again is asked singly.
    single = max(0.0, 1 - seen.chains / seen.calls) if extent.in_batches and seen.calls else 1.0
    return max(
        (
            price.of(seen.prompt_tokens, seen.completion_tokens)
            * (single + (1 - single) * price.batch_factor)
            for price in prices
            if price
        ),
        default=0.0,
    )
