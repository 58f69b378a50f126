"""Studies the shards of a version, row by row in one pass; pure work for a thread.

In memory stay counts, the ids of chunks, and of each example the sketch of what it asks (about 1 kB).
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from services.dataset.copies.grouping import group_near_copies
from services.dataset.copies.sketches import Sketches, sketch
from services.dataset.examples.content_texts import asked_text, said_text
from services.dataset.imports.profile import Histogram, as_json
from services.dataset.statistics.statistics import Copies, Facet, Sample, StatisticsOptions, Turn, Value
from services.dataset.versions.versions import SPLITS

if TYPE_CHECKING:
    from tokenizers import Tokenizer

COLUMNS = (
    "id",
    "kind",
    "content",
    "lineage",
    "score",
    "labels",
    "tag_ids",
    "document_id",
    "question_type",
    "language",
    "source",
)
FACETS = ("kind", "language", "question_type", "tag", "label", "score", "source")
READ = 500
"""Rows that are read at once."""
VALUES = 200
"""Most values of a facet that are listed."""
CUT = 2000
"""Characters of a turn of a sample."""
TURNS = 8
"""Turns of a sample."""

Path_ = tuple[str, ...]


@dataclass
class About:
    """What examples say that they are about a document."""

    counts: Counter[str]
    chunk_ids: set[str]
    paths: set[Path_]
    """Titles from the top to the section."""


class Study:
    """What is found in shards.

    Args:
        options: how statistics are computed.
        tokenizer: counts tokens, if there is one.
        tell: is told now and then how many rows were read.
    """

    def __init__(
        self,
        options: StatisticsOptions,
        tokenizer: Tokenizer | None = None,
        tell: Callable[[int], None] = lambda count: None,
    ) -> None:
        self._options = options
        self._tokenizer = tokenizer
        self._tell = tell
        self.split_counts: Counter[str] = Counter()
        self.documents: dict[str, About] = defaultdict(lambda: About(Counter(), set(), set()))
        self._lengths: dict[str, Histogram] = defaultdict(Histogram)
        self._values: dict[str, Counter[tuple[str, str]]] = {facet: Counter() for facet in FACETS}
        self._without: Counter[str] = Counter()
        self._scores = (0, 0.0)
        self._splits = bytearray()
        self._drawn: dict[str, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
        self._sketches: Sketches | None = None

    def read(self, shards: Iterable[tuple[str, Path]]) -> None:
        """Read all shards, each given with its split."""
        self._sketches = sketch(self._asked(shards))

    def lengths(self) -> dict[str, dict[str, Any]]:
        """How long things are, by what they are."""
        return {name: as_json(found.lengths()) for name, found in sorted(self._lengths.items())}

    def mean_score(self) -> float | None:
        """The mean of the scores; nothing where there are none."""
        count, total = self._scores
        return total / count if count else None

    def facets(self, titles: Mapping[str, str]) -> list[Facet]:
        """Counts by facet, tags with their titles."""
        return [self._facet(name, titles if name == "tag" else {}) for name in FACETS]

    def tag_ids(self) -> set[str]:
        """Tags that examples bear."""
        return {value for value, _ in self._values["tag"]}

    def copies(self) -> Copies:
        """Examples that ask alike."""
        assert self._sketches is not None  # noqa: S101  # read first
        groups = group_near_copies(self._sketches, self._options.near_copy_threshold)
        sides = np.frombuffer(self._splits, np.uint8)
        return copies_of(groups, self._sketches.keys, sides, self._options.near_copy_threshold)

    def samples(self) -> list[Sample]:
        """The examples that were drawn, split by split."""
        total = self.split_counts.total()
        return [
            sample_of(split, row)
            for split in SPLITS
            if split in self._drawn
            for _, row in sorted(self._drawn[split], key=lambda each: -each[0])[
                : share_of(self._options.samples, self.split_counts[split], total)
            ]
        ]

    def _asked(self, shards: Iterable[tuple[str, Path]]) -> Iterator[str]:
        for split, path in shards:
            with pq.ParquetFile(path, pre_buffer=False) as file:
                for batch in file.iter_batches(READ, columns=list(COLUMNS), use_threads=False):
                    yield from self._add(split, batch)
                    self._tell(len(self._splits))

    def _add(self, split: str, batch: pa.RecordBatch) -> Iterator[str]:
        self.split_counts[split] += batch.num_rows
        self._splits.extend(bytes([SPLITS.index(split)]) * batch.num_rows)
        said: list[str] = []
        for row in batch.to_pylist():
            content, lineage = orjson.loads(row["content"]), orjson.loads(row["lineage"])
            self._count(split, row)
            self._note_document(split, row["document_id"], lineage)
            self._measure(row["kind"], content)
            self._draw(split, row)
            if self._tokenizer is not None:
                said.append(said_text(content))
            yield asked_text(row["kind"], content)
        self._count_tokens(said)

    def _count(self, split: str, row: Mapping[str, Any]) -> None:
        score = row["score"]
        if score is not None:
            self._scores = self._scores[0] + 1, self._scores[1] + score
        values = {
            **{name: [row[name]] for name in ("kind", "language", "question_type", "source") if row[name]},
            "tag": row["tag_ids"] or [],
            "label": row["labels"] or [],
            "score": [] if score is None else [str(int(score))],
        }
        for facet in FACETS:
            mine = values.get(facet)
            if not mine:
                self._without[facet] += 1
            for value in mine or ():
                self._values[facet][value, split] += 1

    def _note_document(self, split: str, document_id: str | None, lineage: Mapping[str, Any]) -> None:
        if not document_id:
            return
        about = self.documents[document_id]
        about.counts[split] += 1
        about.chunk_ids.update(lineage.get("chunk_ids", ()))
        if path := lineage.get("heading_path"):
            about.paths.add(tuple(path))

    def _measure(self, kind: str, content: Mapping[str, Any]) -> None:
        sizes: Counter[str] = Counter()
        for role, text, thought in turns_in(content):
            sizes["example"] += len(text) + len(thought)
            if kind != "pretraining":
                sizes["question" if role == "user" else "answer"] += len(text) if role != "system" else 0
            sizes["reasoning"] += len(thought)
        for name, size in sizes.items():
            if size or name == "example":
                self._lengths[name].add(size)

    def _draw(self, split: str, row: dict[str, Any]) -> None:
        """Keep the rows of lowest seeded numbers."""
        digest = hashlib.sha256(f"{self._options.seed}:{row['id']}".encode()).digest()
        entry, drawn = (-int.from_bytes(digest[:8], "big"), row), self._drawn[split]
        if len(drawn) < self._options.samples:
            heapq.heappush(drawn, entry)
        elif drawn and entry[0] > drawn[0][0]:
            heapq.heapreplace(drawn, entry)

    def _count_tokens(self, texts: Sequence[str]) -> None:
        if self._tokenizer is not None:
            for encoding in self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False):
                self._lengths["tokens"].add(len(encoding.ids))

    def _facet(self, name: str, titles: Mapping[str, str]) -> Facet:
        totals: Counter[str] = Counter()
        for (value, _), count in self._values[name].items():
            totals[value] += count
        listed = sorted(totals, key=lambda value: (-totals[value], value))[:VALUES]
        if name == "score":
            listed.sort(key=int)
        values = [Value(value, self._counts(name, value), titles.get(value, "")) for value in listed]
        return Facet(name, values, len(totals) - len(listed), self._without[name])

    def _counts(self, facet: str, value: str) -> dict[str, int]:
        counts = {split: self._values[facet][value, split] for split in SPLITS}
        return {split: count for split, count in counts.items() if count}


def turns_in(content: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Role, text and thoughts of each turn, the answers of a preference last."""
    preference = content.get("preference") or {}
    for turn in content.get("messages", ()):
        yield turn["role"], turn["content"], turn.get("reasoning", "")
    for name in ("chosen", "rejected"):
        if turn := preference.get(name):
            yield name, turn["content"], turn.get("reasoning", "")


