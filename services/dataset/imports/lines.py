"""Imported rows as lines of Postgres' COPY, made of bytes as they are: one line takes some microseconds.

`examples/copying.py` has the columns, and the same for examples of any origin.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator

import orjson

from services.dataset.examples.content import lineage_json, lineage_of
from services.dataset.examples.copying import array, line
from services.dataset.examples.examples import Lineage
from services.dataset.imports.conversion import UUID
from services.dataset.imports.rows import Imported

PLAIN = Lineage()
STEP_BITS = 32
"""Ids of a batch follow one another in a random step of so many bits."""
VERSION, VARIANT = 7 << 76, 2 << 62
LOW = (1 << 62) - 1


class Lines:
    """Lines of the tables `examples` and `example_contents`.

    Args:
        project_id: whose examples they are.
        import_id: that they came from.
    """

    def __init__(self, project_id: str, import_id: str) -> None:
        self._project_id = project_id
        self._import_id = import_id
        self._ids = new_ids()
        self._examples: list[str] = []
        self._contents: list[bytes] = []

    def __len__(self) -> int:
        """How many rows wait."""
        return len(self._examples)

    def add(self, one: Imported) -> None:
        """Add a row."""
        example_id = next(self._ids)
        lineage = self._lineage(one) if one.lineage else PLAIN
        self._examples.append(self._example(example_id, one, lineage))
        if lineage is PLAIN:
            told = b'{"import_id":"%b","import_row":%d}' % (self._import_id.encode(), one.row)
        else:
            told = lineage_json(lineage).encode().replace(b"\\", b"\\\\")
        # JSON has no line end and no tab of its own.
        content = one.content.replace(b"\\", b"\\\\")
        self._contents.append(b"%b\t%b\t%b\n" % (example_id.encode(), content, told))

    def take(self) -> tuple[bytes, bytes]:
        """The lines of both tables; none wait after it."""
        taken = "".join(self._examples).encode(), b"".join(self._contents)
        self._examples, self._contents = [], []
        self._ids = new_ids()
        return taken

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


def new_ids() -> Iterator[str]:
    """New UUIDv7, each larger than the one before."""
    first = (int(time.time() * 1000) << 80) | VERSION | VARIANT
    counter, step = secrets.randbits(60), 1 + secrets.randbits(STEP_BITS)
    while True:
        counter += step
        digits = f"{first | ((counter >> 62) & 0xFFF) << 64 | (counter & LOW):032x}"
        yield f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
