"""What examples become that are restored from a version: pure work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from services.dataset.examples.content import CONTENT, content_of
from services.dataset.examples.examples import Example

CHANGED, BROUGHT_BACK, DELETED, MISSING = "changed", "brought_back", "deleted", "missing"
"""What becomes of examples."""
READ = 250
"""Rows of a shard that are read at once."""
ROWS, LETTERS = 2000, 8_000_000
"""Most rows of a batch; and about how many bytes of what they say."""
COLUMNS = ("id", "kind", "content", "score", "labels", "tag_ids", "language", "source")

OF_VERSION = "version:"
"""How the source of general data of another version begins."""
Ids = npt.NDArray[np.bytes_]


@dataclass(frozen=True)
class Member:
    """An example as a version has it; `content` is JSON, without the system prompt of the version."""

    id: str
    kind: str
    content: str
    score: float | None
    labels: Sequence[str]
    tag_ids: Sequence[str]
    language: str
    is_own: bool = True
    """Whether it is no general data of another version."""


@dataclass(frozen=True)
class Rewritten:
    """What an example says again, and what follows from that; all is empty where it says the same."""

    fields: Sequence[str]
    """What of `CONTENT` becomes other."""
    characters: int
    key: bytes


STAYS = Rewritten((), 0, b"")


def batches_of(path: Path, prompt: str, skipped: int) -> Iterator[list[Member]]:
    """The rows of a shard after some, a batch at a time in memory.

    Args:
        path: the shard.
        prompt: the system prompt of the version.
        skipped: rows that are done.
    """
    batch: list[Member] = []
    letters = 0
    with pq.ParquetFile(path, pre_buffer=False) as file:
        for read in file.iter_batches(READ, columns=list(COLUMNS), use_threads=False):
            rows, skipped = read.slice(min(skipped, read.num_rows)), max(0, skipped - read.num_rows)
            for row in rows.to_pylist():
                batch.append(member_of(row, prompt))
                letters += len(batch[-1].content)
            if len(batch) >= ROWS or letters >= LETTERS:
                yield batch
                batch, letters = [], 0
    if batch:
        yield batch


def member_of(row: Mapping[str, Any], prompt: str) -> Member:
    """A row of a shard."""
    prompted = bool(prompt) and row["kind"] != "pretraining"
    return Member(
        id=row["id"],
        kind=row["kind"],
        content=unprompted(row["content"], prompt) if prompted else row["content"],
        score=row["score"],
        labels=row["labels"] or (),
        tag_ids=row["tag_ids"] or (),
        language=row["language"] or "",
        is_own=not row["source"].startswith(OF_VERSION),
    )


def unprompted(content: str, prompt: str) -> str:
    """A content without the system prompt that a version put before it; a system message of its own stays."""
    values = orjson.loads(content)
    first, *rest = values["messages"]
    if first["role"] != "system" or not first["content"].startswith(prompt):
        return content
    own = first["content"][len(prompt) :].removeprefix("\n\n")
    values["messages"] = [{**first, "content": own}, *rest] if own else rest
    return orjson.dumps(values).decode()


def rewritten(member: Member, said: str) -> Rewritten:
    """What an example says again that says other things now."""
    was, now = content_of(member.content), content_of(said)
    fields = [name for name in CONTENT if was[name] != now[name]]
    if not fields:
        return STAYS
    example = Example(id=member.id, project_id="", kind=member.kind, **was)
    return Rewritten(fields, example.characters, example.key)


def ids_in(paths: Sequence[Path]) -> Ids:
    """The ids in shards, ascending: 36 bytes each."""
    found = [np.empty(0, "S36")]
    for path in paths:
        column = pq.read_table(path, columns=["id"], use_threads=False).column("id")
        found += [np.array(chunk.cast(pa.binary()).to_pylist(), "S36") for chunk in column.chunks]
    return np.sort(np.concatenate(found))


def not_among(ids: Sequence[str], held: Ids) -> list[str]:
    """Those of some ids that are not among those of a version."""
    wanted = np.array(ids, "S36")
    return [each for each, there in zip(ids, np.isin(wanted, held), strict=True) if not there]
