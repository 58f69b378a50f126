"""One file of an export, from the shards of a version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from services.dataset.exports.dressing import Dressed, Dressing
from services.dataset.exports.filtering import Mask
from services.dataset.exports.options import ExportOptions
from services.dataset.exports.plan import FilePlan
from services.dataset.exports.shapes import SHAPES
from services.dataset.exports.shapes.shape import KIND_NOT_CARRIED, MARK_IN_TEXT, Row
from services.dataset.exports.shards import Stored, read_rows
from services.dataset.exports.sinks import JsonLines, open_bytes, open_sink
from services.dataset.exports.survey import Survey

SEEN_BYTES = 4_000_000
"""Rows of so many bytes are surely seen by a reader that guesses types from ten megabytes."""

Advance = Callable[[int], None]
"""Is told how many examples were looked at since it was last called; may raise to stop."""


@dataclass(frozen=True)
class Written:
    """What became of a file.

    Args:
        rows: how many it has.
        examples: how many examples are in it, by kind.
        left_out: how many examples have no place in it, by reason and kind.
    """

    rows: int
    examples: Mapping[str, int]
    left_out: Mapping[str, Mapping[str, int]]


class LeftOut:
    """Examples that have no place in a file: counted, and named in a file of JSON Lines, if there is one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: JsonLines | None = None
        self._batch: list[Row] = []
        self.counts: Counter[tuple[str, str]] = Counter()

    def add(self, example_id: str, kind: str, reason: str) -> None:
        """One more."""
        self.counts[reason, kind] += 1
        self._batch.append({"id": example_id, "kind": kind, "reason": reason})

    def flush(self) -> None:
        """Write what came together."""
        if self._batch:
            self._lines = self._lines or JsonLines(open_bytes(self._path, ""))
            self._lines.write(self._batch)
            self._batch.clear()

    def close(self) -> None:
        """End the file."""
        self.flush()
        if self._lines:
            self._lines.close()

    def by_reason(self) -> dict[str, dict[str, int]]:
        """How many, by reason and kind."""
        found: dict[str, dict[str, int]] = {}
        for (reason, kind), count in sorted(self.counts.items()):
            found.setdefault(reason, {})[kind] = count
        return found


class FileWriter:
    """Writes one file.

    Args:
        plan: which.
        options: those of the export.
        survey: what the shards hold.
    """

    def __init__(self, plan: FilePlan, options: ExportOptions, survey: Survey) -> None:
        self._plan = plan
        self._options = options
        self._shape = SHAPES[plan.shape](options, survey.wanted(plan.split, options))
        self._dressing = Dressing(options, self._shape.way, self._shape.field)
        self._mask = survey.masks.get(plan.split)
        self._marks = self._shape.marks
        self._examples: Counter[str] = Counter()

    def write(self, path: Path, left_out_path: Path, advance: Advance = lambda count: None) -> Written:
        """Write it; who is left out is named in a file of its own, if anyone is."""
        rows = 0
        options = self._options
        sink = open_sink(path, self._plan.file_type, options.compression, self._shape.schema())
        with closing(sink), closing(LeftOut(left_out_path)) as left_out:
            for batch, looked_at in self._batches(left_out):
                sink.write(batch)
                left_out.flush()
                rows += len(batch)
                advance(looked_at)
        return Written(rows, dict(sorted(self._examples.items())), left_out.by_reason())

    def _batches(self, left_out: LeftOut) -> Iterator[tuple[list[Row], int]]:
        """Rows, and of how many examples they were made."""
        leader = self._leader() if self._plan.is_guessed and self._shape.needs_leader else None
        if leader:
            yield self._rows([leader], left_out), 0
        for batch, size in self._stored():
            rest = [row for row in batch if row[0] != leader[0]] if leader else batch
            yield self._rows(rest, left_out), size

    def _stored(self) -> Iterator[tuple[list[Stored], int]]:
        """What is stored of the examples that no filter or limit holds back, and how many were looked at."""
        start = self._plan.start
        for shard in self._plan.shards:
            for batch in read_rows(shard, self._shape.needs):
                yield batch if self._mask is None else masked(batch, self._mask, start), len(batch)
                start += len(batch)

    def _leader(self) -> Stored | None:
        """The first example whose row shows the types of all columns, unless it is seen early as it is."""
        passed = 0
        for batch, _ in self._stored():
            for stored in batch:
                if stored[1] in self._shape.present:
                    rows = self._made(stored)
                    if not isinstance(rows, str) and any(map(self._shape.leads, rows)):
                        return stored if passed > SEEN_BYTES else None
                    passed += len(stored[2])
        return None

    def _made(self, stored: Stored) -> list[Row] | str:
        """The rows of an example, or the reason why there is none."""
        example_id, kind, content, columns = stored
        dressed = self._dressing.dress(example_id, kind, orjson.loads(content), columns)
        if self._marks and any(holds(dressed, self._marks)):
            return MARK_IN_TEXT
        return self._shape.rows(dressed)

    def _rows(self, examples: Sequence[Stored], left_out: LeftOut) -> list[Row]:
        found: list[Row] = []
        carried, told, made, count = self._shape.present, self._plan.tells, self._made, self._examples
        for stored in examples:
            kind = stored[1]
            if kind not in carried:
                if kind in told:
                    left_out.add(stored[0], kind, KIND_NOT_CARRIED)
                continue
            rows = made(stored)
            if isinstance(rows, str):
                left_out.add(stored[0], kind, rows)
            else:
                found += rows
                count[kind] += 1
        return found


def masked(batch: Sequence[Any], mask: Mask, start: int) -> list[Any]:
    """Those of a batch that stay."""
    return [batch[at] for at in np.flatnonzero(mask[start : start + len(batch)]).tolist()]


def holds(example: Dressed, marks: Sequence[str]) -> Iterator[bool]:
    """Whether texts of an example hold marks."""
    for message in (*example.messages, example.chosen, example.rejected):
        if message is not None:
            yield any(mark in message["content"] for mark in marks)
