"""Examples: the statements of `examples.sql`, behind functions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg

from services.dataset.examples.content import content_json, content_of, lineage_of
from services.dataset.examples.copying import copy_examples
from services.dataset.examples.examples import Example, Message, Quote
from services.dataset.examples.filters import ExampleFilter
from services.runtime.db import Connection, Pool, claim_request, fetch_planned, transaction
from services.runtime.errors import NotFound
from services.runtime.failures import Failure
from services.runtime.pages import Page, PageRequest, next_token, page_of
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "examples.sql")

LOOKED_AT = 5000
"""Examples that a page looks at first, where a filter may leave most out; twice as many each time after."""
PAGE_SECONDS = 0.05
"""After which a page ends with what it has found."""
MOST_VALUES = 1000
"""Values that are counted of a facet, the most frequent."""


@dataclass(frozen=True)
class FacetCounts:
    """How many examples there are by the values of a facet, the most frequent first."""

    facet: str
    counts: Sequence[tuple[str, int]]


class ExampleStore:
    """The tables `examples` and `example_contents`."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def create(self, example: Example, request_id: str) -> str:
        """Add an example written by hand; return its id. A request id gives its first one."""
        async with transaction(self.pool) as connection:
            example_id = await claim_request(connection, "CreateExample", request_id, example.id)
            if example_id == example.id:
                await copy_examples(connection, [example])
        return example_id

    async def get(self, example_id: str) -> Example:
        """One example.

        Raises:
            NotFound: there is none.
        """
        return await found(self.pool, SQL.get_example, example_id)

    async def list_page(
        self, page: PageRequest, project_id: str, wanted: ExampleFilter, order: str
    ) -> Page[Example]:
        """Examples that a filter means, in an order.

        A page looks at some thousands of examples, then at twice as many, until it is full or another look
        would take it past `PAGE_SECONDS`; it may so hold fewer than were asked for, and go on with its token.
        """
        key = KEYS.get(order, id_of)
        rows: list[Example] = []
        after: tuple[Any, ...] = key_values(order, page.after)
        count, give_up = LOOKED_AT, time.monotonic() + PAGE_SECONDS
        while True:
            began = time.monotonic()
            end = await self._place(project_id, order, after, count)
            limit = page.limit - len(rows)
            more = await self._list(project_id, wanted, order, after, end, limit)
            rows += filter(wanted.says, more)
            after = key(more[-1]) if len(more) == limit else end
            # The next look takes about twice as long.
            ready = 3 * time.monotonic() - 2 * began
            if len(rows) >= page.limit or not after or ready > give_up:
                break
            count *= 2
        cut = page_of(rows, page, key, size_of)
        if cut.next_token or not after:
            return cut
        return replace(cut, next_token=next_token(page, *after))

    async def count(
        self, project_id: str, wanted: ExampleFilter, facets: Sequence[str]
    ) -> tuple[int, list[FacetCounts]]:
        """How many examples a filter means, its text aside, and how many by the values of some facets."""
        rows = await fetch_planned(self.pool, SQL.count_examples, project_id, *wanted.values)
        counted = []
        for facet in facets:
            found = await fetch_planned(
                self.pool, SQL.count_by_facet, project_id, *wanted.values, facet, MOST_VALUES
            )
            counted.append(FacetCounts(facet, [(row["value"], row["count"]) for row in found]))
        return rows[0]["count"], counted

    async def _place(
        self, project_id: str, order: str, after: tuple[Any, ...], count: int
    ) -> tuple[Any, ...]:
        """The place after so many more examples; nothing where there are fewer."""
        statement, width = STATEMENTS[order][1], 1 if order in BY_ID else 2
        rows = await fetch_planned(self.pool, statement, project_id, count, *padded(after, width))
        return tuple(rows[0]) if rows else ()

    async def _list(
        self,
        project_id: str,
        wanted: ExampleFilter,
        order: str,
        after: tuple[Any, ...],
        end: tuple[Any, ...],
        limit: int,
    ) -> list[Example]:
        statement, width = STATEMENTS[order][0], 1 if order in BY_ID else 2
        places = (*padded(after, width), *padded(end, width))
        rows = await fetch_planned(
            self.pool, statement, project_id, *wanted.values, wanted.text_in_json, limit, *places
        )
        return [example_of(row) for row in rows]


