"""Reads rows as Postgres copies them out, and keeps what a plan and the shards need of them.

Rows go into files of a folder by their seeded place; in memory stay only columns of numbers, and sketches.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from services.dataset.copies.by_numpy import mixed
from services.dataset.copies.sketches import Sketcher, Sketches
from services.dataset.copies.texts import normalise
from services.dataset.examples.examples import KINDS
from services.dataset.versions.balancing import length_buckets, length_names
from services.dataset.versions.entries import Coder, Entries, Pairs, listed, pairs_of
from services.dataset.versions.native import blocks
from services.dataset.versions.options import DatasetOptions
from services.dataset.versions.shards import DEALT, Dealer
from services.dataset.versions.split_columns import Longs

COLUMNS = {
    "id": "u",
    "kind": "t",
    "content": "t",
    "lineage": "t",
    "labels": "t",
    "tag_ids": "t",
    "document_id": "u",
    "question_type": "t",
    "language": "t",
    "generation_id": "u",
    "section": "t",
    "score": "d",
    "characters": "i",
    "review_state": "t",
}
"""Columns of the statement `kept_rows`, and what they are (`blocks.pyi`)."""
HEADER = 19
"""Bytes before all rows: the format's name, no flags, no extension."""
CODED = ("document", "section", "question_type", "source", "tag", "label", "chunk")
DIGEST = 16
"""Bytes of the SHA-256 by which contents are told apart."""


@dataclass(frozen=True)
class Parsed:
    """Rows of COPY BINARY, as a thread can make them of a block while others are taken.

    Args:
        table: the columns of `COLUMNS`.
        found: what contents and lineages say.
        digests: of the contents, `DIGEST` bytes each.
    """

    table: Mapping[str, pa.Array]
    found: Studied
    digests: bytes


@dataclass(frozen=True)
class Studied:
    """What is found in the contents and lineages of a block, a value a row.

    Args:
        asks: what is asked, normalised.
        facts: numbers of facts.
        imports: ids of imports, empty for none.
        chunks: ids of chunks as JSON, empty for none.
    """

    asks: list[str]
    facts: Longs
    imports: pa.Array
    chunks: pa.Array


