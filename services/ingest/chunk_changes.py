"""What stands in the place of chunks that are edited, merged or split. Ids stand for texts: each is new."""

from __future__ import annotations

import bisect
import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from services.ingest.chunks import MOST_CHUNK_CHARS, Chunk, chunk_too_large
from services.ingest.token_counters import Count
from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.runtime.ids import derived_id

DELIMITER_ROW = re.compile(r"(?m)^(\|[^\n]*\|)\n(\|[-:| ]+\|)\n")

SectionPath = Sequence[tuple[str, str]]
"""Ids and titles of the sections that hold a place, outermost first."""


def edited(original: Chunk, current: Chunk, text: str, count: Count) -> Chunk:
    """The chunk that stands for an original with another text; the original itself for its own text.

    Both stand where the current one stands: its neighbours may have been merged or split since.
    """
    original = replace(original, index=current.index)
    if "\x00" in text:
        raise InvalidArgument("TEXT_BINARY", "the text holds NUL characters; leave them out", "text")
    if text == original.text:
        return original
    if not text.strip():
        raise InvalidArgument(
            "CHUNK_TEXT_EMPTY", f"chunk {current.id} would hold no text; exclude it instead", "text"
        )
    new = replace(original, edit_of=original.id, excluded=current.excluded, overlap=0)
    return with_text(new, text, "edited", count)


def merged(chunks: Sequence[Chunk], count: Count) -> Chunk:
    """One chunk of neighbours, which come by place.

    Raises:
        InvalidArgument: they are no neighbours, or one is edited.
    """
    check_unedited(chunks)
    if len(chunks) < 2:
        raise InvalidArgument("CHUNKS_NOT_ADJACENT", "name at least two chunks to merge", "ids")
    for one, other in pairwise(chunks):
        if one.document_id != other.document_id or one.index + 1 != other.index:
            raise InvalidArgument(
                "CHUNKS_NOT_ADJACENT",
                f"chunk {other.id} does not follow {one.id}; name neighbours of one document",
                "ids",
            )
    first, last = chunks[0], chunks[-1]
    text = first.text + "".join(chunk.text[chunk.overlap :] for chunk in chunks[1:])
    if len(text) > MOST_CHUNK_CHARS:
        raise chunk_too_large(len(text), "ids")
    whole = replace(
        first,
        char_end=last.char_end,
        page_end=last.page_end,
        excluded=all(chunk.excluded for chunk in chunks),
        made_from=[chunk.id for chunk in chunks],
    )
    return with_text(whole, text, "merged", count)


def parts(
    chunk: Chunk,
    cut_points: Sequence[int],
    page_starts: Sequence[int],
    paths: Sequence[SectionPath],
    count: Count,
) -> list[Chunk]:
    """The parts of a chunk.

    Args:
        chunk: what is split.
        cut_points: in characters of the document's text.
        page_starts: of the document.
        paths: for each cut point the sections that hold it.
        count: counts tokens.

    Raises:
        InvalidArgument: a place is not inside the chunk, or it is edited.
    """
    check_unedited([chunk])
    own_start = chunk.char_start + chunk.overlap
    places = [own_start, *cut_points, chunk.char_end]
    if any(one >= other for one, other in pairwise(places)):
        raise InvalidArgument(
            "CUT_POINTS_INVALID",
            f"cut points of chunk {chunk.id} must ascend between {own_start} and {chunk.char_end}",
            "cut_points",
        )
    made = [part_of(chunk, 0, own_start, places[1], page_starts, None, count)]
    for number, ((start, end), path) in enumerate(zip(pairwise(places[1:]), paths, strict=True), start=1):
        made.append(part_of(chunk, number, start, end, page_starts, path, count))
    return made


def part_of(
    chunk: Chunk,
    number: int,
    start: int,
    end: int,
    page_starts: Sequence[int],
    path: SectionPath | None,
    count: Count,
) -> Chunk:
    """A part of a chunk; without a path it is the first, which begins as the chunk does."""
    begin = chunk.char_start if path is None else start
    part = replace(
        chunk,
        index=chunk.index + number,
        char_start=begin,
        char_end=end,
        overlap=start - begin,
        page_start=bisect.bisect_right(page_starts, begin),
        page_end=bisect.bisect_right(page_starts, end - 1),
        made_from=[chunk.id],
    )
    if path is not None:
        part = replace(
            part,
            heading_path=[title for _, title in path],
            section_id=path[-1][0] if path else "",
            table_header=header_at(chunk, start - chunk.char_start),
        )
    text = chunk.text[begin - chunk.char_start : end - chunk.char_start]
    return with_text(part, text, f"part {number}", count)


def header_at(chunk: Chunk, place: int) -> str:
    """Header rows of the table in whose rows a place of the chunk's text stands; empty outside of rows."""
    if not chunk.text.startswith("|", place):
        return ""
    table_start = chunk.text.rfind("\n\n", 0, place) + 2 if "\n\n" in chunk.text[:place] else 0
    header = DELIMITER_ROW.search(chunk.text, table_start, place)
    if header:
        return f"{header[1]}\n{header[2]}"
    return "" if table_start else chunk.table_header


def with_text(chunk: Chunk, text: str, how: str, count: Count) -> Chunk:
    """A chunk like another with a text, and the id that follows from it."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    origin = chunk.edit_of or ",".join(chunk.made_from)
    return replace(
        chunk,
        id=derived_id(chunk.document_id, digest, how, origin),
        text=text,
        sha256=digest,
        token_count=count(text),
        current=True,
    )


def check_current(chunks: Sequence[Chunk]) -> None:
    """Demand that chunks are those that stand in their documents now.

    Raises:
        FailedPrecondition: one is not.
    """
    for chunk in chunks:
        if not chunk.current:
            raise FailedPrecondition(
                "CHUNK_NOT_CURRENT",
                f"chunk {chunk.id} stands in its document no more; list the chunks again",
                chunk_id=chunk.id,
            )


def check_unedited(chunks: Sequence[Chunk]) -> None:
    """Demand that no chunk is edited: its text has no places in the document's.

    Raises:
        InvalidArgument: one is.
    """
    for chunk in chunks:
        if chunk.edit_of:
            raise InvalidArgument(
                "CHUNK_EDITED",
                f"chunk {chunk.id} is edited; put its original back first (edit it to the original's text)",
                chunk_id=chunk.id,
            )
