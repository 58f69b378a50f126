"""Tokenized rows on the disk: arrays that are mapped, so that memory does not grow with the rows."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, overload

import numpy as np

from services.trainer.engine.data import CUT, DROPPED, KEPT, Encoded, Item, Sample
from services.trainer.engine.files import sha256_file

FORMAT = 1
MANIFEST = "manifest.json"
REPORT = "rows.jsonl"
"""A line for each row: its line in the file, id, outcome, tokens, how many of them were kept, samples."""
_ARRAYS = {
    "tokens": "<i4",  # of all sequences, one after another
    "sequence_ends": "<i8",  # of each sequence, in tokens
    "spans": "<i4",  # start and end of what is learned, within the sequence
    "span_ends": "<i8",  # of each sequence, in spans
    "lines": "<i8",  # of each item, as all that follows
    "goods": "<i1",
    "lengths": "<i4",  # Item.length
    "learned": "<i4",  # Item.learned_tokens
}


@dataclass
class RowCounts:
    """What became of the rows of a file."""

    rows: int = 0
    kept: int = 0
    cut: int = 0
    dropped: int = 0
    samples: int = 0
    """Sequences that are learned from, or pairs of them."""

    def add(self, other: RowCounts) -> None:
        """Take other rows too."""
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass
class Block:
    """Some encoded rows as bytes, in the layout of the files."""

    counts: RowCounts = field(default_factory=RowCounts)
    width: int = 0
    """Sequences of an item; 0 where there is none."""
    arrays: dict[str, bytes] = field(default_factory=dict)
    """Of `sequence_ends` and `span_ends` lengths, not yet ends."""
    report: bytes = b""


def block_of(rows: Iterable[tuple[int, Encoded]]) -> Block:
    """Lay out rows, given with their lines."""
    block = Block()
    lists: dict[str, list[int]] = {name: [] for name in _ARRAYS}
    tokens: array[int] = array("i")
    outcomes: Counter[str] = Counter()
    told = []
    for line, row in rows:
        outcomes[row.outcome] += 1
        told.append(_told(line, row))
        for item in row.items:
            block.width = len(item.sequences)
            lists["lines"].append(line)
            lists["goods"].append(item.good)
            lists["lengths"].append(item.length)
            lists["learned"].append(item.learned_tokens)
            for sample in item.sequences:
                tokens.extend(sample.ids)
                lists["sequence_ends"].append(len(sample.ids))
                lists["span_ends"].append(len(sample.spans))
                lists["spans"] += [place for span in sample.spans for place in span]
    block.counts = RowCounts(len(told), outcomes[KEPT], outcomes[CUT], outcomes[DROPPED], len(lists["lines"]))
    block.arrays = {name: np.asarray(lists[name], _ARRAYS[name]).tobytes() for name in _ARRAYS}
    block.arrays["tokens"] = np.asarray(tokens, "<i4").tobytes()
    block.report = "".join(told).encode()
    return block


def _told(line: int, row: Encoded) -> str:
    told = {
        "line": line,
        "id": row.row_id,
        "outcome": row.outcome,
        "tokens": row.tokens,
        "kept_tokens": row.kept_tokens,
        "samples": len(row.items),
    }
    return json.dumps(told, ensure_ascii=False) + "\n"


class _Sink:
    """A file that is written, and its hash."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._file: BinaryIO = path.open("wb")
        self._digest = hashlib.sha256()
        self._size = 0

    def write(self, content: bytes) -> None:
        """Append bytes."""
        self._file.write(content)
        self._digest.update(content)
        self._size += len(content)

    def close(self) -> dict[str, Any]:
        """What the manifest says of the file."""
        self._file.close()
        return {"size": self._size, "sha256": self._digest.hexdigest()}


