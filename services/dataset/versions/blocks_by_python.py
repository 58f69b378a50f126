"""Reads rows that Postgres copies out, and picks units, without a compiler.

It does what `blocks.pyi` says, some ten times as slow.
"""

from __future__ import annotations

import re
import struct
from itertools import pairwise
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
import orjson

from services.dataset.copies.texts import normalise

Longs = npt.NDArray[np.int64]

PLAIN = re.compile(
    r"[\0-\x7f\u2014\u2018\u2019\u201c\u201d\u3000-\u3002\u3008-\u3011\u4e00-\u9fff\uff01-\uff5e]*"
)
"""Letters that are normalised one by one, without tables: of ASCII, Chinese ones, and the signs between."""
TIERS = 4
UNKNOWN = -1
END = b"\xff\xff"
"""Of all rows."""


def split(block: bytes, kinds: str) -> tuple[int, list[tuple[int, bytes, bytes, bytes]]]:
    """What `blocks.split` finds."""
    columns: list[list[bytes | None]] = [[] for _ in kinds]
    at = rows = 0
    while at < len(block) and block[at:] != END:
        (count,) = struct.unpack_from(">h", block, at)
        if count != len(kinds):
            raise ValueError("split: no whole rows of these columns")
        at += 2
        for column in columns:
            (size,) = struct.unpack_from(">i", block, at)
            at += 4
            column.append(None if size < 0 else block[at : at + size])
            at += max(size, 0)
        rows += 1
    return rows, [column_of(kind, values) for kind, values in zip(kinds, columns, strict=True)]


def column_of(kind: str, values: list[bytes | None]) -> tuple[int, bytes, bytes, bytes]:
    """Nulls, validity, ends and data of a column."""
    known = np.array([value is not None for value in values], bool)
    valid = np.packbits(known, bitorder="little").tobytes()
    nulls = len(values) - int(known.sum())
    if kind in "tu":
        texts = [text_of(kind, value) for value in values]
        return nulls, valid, ends_of(texts), b"".join(texts)
    code = ">f8" if kind == "d" else ">i4"
    numbers = np.frombuffer(b"".join(value or bytes(int(code[-1])) for value in values), code)
    return nulls, valid, bytes(4), numbers.astype("<f8" if kind == "d" else "<i8").tobytes()


def text_of(kind: str, value: bytes | None) -> bytes:
    """A text; that of a UUID; none is empty."""
    if value is None:
        return b""
    return str(UUID(bytes=value)).encode() if kind == "u" else value


def ends_of(texts: list[bytes]) -> bytes:
    """Where texts end that lie one after the other, from 0."""
    return np.cumsum([0, *map(len, texts)]).astype(np.int32).tobytes()


def study(
    contents: object, content: object, lineages: object, lineage: object
) -> tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes]:
    """What `blocks.study` finds."""
    said = [orjson.loads(text) for text in texts_of(contents, content)]
    known = [orjson.loads(text) for text in texts_of(lineages, lineage)]
    asked = [asked_of(values) for values in said]
    plain = bytes(PLAIN.fullmatch(text) is not None for text in asked)
    texts = [
        (normalise(text) if is_plain else text).encode() for text, is_plain in zip(asked, plain, strict=True)
    ]
    facts = [fact_of(values, each) for values, each in zip(said, known, strict=True)]
    # What came with an import of generations is theirs.
    imports = [each["import_id"].encode() if each.get("import_row") else b"" for each in known]
    chunks = [orjson.dumps(each["chunk_ids"]) if "chunk_ids" in each else b"" for each in known]
    columns = [(ends_of(each), b"".join(each)) for each in (texts, imports, chunks)]
    return (*columns[0], plain, np.array(facts, np.int64).tobytes(), *columns[1], *columns[2])


def texts_of(ends: Any, data: Any) -> list[bytes]:
    """Texts that lie one after the other."""
    places, text = np.frombuffer(ends, np.int32).tolist(), bytes(data)
    return [text[start:end] for start, end in pairwise(places)]


def asked_of(values: dict[str, Any]) -> str:
    """By what near copies are known: what the user says, or, of a text, all of it."""
    messages = values["messages"]
    said = [message.get("content", "") for message in messages if message["role"] == "user"]
    return "\n".join(said or [message.get("content", "") for message in messages])


def fact_of(values: dict[str, Any], lineage: dict[str, Any]) -> int:
    """A number for the fact that an example is about, not negative; -1 for none that is known."""
    name = lineage.get("fact_id")
    quotes = values.get("quotes")
    if not name and quotes:
        first = quotes[0]
        place = tuple(first.get(key, 0) for key in ("document_id", "document_version", "start", "end"))
        name = place if place[-1] else (first.get("chunk_id", ""), first.get("text", ""))
    # Numbers are compared with others of one process only.
    return hash(name) & 0x7FFF_FFFF_FFFF_FFFF if name else UNKNOWN


def pick(
    members: Longs,
    costs: Longs,
    fact_ends: Longs,
    facts: Longs,
    item_ends: Longs,
    items: Longs,
    train: Longs,
    held: Longs,
    size: int,
    slack: int,
    most: int,
) -> bytes:
    """What `blocks.pick` does."""
    found: list[int] = []
    rest = members.tolist()
    for tier in range(TIERS):
        units, rest = rest, []
        for unit in units:
            if size <= 0 or len(found) == most:
                return np.array(found, np.int64).tobytes()
            asked = items[item_ends[unit] : item_ends[unit + 1]]
            taught = facts[fact_ends[unit] : fact_ends[unit + 1]]
            if costs[unit] <= slack * size and fits(tier, asked[0], taught, train, held):
                np.subtract.at(train, taught, 1)
                np.add.at(held, asked, 1)
                size -= int(costs[unit])
                found.append(unit)
            else:
                rest.append(unit)
    return np.array(found, np.int64).tobytes()


def fits(tier: int, first: int, taught: Longs, train: Longs, held: Longs) -> bool:
    """Whether a unit is as good as a tier demands."""
    if (tier < 2 and train[first] < 2) or (tier == 0 and held[first]):
        return False
    return tier == TIERS - 1 or not ((train[taught] < 2) & (held[taught] > 0)).any()
