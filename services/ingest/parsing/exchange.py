"""What the room and the child processes that parse for it tell each other: tasks, and files in a folder.

The folder is that of a `Source`: what a reader itself writes there, its documentation says.
"""

from __future__ import annotations

import bisect
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from services.ingest.chunks import Cut, Piece, Section
from services.ingest.cleaning.changes import Change
from services.ingest.readers.reading import Image, Member, Reading

FILE = "file"
"""The document."""
PAGES = "pages"
"""Folder of pages that a vision model is to read: `NNNN.png`, from 1."""
READING = "reading.json"
"""What the step `read` leaves for the step `split`."""
READ_TEXT = "read.md"
"""Text of the step `read`, for whoever makes the changes."""
REWRITES = "rewrites.json"
"""Changes of the language model to that text: what `dataclasses.asdict` makes of them."""
ANSWER = "answer.json"
"""What parsing made: see `write_answer`."""
ERROR = "error.json"
"""Why there is no answer."""
ALIVE = "alive"
"""Touched when a page of many was read."""
PARSE, READ, SPLIT, RENDER = "parse", "read", "split", "render"
"""The steps: all at once; only to read and clean; to split what was read and changed; to draw pages."""

Texts = Sequence[tuple[Reading, Sequence[Change]]]
"""A text as it was read, and what each step of cleaning made of it, with the changes of the step."""


@dataclass(frozen=True)
class Task:
    """What to do.

    Args:
        step: `PARSE`, `READ`, `SPLIT` or `RENDER`.
        folder: holds the document as `file`; what is made of it is written there.
        media_type: says which reader reads it.
        name: name of the document, for messages.
        document_id: chunk ids are made from it.
        options: stored form of the parse options.
        most_chars: longest text that is taken.
        memory_bytes: data that the parse may hold in memory.
        seconds: time that the parse may take, or one of its pages.
    """

    step: str
    folder: str
    media_type: str
    name: str
    document_id: str
    options: Mapping[str, Any]
    most_chars: int
    memory_bytes: int
    seconds: float


@dataclass(frozen=True)
class ParsedChange:
    """A change that cleaning made: a span of the text before, what stood there, and what stands there now."""

    start: int
    end: int
    removed: str
    added: str
    rule: str


@dataclass(frozen=True)
class ParsedText:
    """A text of a document: as it was read, or as cleaning left it.

    Args:
        path: the file that holds it, UTF-8.
        char_count: its length.
        page_starts: offset of each page's first character.
        images: its pictures; their files are in the folder `images` beside it.
        changes: what cleaning changed in the text before it.
        encoding: in which the bytes of a text file were read; empty for other files.
    """

    path: Path
    char_count: int
    page_starts: Sequence[int]
    images: Sequence[Image]
    changes: Sequence[ParsedChange]
    encoding: str = ""

    def page_at(self, place: int) -> int:
        """Number of the page that holds a character, from 1; 0 without pages."""
        return bisect.bisect_right(self.page_starts, place)


@dataclass(frozen=True)
class Parsed:
    """What parsing makes of a document.

    Args:
        texts: the text as it was read, and what each step of cleaning made of it.
        text: the last of them; the pieces are cut from it.
        pieces: where its chunks are.
        sections: its outline.
        members: files that it holds, in the folder `members`.
    """

    texts: Sequence[ParsedText]
    text: str
    pieces: Sequence[Piece]
    sections: Sequence[Section]
    members: Sequence[Member]


def write_answer(folder: Path, texts: Texts, made: Cut) -> None:
    """Write the texts of a document, and what was cut from the last."""
    befores = [None, *(reading.text for reading, _ in texts[:-1])]
    answer = {
        "texts": [
            write_text(folder, number, reading, changes, before)
            for number, ((reading, changes), before) in enumerate(zip(texts, befores, strict=True))
        ],
        "pieces": [asdict(piece) for piece in made.pieces],
        "sections": [asdict(section) for section in made.sections],
        "members": [asdict(member) for member in texts[0][0].members],
    }
    (folder / ANSWER).write_text(json.dumps(answer), encoding="utf-8")


def write_text(
    folder: Path, number: int, reading: Reading, changes: Sequence[Change], before: str | None
) -> dict[str, Any]:
    """Write a text into a file of its own; return what is to be known of it."""
    file = f"text-{number}.md"
    (folder / file).write_text(reading.text, encoding="utf-8", newline="")
    return {
        "file": file,
        "char_count": len(reading.text),
        "page_starts": list(reading.page_starts),
        "images": [asdict(image) for image in reading.images],
        "changes": [shown(change, before or "") for change in changes],
        "encoding": reading.encoding,
    }


def shown(change: Change, before: str) -> dict[str, Any]:
    """A change with the text that it removes."""
    return {
        "start": change.start,
        "end": change.end,
        "removed": before[change.start : change.end],
        "added": change.added,
        "rule": change.rule,
    }


def answer_bytes(folder: Path) -> int:
    """Bytes of what the program made of a document, and `parsed_in` reads."""
    return sum(path.stat().st_size for path in (folder / ANSWER, *folder.glob("text-*.md")))


def parsed_in(folder: Path) -> Parsed:
    """What the program made of a document."""
    answer = json.loads((folder / ANSWER).read_bytes())
    texts = [
        ParsedText(
            folder / text["file"],
            text["char_count"],
            text["page_starts"],
            [Image(**image) for image in text["images"]],
            [ParsedChange(**change) for change in text["changes"]],
            text["encoding"],
        )
        for text in answer["texts"]
    ]
    return Parsed(
        texts,
        texts[-1].path.read_bytes().decode(),
        [Piece(**piece) for piece in answer["pieces"]],
        [Section(**section) for section in answer["sections"]],
        [Member.of(member) for member in answer["members"]],
    )