class TokenSetWriter:
    """Fills an empty folder with blocks, in the order of the rows; its files are closed with the block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sinks = {name: _Sink(folder / f"{name}.bin") for name in _ARRAYS}
        self._report = _Sink(folder / REPORT)
        self._ends = {"sequence_ends": 0, "span_ends": 0}
        self._width = 1
        self.counts = RowCounts()

    def __enter__(self) -> TokenSetWriter:
        return self

    def __exit__(self, *_: object) -> None:
        for each in (*self._sinks.values(), self._report):
            each.close()

    def add(self, block: Block) -> None:
        """Append a block."""
        self.counts.add(block.counts)
        self._width = block.width or self._width
        self._report.write(block.report)
        for name, content in block.arrays.items():
            self._sinks[name].write(self._as_ends(name, content) if name in self._ends else content)

    def _as_ends(self, name: str, content: bytes) -> bytes:
        ends = np.frombuffer(content, _ARRAYS[name]).cumsum() + self._ends[name]
        if len(ends):
            self._ends[name] = int(ends[-1])
        return ends.astype(_ARRAYS[name]).tobytes()

    def finish(self, facts: dict[str, Any]) -> None:
        """Write the manifest, without which the folder is no token set."""
        files = {each.name: each.close() for each in (*self._sinks.values(), self._report)}
        manifest = {
            **facts,
            "format": FORMAT,
            "width": self._width,
            "counts": asdict(self.counts),
            "files": files,
        }
        (self._folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


class TokenSet(Sequence[Item]):
    """Items of a folder that a TokenSetWriter filled; an item is read when it is asked for."""

    def __init__(self, folder: Path) -> None:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        self.folder = folder
        self.counts = RowCounts(**manifest["counts"])
        self.rows_sha256: str = manifest["rows_sha256"]
        self._width: int = manifest["width"]
        self._arrays = {name: _mapped(folder / f"{name}.bin", kind) for name, kind in _ARRAYS.items()}

    @property
    def lengths(self) -> Any:
        """Item.length of each, int32 [items]."""
        return self._arrays["lengths"]

    @property
    def learned(self) -> Any:
        """Item.learned_tokens of each, int32 [items]."""
        return self._arrays["learned"]

    def __len__(self) -> int:
        return len(self._arrays["lines"])

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> list[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | list[Item]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(index)
        line = int(self._arrays["lines"][place])
        first = place * self._width
        sequences = tuple(self._sequence(first + each, line) for each in range(self._width))
        return Item(sequences, bool(self._arrays["goods"][place]))

    def _sequence(self, number: int, line: int) -> Sample:
        spans = self._part("spans", "span_ends", number, 2)
        ids = array("i", self._part("tokens", "sequence_ends", number, 1).astype("=i4").tobytes())
        return Sample(ids, tuple(zip(spans[::2].tolist(), spans[1::2].tolist(), strict=True)), line)

    def _part(self, name: str, ends: str, number: int, size: int) -> Any:
        start = int(self._arrays[ends][number - 1]) if number else 0
        return self._arrays[name][size * start : size * int(self._arrays[ends][number])]


def is_sound(folder: Path, key: str) -> bool:
    """Whether a folder holds a whole token set of this key, with the bytes that were written."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        files = manifest["files"]
        return (
            (manifest["format"], manifest["key"]) == (FORMAT, key)
            and set(files) == {REPORT, *(f"{name}.bin" for name in _ARRAYS)}
            and all((folder / name).stat().st_size == known["size"] for name, known in files.items())
            and all(sha256_file(folder / name) == known["sha256"] for name, known in files.items())
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _mapped(path: Path, kind: str) -> Any:
    # An empty file cannot be mapped.
    return np.memmap(path, kind, "r") if path.stat().st_size else np.zeros(0, kind)


def lengths_of(items: Sequence[Item]) -> Any:
    """Item.length of each; of a token set they are read from its file."""
    return items.lengths if isinstance(items, TokenSet) else np.array([each.length for each in items], "i4")


def learned_of(items: Sequence[Item]) -> Any:
    """Item.learned_tokens of each, likewise."""
    if isinstance(items, TokenSet):
        return items.learned
    return np.array([each.learned_tokens for each in items], "i4")