class RowReader:
    """Takes rows block by block.

    Args:
        folder: where rows are kept until they are written.
        options: those of the version.
        count: about how many rows there will be.
    """

    def __init__(self, folder: Path, options: DatasetOptions, count: int) -> None:
        self._options = options
        self._mask = np.uint64(int.from_bytes(hashlib.sha256(f"{options.seed}".encode()).digest()[:8], "big"))
        self._sketcher = Sketcher(expected=count)
        self.dealer = Dealer(folder, count)
        self._coders = {name: Coder() for name in CODED}
        self._parts: dict[str, list[Longs]] = {}
        self._pairs: dict[str, list[Pairs]] = {"tag": [], "label": [], "chunk": []}
        self.rows = 0

    def add(self, rows: Parsed) -> None:
        """Take the next rows."""
        table, found = rows.table, rows.found
        self._sketcher.add(found.asks)
        places = mixed(numbers_of(rows.digests) ^ self._mask)
        source = sources_of(found.imports, table["generation_id"])
        self._note(table, found, source)
        self._part("places", places)
        self.dealer.add(self._dealt(table, rows.digests, places, source))
        self.rows += len(places)

    def finish(self) -> tuple[Entries, Sketches]:
        """All that was noted, and sketches of what is asked."""
        self.dealer.close()
        sketches = self._sketcher.finish()
        parts: dict[str, Any] = {
            name: np.concatenate(arrays) for name, arrays in self._parts.items()
        } or empty_parts()
        values = {name: parts[name] for name in ("document", "section", "question_type", "source")}
        values |= {"kind": parts["kinds"].astype(np.int64), "length": length_buckets(parts["characters"])}
        names = {name: list(coder.numbers) for name, coder in self._coders.items()}
        entries = Entries(
            places=parts["places"],
            kinds=parts["kinds"].astype(np.int8),
            wordings=parts["wordings"],
            facts=parts["facts"],
            characters=parts["characters"],
            values=values,
            pairs={name: joined(pairs) for name, pairs in self._pairs.items()},
            names={**names, "kind": KINDS, "length": length_names()},
        )
        return entries, sketches

    def _note(self, table: Mapping[str, pa.Array], found: Studied, source: pa.Array) -> None:
        coders = self._coders
        for name in ("document", "section", "question_type"):
            self._part(name, coders[name].codes(table["document_id" if name == "document" else name]))
        self._part("source", coders["source"].codes(source))
        kinds = table["kind"].dictionary_encode()
        codes = np.array([KINDS.index(one) for one in kinds.dictionary.to_pylist()], np.int64)
        self._part("kinds", codes[kinds.indices.to_numpy()])
        self._part("characters", table["characters"].to_numpy())
        # Numbers of wordings are compared with others of this process only.
        self._part("wordings", np.fromiter(map(hash, found.asks), np.int64, len(found.asks)))
        self._part("facts", found.facts)
        pairs = {"label": table["labels"], "tag": table["tag_ids"]}
        if self._options.group_by == "chunk":
            pairs["chunk"] = found.chunks
        for name, column in pairs.items():
            self._pairs[name].append(pairs_of(*listed(column), coders[name], self.rows))

    def _part(self, name: str, column: Any) -> None:
        self._parts.setdefault(name, []).append(column)

    def _dealt(
        self, table: Mapping[str, pa.Array], digests: bytes, places: npt.NDArray[np.uint64], source: pa.Array
    ) -> pa.Table:
        """The rows as they are dealt to shards."""
        content = table["content"]
        if self._options.system_prompt:
            content = all_prompted(table["kind"], content, self._options.system_prompt)
            digests = digests_of(table["kind"], content)
        columns: dict[str, Any] = {name: table[name] for name in DEALT.names if name in table}
        for name in ("labels", "tag_ids"):
            lists, which = listed(table[name])
            columns[name] = lists.take(which)
        columns |= {
            "content": content,
            "source": source,
            "digest": texts_of_size(digests.hex().encode(), 2 * DIGEST),
            "place": pa.array(places),
            "row": pa.array(np.arange(self.rows, self.rows + len(places)), pa.int64()),
        }
        return pa.table([columns[name] for name in DEALT.names], schema=DEALT)


def parsed(block: bytes) -> Parsed:
    """Whole rows of COPY BINARY, without what stands before them all.

    Raises:
        ValueError: these are no such rows.
    """
    table = columns_of(block)
    found = studied(table["content"], table["lineage"])
    return Parsed(table, found, digests_of(table["kind"], table["content"]))


def columns_of(block: bytes) -> dict[str, pa.Array]:
    """Rows of COPY BINARY as columns."""
    count, columns = blocks.split(block, "".join(COLUMNS.values()))
    found = {}
    for (name, kind), (nulls, valid, ends, data) in zip(COLUMNS.items(), columns, strict=True):
        validity = pa.py_buffer(valid) if nulls else None
        if kind in "tu":
            parts, form = [validity, pa.py_buffer(ends), pa.py_buffer(data)], pa.string()
        else:
            parts, form = [validity, pa.py_buffer(data)], pa.float64() if kind == "d" else pa.int64()
        found[name] = pa.Array.from_buffers(form, count, parts, nulls)
    return found


def studied(content: pa.Array, lineage: pa.Array) -> Studied:
    """What contents and lineages say."""
    found = blocks.study(*content.buffers()[1:], *lineage.buffers()[1:])
    asked_ends, asked, plain, facts, import_ends, imports, chunk_ends, chunks = found
    asks = strings(asked_ends, asked).to_pylist()
    for row in np.flatnonzero(np.frombuffer(plain, np.uint8) == 0).tolist():
        asks[row] = normalise(asks[row])
    return Studied(
        asks, np.frombuffer(facts, np.int64), strings(import_ends, imports), strings(chunk_ends, chunks)
    )


