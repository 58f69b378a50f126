"""The steps of parsing a document, as its process does them: read, clean, cut. Each leaves files."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from services.ingest.chunks import Cut, cut
from services.ingest.cleaning import Change, clean, moved
from services.ingest.documents import check_depth
from services.ingest.formats import BY_MEDIA_TYPE
from services.ingest.parsing.exchange import PAGES, READ_TEXT, READING, REWRITES, Texts, write_answer
from services.ingest.parsing.options import ParseOptions
from services.ingest.readers import Reading, Source, read_document
from services.ingest.readers.reading import Image, Member, checked, text_too_long
from services.ingest.sniffing import check_content

LISTING = "listing"


def parse(source: Source, document_id: str, options: ParseOptions) -> None:
    """Read, clean and cut a document.

    Raises:
        SishuError: the file cannot be read, or its text is too long.
    """
    finish(source, document_id, options, texts_of(source, options))


def read(source: Source, document_id: str, options: ParseOptions) -> None:  # noqa: ARG001  # as all steps
    """Read and clean a document, for `split_again` to go on with.

    Raises:
        SishuError: the file cannot be read, or its text is too long.
    """
    stored = [
        (asdict(reading), [asdict(change) for change in changes])
        for reading, changes in texts_of(source, options)
    ]
    (source.folder / READING).write_text(json.dumps(stored), encoding="utf-8")
    (source.folder / READ_TEXT).write_text(stored[-1][0]["text"], encoding="utf-8", newline="")


def split_again(source: Source, document_id: str, options: ParseOptions) -> None:
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
    """Draw the pages that a vision model is to read.

    Raises:
        SishuError: the file or a page cannot be read.
    """
    # Loads what only a PDF needs.
    from services.ingest.readers.pdf.render import render, wanted_pages  # noqa: PLC0415

    check_content(source.path, source.media_type, source.name)
    render(source, wanted_pages(source, "vision"), source.folder / PAGES)


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
    write_answer(source.folder, texts, made)


def reading_of(stored: dict[str, Any]) -> Reading:
    """A reading of its stored form."""
    lists = {
        "images": [Image(**image) for image in stored["images"]],
        "members": [Member.of(member) for member in stored["members"]],
    }
    return Reading(**{**stored, **lists})
