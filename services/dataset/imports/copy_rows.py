"""Imported rows as rows of COPY in binary format: Postgres has no text to read, and nothing is escaped.

https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format". `examples/copying.py` has the columns,
and examples of any origin in text format.
"""

from __future__ import annotations

import secrets
import struct
import time
from collections.abc import Sequence
from functools import lru_cache
from uuid import UUID

import numpy as np
import orjson

from services.dataset.examples.content import lineage_json, lineage_of
from services.dataset.examples.copying import CONTENT_COLUMNS, CONTROL, EXAMPLE_COLUMNS
from services.dataset.examples.examples import Lineage
from services.dataset.imports import conversion
from services.dataset.imports.rows import Imported

PLAIN = Lineage()
STEP_BITS = 32
"""Ids of a batch follow one another in a random step of so many bits."""
FIRST_BITS = 61
"""The first of them is below, so that some 500 million steps fit into the 62 bits of the half that counts."""
VERSION, VARIANT = 7 << 12, 1 << 63
ID_BYTES = 16
SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
"""Stands before all rows: the format's name, no flags, no extension."""
TRAILER = b"\xff\xff"
"""Stands behind them."""
SIZE = struct.Struct(">i")
SCORE = struct.Struct(">d")
NULL = SIZE.pack(-1)
TEXT_OID, UUID_OID = 25, 2950
KNOWN_HEADS = 1024


def sized(value: bytes) -> bytes:
    """A field that is not NULL: its size and its bytes."""
    return SIZE.pack(len(value)) + value


EXAMPLE = struct.pack(">h", len(EXAMPLE_COLUMNS)) + SIZE.pack(ID_BYTES)
CONTENT = struct.pack(">h", len(CONTENT_COLUMNS)) + SIZE.pack(ID_BYTES)
"""What a row begins with: how many fields it has, and how long the first is, an id."""


class CopyRows:
    """Makes rows of the tables `examples` and `example_contents`.

    Args:
        project_id: whose examples they are.
        import_id: that they came from.
    """

    def __init__(self, project_id: str, import_id: str) -> None:
        self._project = sized(UUID(project_id).bytes)
        self._import_id = import_id
        self._told = f'{{"import_id":"{import_id}","import_row":'.encode()
        self._origin = NULL + sized(UUID(import_id).bytes) + NULL
        self._head = lru_cache(KNOWN_HEADS)(self._head_of)
        self._nothing = self._tail(PLAIN)

    def of(self, rows: Sequence[Imported]) -> tuple[bytes, bytes]:
        """Some rows as all that COPY takes, for either table."""
        lineages = [self._lineage(one) if one.lineage else PLAIN for one in rows]
        ids = new_ids(len(rows))
        examples = map(self._example, ids, rows, lineages)
        contents = map(self._content, ids, rows, lineages)
        return b"".join([SIGNATURE, *examples, TRAILER]), b"".join([SIGNATURE, *contents, TRAILER])

    def _content(self, example_id: bytes, one: Imported, lineage: Lineage) -> bytes:
        """A row of the table `example_contents`."""
        content = one.content
        told = b"%b%d}" % (self._told, one.row) if lineage is PLAIN else lineage_json(lineage).encode()
        sizes = SIZE.pack(len(content)), SIZE.pack(len(told))
        return b"%b%b%b%b%b%b" % (CONTENT, example_id, sizes[0], content, sizes[1], told)

    def _lineage(self, one: Imported) -> Lineage:
        """Where an example of an export of our own came from, and where from now."""
        told = {**orjson.loads(one.lineage), "import_id": self._import_id, "import_row": one.row}
        return lineage_of(orjson.dumps(told))

    def _example(self, example_id: bytes, one: Imported, lineage: Lineage) -> bytes:
        """A row of the table `examples`: the columns of `EXAMPLE_COLUMNS`."""
        head = self._head(one.kind, one.score, one.labels, one.tag_ids, one.language)
        tail = self._nothing if lineage is PLAIN else self._tail(lineage)
        key = sized(one.key)
        return b"%b%b%b%b%b%b%b" % (EXAMPLE, example_id, head, SIZE.pack(one.characters), tail, key, NULL)

    def _head_of(
        self, kind: str, score: float | None, labels: Sequence[str], tag_ids: Sequence[str], language: str
    ) -> bytes:
        """The fields from the project to the language, and the size of the number of characters."""
        fields = (
            self._project,
            sized(kind.encode()),
            sized(b"kept"),
            NULL,
            NULL if score is None else sized(SCORE.pack(score)),
            texts(labels),
            array(UUID_OID, [UUID(one).bytes for one in tag_ids]),
            sized(language.encode()),
            SIZE.pack(SIZE.size),
        )
        return b"".join(fields)

    def _tail(self, lineage: Lineage) -> bytes:
        """The fields from the generation to the model."""
        document = lineage.document_id
        origin = lineage.last_origin
        about = (lineage.question_type, origin.prompt_version, origin.model)
        fields = (
            self._origin,
            sized(UUID(document).bytes) if conversion.UUID.fullmatch(document) else NULL,
            texts(lineage.heading_path),
            *(sized(one.encode()) for one in about),
        )
        return b"".join(fields)


def texts(values: Sequence[str]) -> bytes:
    """An array of texts; control characters in them become blanks, as in `copying.array`."""
    return array(TEXT_OID, [value.translate(CONTROL).encode() for value in values])


def array(kind: int, values: Sequence[bytes]) -> bytes:
    """An array of one dimension, without NULL, or the empty one, of values of a kind."""
    dimensions = struct.pack(">2i", len(values), 1) if values else b""
    head = struct.pack(">3i", bool(values), 0, kind) + dimensions
    return sized(head + b"".join(map(sized, values)))


def new_ids(count: int) -> list[bytes]:
    """New UUIDv7, each larger than the one before."""
    first, step = secrets.randbits(FIRST_BITS), 1 + secrets.randbits(STEP_BITS)
    halves = np.empty((count, 2), ">u8")
    halves[:, 0] = (int(time.time() * 1000) << 16) | VERSION | secrets.randbits(12)
    halves[:, 1] = np.arange(count, dtype=np.uint64) * np.uint64(step) + np.uint64(first | VARIANT)
    found = halves.tobytes()
    return [found[at : at + ID_BYTES] for at in range(0, ID_BYTES * count, ID_BYTES)]