STATEMENTS = {
    "oldest": (SQL.list_oldest, SQL.place_oldest),
    "newest": (SQL.list_newest, SQL.place_newest),
    "lowest_score": (SQL.list_lowest_score, SQL.place_lowest_score),
    "highest_score": (SQL.list_highest_score, SQL.place_highest_score),
    "last_changed": (SQL.list_last_changed, SQL.place_last_changed),
}
"""By order: what lists examples, and what tells the place after so many."""
BY_ID = frozenset({"oldest", "newest"})
"""Orders whose key is the id alone."""
KEYS: dict[str, Callable[[Example], tuple[Any, ...]]] = {
    "lowest_score": lambda example: (score_of(example), example.id),
    "highest_score": lambda example: (score_of(example), example.id),
    "last_changed": lambda example: (example.update_time, example.id),
}


def id_of(example: Example) -> tuple[Any, ...]:
    """The key of the orders by id."""
    return (example.id,)


def score_of(example: Example) -> float:
    """Its score; one without comes lowest."""
    return -1.0 if example.score is None else example.score


def key_values(order: str, parts: Sequence[str]) -> tuple[Any, ...]:
    """The values of the key in a page token."""
    if not parts or order in BY_ID:
        return tuple(parts)
    first, example_id = parts
    return datetime.fromisoformat(first) if order == "last_changed" else float(first), example_id


def padded(values: tuple[Any, ...], width: int) -> tuple[Any, ...]:
    """The values of a key, or so many times nothing."""
    return values or (None,) * width


def changed_values(example: Example) -> tuple[Any, ...]:
    """The values of `update_example`."""
    return (
        example.id,
        example.state,
        example.rejection.as_json() if example.rejection else None,
        example.score,
        list(example.labels),
        list(example.tag_ids),
        example.language,
        example.characters,
        example.key,
        content_json(example),
    )


async def found(database: Pool | Connection, statement: str, example_id: str) -> Example:
    """The example that a statement gives.

    Raises:
        NotFound: it gives none.
    """
    row = await database.fetchrow(statement, example_id)
    if row is None:
        raise example_not_found(example_id)
    return example_of(row)


def example_of(row: asyncpg.Record) -> Example:
    """A row of `examples` with its content and lineage."""
    return Example(
        id=row["id"],
        project_id=row["project_id"],
        kind=row["kind"],
        state=row["state"],
        rejection=Failure(**row["rejection"]) if row["rejection"] else None,
        score=row["score"],
        labels=row["labels"],
        tag_ids=row["tag_ids"],
        lineage=lineage_of(row["lineage"]),
        create_time=row["create_time"],
        update_time=row["update_time"],
        source_gone_time=row["source_gone_time"],
        delete_time=row["delete_time"],
        review_state=row["review_state"],
        review_count=row["review_count"],
        revision=row["revision_count"],
        **content_of(row["content"]),
    )


def size_of(example: Example) -> int:
    """About how many bytes an example takes in an answer."""
    return texts_size(example.said, example.quotes)


def texts_size(said: Iterable[Message], quotes: Iterable[Quote]) -> int:
    """Bytes of the texts of some turns and quotes."""
    texts = [text for turn in said for text in (turn.content, turn.reasoning)]
    return sum(len(text.encode()) for text in [*texts, *(quote.text for quote in quotes)])


def example_not_found(example_id: str) -> NotFound:
    """The error for an example that is not there."""
    return NotFound("EXAMPLE_NOT_FOUND", f"there is no example {example_id}", example_id=example_id)
