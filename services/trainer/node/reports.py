"""What the accelerators of all machines say: workers tell of their own, the service hears of the others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog

from services.runtime.db import Pool
from services.runtime.pages import Page, PageRequest, page_of
from services.runtime.sql import Statements
from services.trainer.guarding import AWAY
from services.trainer.node.accelerators import Accelerator
from services.trainer.node.sampler import FORGOTTEN_SECONDS, Sample, Sampler

SQL = Statements(Path(__file__).parents[1] / "sql" / "node.sql")
KEPT_SECONDS = 86_400.0
"""A machine that was silent for so long is shown no more, as a lost worker is not."""
MOST_MACHINES = 1000
"""Of so many the metrics tell."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Node:
    """A machine, and what its accelerators said last."""

    host: str
    sample: Sample


@dataclass
class NodeReports:
    """The table of what machines say.

    Args:
        pool: of the room's database.
        host: this machine.
        sampler: looks at its accelerators.
        interval_seconds: between two reports, and between two looks at those of others.
        silence_seconds: silence after which what a machine said is stale.
    """

    pool: Pool
    host: str
    sampler: Sampler
    interval_seconds: float
    silence_seconds: float
    others: Mapping[str, Sample] = field(default_factory=dict)
    """What other machines said, as of the last look."""

    async def keep_telling(self, stop: asyncio.Event) -> None:
        """Tell of this machine until `stop` is set; in every process that trains."""
        await self._often(self.tell, stop)

    async def keep_listening(self, stop: asyncio.Event) -> None:
        """Know of the others until `stop` is set; in the process that serves."""
        await self._often(self.listen, stop)

    async def tell(self) -> None:
        """Store what the accelerators of this machine said last."""
        await self.pool.execute(SQL.upsert_sample, self.host, asdict(self.sampler.sample))

    async def listen(self) -> None:
        """Look at what the others have told."""
        await self.pool.execute(SQL.drop_samples, KEPT_SECONDS)
        rows = await self.pool.fetch(SQL.list_samples, None, MOST_MACHINES)
        nodes = [self._node_of(dict(row)) for row in rows]
        self.others = {node.host: node.sample for node in nodes if node.host != self.host}

    async def list(self, page: PageRequest) -> Page[Node]:
        """Machines by name; this one as it is known now."""
        after = page.after[0] if page.after else None
        rows = await self.pool.fetch(SQL.list_samples, after, page.limit)
        return page_of([self._node_of(dict(row)) for row in rows], page, lambda node: (node.host,))

    def _node_of(self, row: dict[str, Any]) -> Node:
        own = row["host"] == self.host and self.sampler.is_looking
        sample = self.sampler.sample if own else self._heard(row["sample"], row["silence_seconds"])
        return Node(row["host"], sample)

    def _heard(self, told: Mapping[str, Any], silence: float) -> Sample:
        """A sample that was told some seconds ago."""
        cards = tuple(Accelerator(**card) for card in told["accelerators"])
        sample = Sample(**{**told, "accelerators": cards})
        if silence > self.silence_seconds:
            words = f"its worker was not heard of for {silence:.0f} s"
            sample = replace(sample, is_stale=True, reason="silent", message=words)
        age = sample.age_seconds + silence
        return replace(
            sample, age_seconds=age, accelerators=() if age > FORGOTTEN_SECONDS else sample.accelerators
        )

    async def _often(self, work: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await work()
            except AWAY as error:
                log.warning("database_away", error=str(error))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self.interval_seconds)
