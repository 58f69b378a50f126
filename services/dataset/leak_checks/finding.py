"""Finds leaks in rows of examples, and writes them to a Parquet file; pure work for a thread."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from services.dataset.benchmarks.files import guard_of
from services.dataset.benchmarks.guards import Loaded
from services.dataset.benchmarks.items import Item
from services.dataset.benchmarks.leaks import MEANING, NEAR_COPY, SHARED_WORDS, Leak, LeakGuard
from services.dataset.examples.content_texts import asked_text
from services.dataset.leak_checks.leak_checks import FoundLeak, LeakCounts, LeakSource

SCHEMA = pa.schema(
    {
        "example_id": pa.string(),
        "split": pa.string(),
        "benchmark_id": pa.string(),
        "file": pa.string(),
        "row": pa.int64(),
        "exam_example_id": pa.string(),
        "question": pa.string(),
        "ways": pa.list_(pa.string()),
        "similarity": pa.float64(),
        "shared_words": pa.string(),
        "meaning_similarity": pa.float64(),
    }
)
GROUP = 1000
"""Most rows of a row group."""
AT_ONCE = 5000
"""Rows that are looked at together."""
EXAM = "exam"
"""Name of exam examples among what examples are compared with."""
SHOWN = 500
"""Characters of a question that are told."""


class Looked(NamedTuple):
    """An example that is looked at: its content is JSON."""

    id: str
    kind: str
    content: str | bytes
    split: str = ""


class Guarded(NamedTuple):
    """What examples are compared with.

    Args:
        source: what it is.
        items: its questions.
        guard: what finds them.
        ids: of exam examples, those of the questions; otherwise empty.
    """

    source: LeakSource
    items: Sequence[Item]
    guard: LeakGuard
    ids: Sequence[str] = ()

    def told(self, looked: Looked, leak: Leak) -> FoundLeak:
        """A leak with all that is told of it."""
        item = self.items[leak.item]
        return FoundLeak(
            example_id=looked.id,
            split=looked.split,
            benchmark_id=self.source.benchmark_id,
            file=item.file,
            row=item.row,
            exam_example_id=self.ids[leak.item] if self.ids else "",
            question=item.question[:SHOWN],
            ways=leak.ways,
            similarity=round(leak.similarity, 6),
            shared_words=leak.shared,
            meaning_similarity=round(leak.cosine, 6),
        )


def guarded_by(loaded: Loaded) -> Guarded:
    """A benchmark as what examples are compared with."""
    benchmark, items, guard = loaded
    return Guarded(LeakSource(benchmark.id, benchmark.name, benchmark.sha256, len(items)), items, guard)


def exam_question(kind: str, content: Mapping[str, Any]) -> Item:
    """The question of an exam example; what it answers may be taught."""
    task = content.get("exam_item", {})
    return Item("", 0, task.get("text") or asked_text(kind, content), tuple(task.get("choices", ())))


def trained_text(content: Mapping[str, Any]) -> str:
    """All that a model is trained on: turns, thoughts, and the answers of a preference."""
    preference = content.get("preference") or {}
    turns = [
        *content.get("messages", ()),
        *(preference[name] for name in ("chosen", "rejected") if preference.get(name)),
    ]
    return "\n".join(
        text for turn in turns for text in (turn.get("reasoning", ""), turn.get("content", "")) if text
    )


def exam_guard(looked: Sequence[Looked], threshold: float, words: int) -> Guarded:
    """What finds the questions of exam examples."""
    items = [exam_question(one.kind, orjson.loads(one.content)) for one in looked]
    ids = [one.id for one in looked]
    digest = hashlib.sha256("\n".join("\n".join([item.question, *item.choices]) for item in items).encode())
    source = LeakSource("", EXAM, digest.hexdigest(), len(items))
    return Guarded(source, items, guard_of(items, threshold, words, answers=False), ids)


class LeakSearch:
    """Looks at examples batch by batch.

    Args:
        guarded: what they are compared with.
        folder: where the leaks are written.
    """

    def __init__(self, guarded: Sequence[Guarded], folder: Path) -> None:
        self._guarded = guarded
        self._folder = folder
        self._leaks = [0] * len(guarded)
        self._ways = {SHARED_WORDS: 0, NEAR_COPY: 0, MEANING: 0}
        self._examples = self._leaking = 0

    @property
    def counts(self) -> LeakCounts:
        """What was found so far."""
        ways = self._ways
        return LeakCounts(self._examples, self._leaking, ways[SHARED_WORDS], ways[NEAR_COPY], ways[MEANING])

    @property
    def sources(self) -> list[LeakSource]:
        """What examples were compared with, with what leaked from it."""
        return [
            replace(one.source, leaks=count) for one, count in zip(self._guarded, self._leaks, strict=True)
        ]

    def run(self, rows: Iterable[Looked], tell: Callable[[int], None]) -> Path:
        """Look at all; the path of the file with the leaks, source by source.

        Args:
            rows: the examples, which are read once.
            tell: is told how many were looked at after each batch.
        """
        parts = [self._folder / f"leaks-{number}.parquet" for number in range(len(self._guarded))]
        with ExitStack() as stack:
            writers = [stack.enter_context(pq.ParquetWriter(path, SCHEMA)) for path in parts]
            left = iter(rows)
            while batch := list(islice(left, AT_ONCE)):
                self._look(batch, writers)
                tell(self._examples)
        return gathered(parts, self._folder / "leaks.parquet")

    def _look(self, batch: Sequence[Looked], writers: Sequence[pq.ParquetWriter]) -> None:
        contents = [orjson.loads(one.content) for one in batch]
        asked = [asked_text(one.kind, content) for one, content in zip(batch, contents, strict=True)]
        said = [trained_text(content) for content in contents]
        leaking: set[int] = set()
        for at, (one, writer) in enumerate(zip(self._guarded, writers, strict=True)):
            found = one.guard.find(asked, said)
            leaking.update(leak.row for leak in found)
            self._leaks[at] += len(found)
            for leak in found:
                for way in leak.ways:
                    self._ways[way] += 1
            told = [vars(one.told(batch[leak.row], leak)) for leak in found]
            if told:
                writer.write_table(pa.Table.from_pylist(told, SCHEMA))
        self._examples += len(batch)
        self._leaking += len(leaking)


def gathered(parts: Sequence[Path], path: Path) -> Path:
    """Several files as one, in row groups of at most `GROUP` rows."""
    with pq.ParquetWriter(path, SCHEMA, version="2.6", compression="zstd") as writer:
        for part in parts:
            for batch in batches_of(part):
                writer.write_batch(batch)
    return path


def batches_of(path: Path) -> Iterator[pa.RecordBatch]:
    """The rows of a file, some at a time."""
    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(GROUP)
