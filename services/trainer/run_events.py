"""What happened to a run beside its steps: told by the engine, or by the worker that trains it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from services.runtime.db import Pool
from services.runtime.pages import Page, PageRequest, page_of
from services.runtime.sql import Statements
from services.trainer.engine_events import Event, Placed

SQL = Statements(Path(__file__).parent / "sql" / "events.sql")

LONGEST_MESSAGE = 2000


@dataclass(frozen=True)
class RunEvent:
    """Something that happened.

    Args:
        source: what names an event of the engine; of the worker's own there is none.
        number: its number in the table; 0 before it is there.
    """

    kind: str
    message: str
    details: Mapping[str, str] = field(default_factory=dict)
    source: str | None = None
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    number: int = 0


class RunEvents:
    """The table of events.

    Args:
        pool: of the room's database.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, run_id: str, events: Sequence[RunEvent]) -> None:
        """Store events; those of an engine that are there already, or of a run that is gone, are not."""
        if not events:
            return
        columns = zip(
            *((each.kind, each.message, dict(each.details), each.source, each.time) for each in events),
            strict=True,
        )
        await self._pool.execute(SQL.insert_events, run_id, *map(list, columns))

    async def list(self, page: PageRequest, run_id: str) -> Page[RunEvent]:
        """Events of a run, the oldest first."""
        after = int(page.after[0]) if page.after else 0
        rows = [RunEvent(**row) for row in await self._pool.fetch(SQL.list_events, run_id, after, page.limit)]
        return page_of(rows, page, lambda event: (str(event.number),), lambda event: len(str(event)))


def told_by_engine(events: Sequence[Placed]) -> list[RunEvent]:
    """What people should know of what the engine writes."""
    return list(_told(events))


def _told(events: Sequence[Placed]) -> Iterator[RunEvent]:
    for event, place in events:
        message = _message(event)
        if message:
            source = f"{place}@{event.get('time', 0)}"
            time = datetime.fromtimestamp(event.get("time", 0), UTC)
            yield RunEvent(event["type"], message[:LONGEST_MESSAGE], _details(event), source, time)


def _message(event: Event) -> str:
    """An event in words; nothing for one that steps or summary tell."""
    match event["type"]:
        case "started":
            return (
                f"trains on {event['device']} in {event['precision']}, {event['steps_total']} steps in all, "
                f"micro batches of at most {event.get('micro_batch_tokens', 0)} tokens"
            )
        case "resumed":
            damaged = event.get("damaged")
            lost = f"; damaged and passed over: {', '.join(damaged)}" if damaged else ""
            return f"goes on after step {event['step']}{lost}"
        case "rolled_back":
            return f"went back to step {event['step']}: {event.get('message', '')}"
        case "passed_over":
            return f"step {event['step']} is passed over"
        case "stopped":
            step = event.get("step")
            return "stopped before the first step" if step is None else f"stopped after step {step}"
        case "failed":
            return f"{event['reason']}: {event['message']}"
        case _:
            return ""


def _details(event: Event) -> dict[str, str]:
    names = ("step", "failed_step", "reason", "rate_factor", "micro_batch_tokens", "recomputes_activations")
    return {name: str(event[name]) for name in names if event.get(name) is not None}
