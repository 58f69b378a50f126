"""Reads rows as Postgres copies them out (CSV), and keeps what a plan and the shards need of them.

Rows go into files of a folder by their seeded place; in memory stay only columns of numbers.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc

from services.dataset.copies.texts import normalise
from services.dataset.versions.balancing import length_buckets, length_names
from services.dataset.versions.entries import KINDS, Coder, Entries, Pairs, listed, pairs_of
from services.dataset.versions.options import DatasetOptions
from services.dataset.versions.shards import DEALT, Dealer
from services.dataset.versions.split_columns import UNKNOWN, Longs

TEXTS = (
    "id",
    "kind",
    "content",
    "lineage",
    "labels",
    "tag_ids",
    "document_id",
    "question_type",
    "language",
    "generation_id",
    "section",
)
COPIED = {**dict.fromkeys(TEXTS, pa.string()), "score": pa.float64(), "characters": pa.int64()}
"""Columns of the statement `kept_rows`, in another order."""
NAMES = (*TEXTS, "score", "characters")
ASKED = pa.schema({"asks": pa.string()})
CODED = ("document", "section", "question_type", "source", "tag", "label", "chunk")
DIGEST = 16
"""Bytes of the SHA-256 by which contents are told apart."""


@dataclass
class Studied:
    """What is found in the contents of a block, a value a row."""

    contents: list[bytes]
    digests: list[str]
    places: list[bytes]
    wordings: list[bytes]
    facts: list[int]
    asks: list[str]
    sources: list[str]
    chunks: list[list[str]]


class RowReader:
    """Takes rows block by block.

    Args:
        folder: where rows are kept until they are written.
        options: those of the version.
        count: about how many rows there will be.
    """

    def __init__(self, folder: Path, options: DatasetOptions, count: int) -> None:
        self._options = options
        self._asked_path = folder / ".asked"
        self._asked = pa.ipc.new_stream(str(self._asked_path), ASKED)
        self.dealer = Dealer(folder, count)
        self._coders = {
            name: Coder()
            for name in ("document", "section", "question_type", "source", "tag", "label", "chunk")
        }
        self._parts: dict[str, list[Longs]] = {}
        self._pairs: dict[str, list[Pairs]] = {"tag": [], "label": [], "chunk": []}
        self.rows = 0

    def add(self, block: bytes) -> None:
        """Take whole lines of CSV."""
        table = parsed(block)
        kinds = table.column("kind").combine_chunks()
        found = self._study(kinds.to_pylist(), table)
        labels, label_of = listed(table.column("labels").combine_chunks())
        tags, tag_of = listed(table.column("tag_ids").combine_chunks())
        self._note(table, found)
        self._pairs["label"].append(pairs_of(labels, label_of, self._coders["label"], self.rows))
        self._pairs["tag"].append(pairs_of(tags, tag_of, self._coders["tag"], self.rows))
        places = np.frombuffer(b"".join(found.places), ">u8").astype(np.uint64)
        columns: dict[str, Any] = {
            name: table.column(name).combine_chunks() for name in DEALT.names if name in NAMES
        }
        columns |= {
            "content": pa.array(found.contents, pa.binary()).cast(pa.string()),
            "labels": labels.take(label_of),
            "tag_ids": tags.take(tag_of),
            "source": pa.array(found.sources),
            "digest": pa.array(found.digests),
            "place": pa.array(places),
            "row": pa.array(np.arange(self.rows, self.rows + len(places)), pa.int64()),
        }
        self.dealer.add(pa.table({name: columns[name] for name in DEALT.names}, schema=DEALT))
        self._asked.write_batch(pa.record_batch([pa.array(found.asks)], schema=ASKED))
        self._part("places", places)
        self.rows += len(places)

    def finish(self) -> Entries:
        """All that was noted."""
        self._asked.close()
        self.dealer.close()
        parts: dict[str, Any] = {
            name: np.concatenate(arrays) for name, arrays in self._parts.items()
        } or empty_parts()
        values = {name: parts[name] for name in ("document", "section", "question_type", "source")}
        values |= {"kind": parts["kinds"].astype(np.int64), "length": length_buckets(parts["characters"])}
        names = {name: list(coder.numbers) for name, coder in self._coders.items()}
        return Entries(
            places=parts["places"],
            kinds=parts["kinds"].astype(np.int8),
            wordings=parts["wordings"],
            facts=parts["facts"],
            characters=parts["characters"],
            values=values,
            pairs={name: joined(pairs) for name, pairs in self._pairs.items()},
            names={**names, "kind": KINDS, "length": length_names()},
        )

    def asked(self) -> Iterator[str]:
        """What every row asks, in order, some at a time in memory."""
        with pa.memory_map(str(self._asked_path)) as source:
            for batch in pa.ipc.open_stream(source):
                yield from batch.column(0).to_pylist()

    def _note(self, table: pa.Table, found: Studied) -> None:
        coders = self._coders
        for name in ("document", "section", "question_type"):
            column = table.column("document_id" if name == "document" else name).combine_chunks()
            self._part(name, coders[name].codes(column))
        self._part("source", coders["source"].codes(pa.array(found.sources, pa.string())))
        self._part("kinds", np.array([KINDS.index(one) for one in table.column("kind").to_pylist()]))
        self._part("characters", table.column("characters").to_numpy())
        self._part("wordings", np.frombuffer(b"".join(found.wordings), np.int64))
        self._part("facts", np.array(found.facts, np.int64))
        if self._options.group_by == "chunk":
            codes = [
                (row, coders["chunk"].code(one))
                for row, each in enumerate(found.chunks, self.rows)
                for one in each
            ]
            both = np.array(codes, np.int64).reshape(-1, 2)
            self._pairs["chunk"].append(Pairs(both[:, 0], both[:, 1]))

    def _part(self, name: str, column: Any) -> None:
        self._parts.setdefault(name, []).append(column)

    def _study(self, kinds: list[str], table: pa.Table) -> Studied:
        seed, prompt = f"{self._options.seed}:".encode(), self._options.system_prompt
        found = Studied([], [], [], [], [], [], [], [])
        contents = table.column("content").cast(pa.binary()).to_pylist()
        lineages = table.column("lineage").cast(pa.binary()).to_pylist()
        generations = table.column("generation_id").to_pylist()
        for kind, content, text, generation in zip(kinds, contents, lineages, generations, strict=True):
            digest = digest_of(kind, content)
            values, lineage = orjson.loads(content), orjson.loads(text)
            asks = asked_of(values)
            found.places.append(hashlib.sha256(seed + digest).digest()[:8])
            found.asks.append(asks)
            found.wordings.append(hashlib.sha256(normalise(asks).encode()).digest()[:8])
            found.facts.append(fact_of(values, lineage))
            found.sources.append(source_of(lineage, generation))
            found.chunks.append(lineage.get("chunk_ids", []))
            told = content
            if prompt and kind != "pretraining":
                told = prompted(values, prompt)
                digest = digest_of(kind, told)
            found.contents.append(told)
            found.digests.append(digest.hex())
        return found


def parsed(block: bytes) -> pa.Table:
    """Lines of CSV as a table; an empty text is no text."""
    return pa.csv.read_csv(
        io.BytesIO(block),
        pa.csv.ReadOptions(column_names=NAMES, use_threads=False, block_size=max(len(block), 1)),
        pa.csv.ParseOptions(newlines_in_values=True),
        pa.csv.ConvertOptions(column_types=COPIED, strings_can_be_null=False, null_values=[""]),
    )


def digest_of(kind: str, content: bytes) -> bytes:
    """By what contents are told apart."""
    return hashlib.sha256(kind.encode() + b"\n" + content).digest()[:DIGEST]


def asked_of(values: dict[str, Any]) -> str:
    """By what near copies are known: what the user says, or, of a text, all of it."""
    messages = values["messages"]
    said = [message["content"] for message in messages if message["role"] == "user"]
    return "\n".join(said or [message["content"] for message in messages])


def fact_of(values: dict[str, Any], lineage: dict[str, Any]) -> int:
    """A number for the fact that an example is about, not negative; -1 for none that is known."""
    name = lineage.get("fact_id", "")
    quotes = values.get("quotes")
    if not name and quotes:
        first = quotes[0]
        place = [first.get(key, 0) for key in ("document_id", "document_version", "start", "end")]
        name = str(place if place[-1] else [first.get("chunk_id", ""), first["text"]])
    if not name:
        return UNKNOWN
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


def source_of(lineage: dict[str, Any], generation_id: str | None) -> str:
    """Where an example comes from: a data file (its import), a generation, or the hand of a person."""
    if lineage.get("import_row"):
        return f"import:{lineage['import_id']}"
    return f"generation:{generation_id}" if generation_id else "hand"


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
