"""The steps of parsing a document, as its process does them: read, clean, cut. Each leaves files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from services.ingest.chunks import Cut, cut
from services.ingest.cleaning import Change, clean, moved
from services.ingest.documents import check_depth
from services.ingest.formats import BY_MEDIA_TYPE
from services.ingest.parsing.options import ParseOptions
from services.ingest.readers import Reading, Source, read_document
from services.ingest.readers.reading import Image, Member, checked, text_too_long
from services.ingest.sniffing import check_content

FILE = "file"
"""The document, in the folder of a parse."""
ANSWER = "answer.json"
REWRITES = "rewrites.json"
"""Changes of the language model to the text of the step `read`: what `dataclasses.asdict` makes of them."""
READING = "reading.json"
READ_TEXT = "read.md"
"""Text of the step `read`, for whoever makes the changes."""
LISTING = "listing"


def parse(source: Source, document_id: str, options: ParseOptions) -> None:
    """Read, clean and cut a document.

    Raises:
        SishuError: the file cannot be read, or its text is too long.
    """
    finish(source, document_id, options, texts_of(source, options))


def read(source: Source, document_id: str, options: ParseOptions) -> None:  # noqa: ARG001  # as all steps
    """Read and clean a document, for `cut_again` to go on with.

    Raises:
        SishuError: the file cannot be read, or its text is too long.
    """
    stored = [
        (asdict(reading), [asdict(change) for change in changes])
        for reading, changes in texts_of(source, options)
    ]
    (source.folder / READING).write_text(json.dumps(stored), encoding="utf-8")
    (source.folder / READ_TEXT).write_text(stored[-1][0]["text"], encoding="utf-8", newline="")


def cut_again(source: Source, document_id: str, options: ParseOptions) -> None:
    """Take over what a language model made of the text of the step `read`, and cut it."""
    texts = [
        (reading_of(reading), [Change(**change) for change in changes])
        for reading, changes in json.loads((source.folder / READING).read_bytes())
    ]
    changes = [Change(**change) for change in json.loads((source.folder / REWRITES).read_bytes())]
    if changes:
        texts.append((checked(moved(texts[-1][0], changes), source.name), changes))
    finish(source, document_id, options, texts)


def render_pages(source: Source, document_id: str, options: ParseOptions) -> None:  # noqa: ARG001  # as all steps
    """Draw the pages that a vision model is to read, as `pages/NNNN.png`.

    Raises:
        SishuError: the file or a page cannot be read.
    """
    # Loads what only a PDF needs.
    from services.ingest.readers.pdf.render import render, wanted_pages  # noqa: PLC0415

    check_content(source.path, source.media_type, source.name)
    render(source, wanted_pages(source, "vision"), source.folder)


Texts = Sequence[tuple[Reading, Sequence[Change]]]
"""A text as it was read, and what each step of cleaning made of it, with the changes of the step."""


def texts_of(source: Source, options: ParseOptions) -> Texts:
    """Read a document, and clean what was read."""
    check_depth(source.name)
    check_content(source.path, source.media_type, source.name)
    reading = read_document(source)
    if len(reading.text) > source.most_chars:
        raise text_too_long(source.name, len(reading.text), source.most_chars)
    changes = clean(reading.text, reading.page_starts, options.clean.rules, reading.syntax)
    if not changes:
        return [(reading, [])]
    return [(reading, []), (moved(reading, changes), changes)]


def finish(source: Source, document_id: str, options: ParseOptions, texts: Texts) -> None:
    """Cut the last text, and write all that was made."""
    last = texts[-1][0]
    made = (
        Cut([], [])
        if BY_MEDIA_TYPE[source.media_type].syntax == LISTING
        else cut(last, document_id, options.split)
    )
    befores = [None, *(reading.text for reading, _ in texts[:-1])]
    answer = {
        "texts": [
            write_text(source.folder, number, reading, changes, before)
            for number, ((reading, changes), before) in enumerate(zip(texts, befores, strict=True))
        ],
        "pieces": [asdict(piece) for piece in made.pieces],
        "sections": [asdict(section) for section in made.sections],
        "members": [asdict(member) for member in texts[0][0].members],
    }
    (source.folder / ANSWER).write_text(json.dumps(answer), encoding="utf-8")


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
    }


def shown(change: Change, before: str) -> dict[str, Any]:
    """A change with the text that it removes."""
    return {
        "start": change.start,
        "end": change.end,
        "removed": before[change.start : change.end],
        "added": change.text,
        "rule": change.rule,
    }


def reading_of(stored: dict[str, Any]) -> Reading:
    """A reading of its stored form."""
    lists = {
        "images": [Image(**image) for image in stored["images"]],
        "members": [Member.of(member) for member in stored["members"]],
    }
    return Reading(**{**stored, **lists})