def strings(ends: bytes, data: bytes) -> pa.Array:
    """Texts that lie one after the other."""
    return pa.Array.from_buffers(
        pa.string(), len(ends) // 4 - 1, [None, pa.py_buffer(ends), pa.py_buffer(data)]
    )


def texts_of_size(data: bytes, size: int) -> pa.Array:
    """Texts of one size that lie one after the other."""
    return strings(np.arange(0, len(data) + 1, size, dtype=np.int32).tobytes(), data)


def numbers_of(digests: bytes) -> npt.NDArray[np.uint64]:
    """The first 64 bits of digests."""
    return np.frombuffer(digests, ">u8")[:: DIGEST // 8].astype(np.uint64)


def digests_of(kinds: pa.Array, contents: pa.Array) -> bytes:
    """By what contents are told apart: `DIGEST` bytes each."""
    ends = np.frombuffer(contents.buffers()[1], np.int32)[: len(contents) + 1].tolist()
    text = memoryview(contents.buffers()[2] or b"")
    # A copy of what has begun takes less time than to begin.
    begun = {kind: hashlib.sha256(head_of(kind)).copy for kind in kinds.unique().to_pylist()}
    found = []
    for kind, start, end in zip(kinds.to_pylist(), ends, ends[1:], strict=False):
        digest = begun[kind]()
        digest.update(text[start:end])
        found.append(digest.digest())
    whole = np.frombuffer(b"".join(found), np.uint8).reshape(-1, 2 * DIGEST)
    return whole[:, :DIGEST].tobytes()


def digest_of(kind: str, content: bytes) -> bytes:
    """By what contents are told apart."""
    return hashlib.sha256(head_of(kind) + content).digest()[:DIGEST]


def head_of(kind: str) -> bytes:
    """What stands before a content in its digest."""
    return kind.encode() + b"\n"


def sources_of(imports: pa.Array, generations: pa.Array) -> pa.Array:
    """Where examples come from: a data file (its import), a generation, or the hand of a person."""
    by_import = pc.binary_join_element_wise("import:", imports, "")
    by_generation = pc.binary_join_element_wise("generation:", generations, "")
    return pc.if_else(pc.equal(imports, ""), pc.fill_null(by_generation, "hand"), by_import)


def all_prompted(kinds: pa.Array, contents: pa.Array, prompt: str) -> pa.Array:
    """Contents with a system message before them; a text to go on with has none."""
    found = [
        content if kind == "pretraining" else prompted(orjson.loads(content), prompt)
        for kind, content in zip(kinds.to_pylist(), contents.cast(pa.binary()).to_pylist(), strict=True)
    ]
    return strings(np.cumsum([0, *map(len, found)]).astype(np.int32).tobytes(), b"".join(found))


def prompted(values: dict[str, Any], prompt: str) -> bytes:
    """A content with a system message before it; one of its own follows in the same message."""
    first, *rest = values["messages"]
    if first["role"] == "system":
        messages = [{**first, "content": f"{prompt}\n\n{first['content']}"}, *rest]
    else:
        messages = [{"role": "system", "content": prompt}, first, *rest]
    return orjson.dumps({**values, "messages": messages})


def joined(pairs: list[Pairs]) -> Pairs:
    """Pairs of several blocks."""
    nothing = np.empty(0, np.int64)
    return Pairs(
        np.concatenate([nothing, *(each.rows for each in pairs)]),
        np.concatenate([nothing, *(each.codes for each in pairs)]),
    )


def empty_parts() -> dict[str, Any]:
    """The columns of no rows."""
    names = ("document", "section", "question_type", "source", "kinds", "characters", "wordings", "facts")
    return {**{name: np.empty(0, np.int64) for name in names}, "places": np.empty(0, np.uint64)}
