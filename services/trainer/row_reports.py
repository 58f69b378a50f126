"""What became of the rows of a run: read from the engine's reports, kept, and listed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from services.runtime.db import Pool, transaction
from services.runtime.pages import Page, PageRequest, page_of
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parent / "sql" / "rows.sql")

MOST_ROWS = 10_000
"""So many rows of a split are kept; the report in the bucket has all."""
KEPT = "kept"


@dataclass(frozen=True)
class TrainingRow:
    """A row that was not learned whole; `outcome` is `cut` or `dropped`."""

    split: str
    line: int
    row_id: str
    outcome: str
    tokens: int
    kept_tokens: int
    samples: int


def read_report(path: Path, split: str) -> list[TrainingRow]:
    """The first rows of a report of the engine that were not learned whole; none where it is gone."""
    return list(islice(_rows(path, split), MOST_ROWS))


def _rows(path: Path, split: str) -> Iterator[TrainingRow]:
    if not path.is_file():
        return
    with path.open("rb") as lines:
        for line in lines:
            told = json.loads(line)
            if told["outcome"] != KEPT:
                told["row_id"] = told.pop("id")
                yield TrainingRow(split=split, **told)


class RowReports:
    """The table of rows.

    Args:
        pool: of the room's database.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def replace(self, run_id: str, split: str, rows: Sequence[TrainingRow]) -> None:
        """Keep the rows of a split in place of those that were kept before."""
        async with transaction(self._pool) as connection:
            await connection.execute(SQL.drop_rows, run_id, split)
            columns = [
                [getattr(row, name) for row in rows]
                for name in ("line", "row_id", "outcome", "tokens", "kept_tokens", "samples")
            ]
            await connection.execute(SQL.insert_rows, run_id, split, *columns)

    async def list(self, page: PageRequest, run_id: str, outcome: str) -> Page[TrainingRow]:
        """Rows of a run by split and line; all outcomes where none is given."""
        split, line = (page.after[0], int(page.after[1])) if page.after else (None, 0)
        found = await self._pool.fetch(SQL.list_rows, run_id, outcome, split, line, page.limit)
        rows = [TrainingRow(**row) for row in found]
        return page_of(rows, page, lambda row: (row.split, str(row.line)), lambda row: len(str(row)))
