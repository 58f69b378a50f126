"""Rows of examples as lines of Postgres' COPY in text format: the fastest way in.

https://www.postgresql.org/docs/current/sql-copy.html, "Text Format".
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime

import orjson

from services.dataset.examples.content import content_json, lineage_json
from services.dataset.examples.examples import Example
from services.runtime.db import Connection

EXAMPLE_COLUMNS = (
    "id",
    "project_id",
    "kind",
    "state",
    "rejection",
    "score",
    "labels",
    "tag_ids",
    "language",
    "characters",
    "generation_id",
    "import_id",
    "item_id",
    "document_id",
    "heading_path",
    "question_type",
    "prompt_version",
    "model",
    "key",
    "source_gone_time",
)
CONTENT_COLUMNS = ("example_id", "content", "lineage")
SPECIAL = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
NULL = "\\N"


def example_line(example: Example) -> str:
    """A line of the table `examples`: the columns of `EXAMPLE_COLUMNS`."""
    lineage, origin = example.lineage, example.lineage.last_origin
    gone: datetime | None = example.source_gone_time
    return line(
        example.id,
        example.project_id,
        example.kind,
        example.state,
        orjson.dumps(example.rejection.as_json()).decode() if example.rejection else None,
        None if example.score is None else str(example.score),
        array(example.labels),
        array(example.tag_ids),
        example.language,
        str(example.characters),
        lineage.generation_id or None,
        lineage.import_id or None,
        lineage.item_id or None,
        example.document_id or None,
        array(lineage.heading_path),
        lineage.question_type,
        origin.prompt_version,
        origin.model,
        bytea(example.key),
        gone.isoformat() if gone else None,
    )


def content_line(example: Example) -> str:
    """A line of the table `example_contents`: the columns of `CONTENT_COLUMNS`."""
    return line(example.id, content_json(example), lineage_json(example.lineage))


def line(*values: str | None) -> str:
    """One line of COPY; None is NULL."""
    return "\t".join([NULL if value is None else value.translate(SPECIAL) for value in values]) + "\n"


def array(values: Sequence[str]) -> str:
    """An array as Postgres reads it."""
    return "{" + ",".join(orjson.dumps(value.translate(CONTROL)).decode() for value in values) + "}"


CONTROL = dict.fromkeys(range(32), " ")
"""JSON would write control characters in a way that arrays do not know."""


def bytea(value: bytes) -> str:
    """Bytes as Postgres reads them."""
    return "\\x" + value.hex()


async def copy_examples(connection: Connection, examples: Sequence[Example]) -> None:
    """Add examples.

    Raises:
        UniqueViolationError: one is there, or one of the same question or candidate.
    """
    await copy_lines(connection, "examples", EXAMPLE_COLUMNS, map(example_line, examples))
    await copy_lines(connection, "example_contents", CONTENT_COLUMNS, map(content_line, examples))


async def copy_lines(
    connection: Connection, table: str, columns: Sequence[str], lines: Iterable[str]
) -> None:
    """Add rows to a table from lines of COPY, in one block."""
    await connection.copy_to_table(table, source=once("".join(lines).encode()), columns=columns)


async def once(block: bytes) -> AsyncIterator[bytes]:
    """One block as a stream."""
    yield block
