"""Chunks: pieces of a document's text that know where they stand; and sections, its outline."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from services.ingest.formats import LANGUAGES
from services.ingest.outline import Heading, Span, Tables, headings_in, headings_of
from services.ingest.readers import Reading
from services.ingest.splitting import SplitOptions, split_reading
from services.ingest.splitting.measure import ruler_of
from services.ingest.splitting.overlap import UNLIMITED, overlaps
from services.ingest.tokens import token_counts
from services.runtime.errors import InvalidArgument
from services.runtime.ids import derived_id


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Where a chunk stands in its document's text, and what was found out about it.

    Args:
        id: derived from the document, the text, and how often this text stood before.
        index: its place among the pieces.
        char_start: offset of its first character, with what it repeats.
        char_end: one past its last.
        overlap: so many characters at its start repeat the end of the piece before.
        page_start: page of its first character; 0 without pages.
        page_end: page of its last character.
        heading_path: titles of the headings above its first own character, outermost first.
        section_id: the innermost section there; empty before the first heading.
        table_header: header and delimiter row of the table whose data rows it starts in; else empty.
        token_count: by the named tokenizer, or estimated.
        sha256: of its text.
    """

    id: str
    index: int
    char_start: int
    char_end: int
    overlap: int = 0
    page_start: int
    page_end: int
    heading_path: Sequence[str]
    section_id: str = ""
    table_header: str = ""
    token_count: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Chunk(Piece):
    """A stored piece of a document; unless edited, `text == document_text[char_start:char_end]`.

    Args:
        project_id: UUID of the project.
        document_id: UUID of the document.
        document_version: version in whose text the offsets count.
        text: what it says.
        current: whether it stands in its document now.
        excluded: whether it is left out.
        edit_of: the chunk in whose place it stands with another text, if it does.
        made_from: the chunks that were merged, or the one that was split, to make it.
    """

    project_id: str
    document_id: str
    document_version: int
    text: str
    current: bool = True
    excluded: bool = False
    edit_of: str | None = None
    made_from: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a document under a heading, or a definition in source code.

    Args:
        id: derived from the document, the titles on its path, and how often this path stood before.
        parent_id: the section around it; empty at the top.
        index: its place among the sections.
        level: depth of its heading, from 1.
        title: its heading.
        char_start: offset of its heading.
        char_end: where the next heading of this or a higher level starts.
        page_start: page of its heading; 0 without pages.
    """

    id: str
    parent_id: str
    index: int
    level: int
    title: str
    char_start: int
    char_end: int
    page_start: int


@dataclass(frozen=True)
class Cut:
    """What a document was cut into."""

    pieces: Sequence[Piece]
    sections: Sequence[Section]


@dataclass(frozen=True)
class Outline:
    """Sections with the titles on their paths; the first path is that of the text before them."""

    sections: Sequence[Section]
    starts: Sequence[int]
    paths: Sequence[Sequence[str]]

    def at(self, place: int) -> tuple[str, Sequence[str]]:
        """Id of the innermost section around a place, and the titles on its path."""
        index = bisect_right(self.starts, place)
        return (self.sections[index - 1].id if index else ""), self.paths[index]


MOST_CHUNK_CHARS = 1_000_000
"""A larger chunk would fit into no answer."""
MOST_CHUNKS = 200_000
"""More of one document no list is made for."""
MOST_HEADER_CHARS = 2000
"""A longer header of a table is left out: it would be repeated with every chunk of the rows."""


def chunk_too_large(chars: int, field: str = "") -> InvalidArgument:
    """The error for a chunk that no answer could hold."""
    return InvalidArgument(
        "CHUNK_TOO_LARGE",
        f"a chunk would have {chars} characters, at most {MOST_CHUNK_CHARS} are allowed; cut at more places",
        field,
        chars=str(chars),
    )


def cut(reading: Reading, document_id: str, options: SplitOptions) -> Cut:
    """Cut a document into pieces and sections.

    An unchanged chunk of a changed document keeps its id.

    Raises:
        InvalidArgument: the tokenizer cannot be had, a cut point is behind the text's end, a chunk would be
            too large, or chunks too many.
    """
    headings, tables = headings_and_tables(reading)
    outline = outline_of(reading, document_id, headings)
    spans = split_reading(reading, options)
    repeated = repeats(reading, options, spans)
    ends = [(start - overlap, end) for (start, end), overlap in zip(spans, repeated, strict=True)]
    check_sizes(ends)
    counts = token_counts(reading.text, ends, options.tokenizer)
    seen: Counter[str] = Counter()
    pieces = []
    for index, ((start, end), overlap) in enumerate(zip(ends, repeated, strict=True)):
        digest = hashlib.sha256(reading.text[start:end].encode()).hexdigest()
        section_id, path = outline.at(start + overlap)
        pieces.append(
            Piece(
                id=derived_id(document_id, digest, str(seen[digest])),
                index=index,
                char_start=start,
                char_end=end,
                overlap=overlap,
                page_start=reading.page_at(start),
                page_end=reading.page_at(end - 1),
                heading_path=path,
                section_id=section_id,
                table_header=table_header(reading.text, tables, start + overlap),
                token_count=counts[index],
                sha256=digest,
            )
        )
        seen[digest] += 1
    return Cut(pieces, outline.sections)


def headings_and_tables(reading: Reading) -> tuple[Sequence[Heading], Tables]:
    """Those of a document; its layout is found once, for this and for cutting."""
    if reading.syntax in LANGUAGES:
        return headings_of(reading.text, reading.syntax)
    return headings_in(reading.layout, reading.syntax), reading.layout.tables


def check_sizes(spans: Sequence[Span]) -> None:
    """Refuse what no list or answer could hold.

    Raises:
        InvalidArgument: there are too many chunks, or one is too large.
    """
    if len(spans) > MOST_CHUNKS:
        raise InvalidArgument(
            "TOO_MANY_CHUNKS",
            f"the text would become {len(spans)} chunks, at most {MOST_CHUNKS} are made of a document; cut "
            "larger ones",
            chunks=str(len(spans)),
        )
    largest = max((end - start for start, end in spans), default=0)
    if largest > MOST_CHUNK_CHARS:
        raise chunk_too_large(largest)


def repeats(reading: Reading, options: SplitOptions, spans: Sequence[Span]) -> list[int]:
    """How many characters of the one before each chunk repeats."""
    if not options.overlap:
        return [0] * len(spans)
    limited = options.strategy not in UNLIMITED
    return list(overlaps(ruler_of(reading.text, options), spans, options.overlap, limited))


def table_header(text: str, tables: Tables, place: int) -> str:
    """Header and delimiter row of the table in whose data rows a place is."""
    index = bisect_right(tables.bodies, place) - 1
    if index < 0 or place >= tables[index].end:
        return ""
    header = text[tables[index].start : tables[index].body]
    return header if len(header) <= MOST_HEADER_CHARS else ""


def outline_of(reading: Reading, document_id: str, headings: Sequence[Heading]) -> Outline:
    """The sections under some headings."""
    ends = section_ends(headings, len(reading.text))
    seen: Counter[tuple[str, ...]] = Counter()
    sections: list[Section] = []
    parents = parents_of(headings)
    paths = paths_of(headings, parents)
    for index, (heading, parent, path) in enumerate(zip(headings, parents, paths[1:], strict=True)):
        sections.append(
            Section(
                id=derived_id(document_id, "section", *path, str(seen[path])),
                parent_id=sections[parent].id if parent >= 0 else "",
                index=index,
                level=heading.level,
                title=heading.title,
                char_start=heading.start,
                char_end=ends[index],
                page_start=reading.page_at(heading.start),
            )
        )
        seen[path] += 1
    return Outline(sections, [heading.start for heading in headings], paths)


def parents_of(headings: Sequence[Heading]) -> list[int]:
    """For each heading the number of the one above it; -1 at the top."""
    parents: list[int] = []
    above: list[tuple[int, int]] = [(-1, -1)]
    for index, (_, _, level, _) in enumerate(headings):
        while above[-1][0] >= level:
            above.pop()
        parents.append(above[-1][1])
        above.append((level, index))
    return parents


def paths_of(headings: Sequence[Heading], parents: Sequence[int]) -> list[tuple[str, ...]]:
    """The titles from the top down to each heading; the first path is that of the text before them."""
    paths: list[tuple[str, ...]] = [()]
    for (_, _, _, title), parent in zip(headings, parents, strict=True):
        paths.append((*paths[parent + 1], title))
    return paths


def section_ends(headings: Sequence[Heading], end: int) -> list[int]:
    """Where the next heading of the same or a higher level starts, for each."""
    ends = [end] * len(headings)
    waiting: list[int] = []
    for index, heading in enumerate(headings):
        while waiting and headings[waiting[-1]].level >= heading.level:
            ends[waiting.pop()] = heading.start
        waiting.append(index)
    return ends