def copies_of(
    groups: npt.NDArray[np.intp],
    keys: npt.NDArray[np.uint64],
    sides: npt.NDArray[np.uint8],
    threshold: float,
) -> Copies:
    """Counts of near copies.

    Args:
        groups: the group of each example.
        keys: equal for equal wordings.
        sides: a number for the split of each.
        threshold: similarity from which two are near copies.
    """
    _, which, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    several = sizes > 1
    least, most = np.full(len(sizes), 255, np.uint8), np.zeros(len(sizes), np.uint8)
    np.minimum.at(least, which, sides)
    np.maximum.at(most, which, sides)
    return Copies(
        threshold=threshold,
        duplicates=len(keys) - len(np.unique(keys)),
        near_copies=int(sizes[several].sum()),
        groups=int(several.sum()),
        largest_group=int(sizes.max(initial=0)) if several.any() else 0,
        crossing_groups=int((several & (least != most)).sum()),
    )


def share_of(samples: int, count: int, total: int) -> int:
    """Samples of a split: its share of all, one at least."""
    return min(samples, max(1, round(samples * count / total))) if count else 0


def sample_of(split: str, row: Mapping[str, Any]) -> Sample:
    """A row that was drawn."""
    content = orjson.loads(row["content"])
    quotes = content.get("quotes") or [{"text": ""}]
    turns = [Turn(role, cut(text)) for role, text, _ in turns_in(content)]
    return Sample(
        row["id"],
        split,
        row["kind"],
        turns[:TURNS],
        cut(quotes[0]["text"]),
        row["document_id"] or "",
        row["score"],
    )


def cut(text: str) -> str:
    """A text, cut off where it is long."""
    return text if len(text) <= CUT else f"{text[: CUT - 1]}…"
