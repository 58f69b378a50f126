"""Imported rows as lines of Postgres' COPY, made of bytes as they are: one line takes some microseconds.

`examples/copying.py` has the columns, and the same for examples of any origin.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence

import numpy as np
import orjson

from services.dataset.examples.content import lineage_json, lineage_of
from services.dataset.examples.copying import array, line
from services.dataset.examples.examples import Lineage
from services.dataset.imports.conversion import UUID
from services.dataset.imports.rows import Imported

PLAIN = Lineage()
STEP_BITS = 32
"""Ids of a batch follow one another in a random step of so many bits."""
FIRST_BITS = 61
"""The first of them is below, so that some 500 million steps fit into the 62 bits of the half that counts."""
VERSION, VARIANT = 7 << 12, 1 << 63
DIGITS = 32


class Lines:
    """Makes lines of the tables `examples` and `example_contents`.

    Args:
        project_id: whose examples they are.
        import_id: that they came from.
    """

    def __init__(self, project_id: str, import_id: str) -> None:
        self._project_id = project_id
        self._import_id = import_id
        self._told = f'{{"import_id":"{import_id}","import_row":'.encode()

    def of(self, rows: Sequence[Imported]) -> tuple[bytes, bytes]:
        """The lines of both tables for some rows."""
        lineages = [self._lineage(one) if one.lineage else PLAIN for one in rows]
        ids = new_ids(len(rows))
        examples = map(self._example, ids, rows, lineages)
        contents = map(self._content, ids, rows, lineages)
        return "".join(examples).encode(), b"".join(contents)

    def _content(self, example_id: str, one: Imported, lineage: Lineage) -> bytes:
        """A line of the table `example_contents`."""
        content = one.content
        # JSON has no line end and no tab of its own.
        if b"\\" in content:
            content = content.replace(b"\\", b"\\\\")
        if lineage is PLAIN:
            return b"%b\t%b\t%b%d}\n" % (example_id.encode(), content, self._told, one.row)
        told = lineage_json(lineage).encode().replace(b"\\", b"\\\\")
        return b"%b\t%b\t%b\n" % (example_id.encode(), content, told)

    def _lineage(self, one: Imported) -> Lineage:
        """Where an example of an export of our own came from, and where from now."""
        told = {**orjson.loads(one.lineage), "import_id": self._import_id, "import_row": one.row}
        return lineage_of(orjson.dumps(told))

    def _example(self, example_id: str, one: Imported, lineage: Lineage) -> str:
        """A line of the table `examples`: the columns of `EXAMPLE_COLUMNS`."""
        score = "\\N" if one.score is None else str(one.score)
        labels = escaped(array(one.labels)) if one.labels else "{}"
        tags = array(one.tag_ids) if one.tag_ids else "{}"
        about = self._about(lineage) if lineage is not PLAIN else NOTHING
        return (
            f"{example_id}\t{self._project_id}\t{one.kind}\tkept\t\\N\t{score}\t{labels}\t{tags}\t{one.language}\t"
            f"{one.characters}\t\\N\t{self._import_id}\t\\N\t{about}\t\\\\x{one.key.hex()}\t\\N\n"
        )

    def _about(self, lineage: Lineage) -> str:
        """Document, headings, type of question, version of the prompt and model."""
        document = lineage.document_id if UUID.fullmatch(lineage.document_id) else None
        origin = lineage.last_origin
        headings = array(lineage.heading_path)
        return line(
            document, headings, lineage.question_type, origin.prompt_version, origin.model
        ).removesuffix("\n")


NOTHING = "\\N\t{}\t\t\t"


def escaped(text: str) -> str:
    """A text as COPY reads it."""
    return line(text).removesuffix("\n")


def new_ids(count: int) -> list[str]:
    """New UUIDv7, each larger than the one before."""
    first, step = secrets.randbits(FIRST_BITS), 1 + secrets.randbits(STEP_BITS)
    halves = np.empty((count, 2), ">u8")
    halves[:, 0] = (int(time.time() * 1000) << 16) | VERSION | secrets.randbits(12)
    halves[:, 1] = np.arange(count, dtype=np.uint64) * np.uint64(step) + np.uint64(first | VARIANT)
    digits = halves.tobytes().hex()
    return [
        f"{digits[at : at + 8]}-{digits[at + 8 : at + 12]}-{digits[at + 12 : at + 16]}-"
        f"{digits[at + 16 : at + 20]}-{digits[at + 20 : at + DIGITS]}"
        for at in range(0, DIGITS * count, DIGITS)
    ]
