"""Outlines of documents: what is put under tags, and how models see it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile

from services.generation.questions.quotes import one_line

MOST_CHARS = 20_000
"""Characters of an outline that a model sees in one call."""
MOST_ENTRIES = 300
"""Entries of the same."""
LONGEST_TITLE = 200
SHORTEST_LINE = 8
SEPARATOR = " > "

Titles = tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """A heading of a document, or the beginning of a chunk where there are none.

    Args:
        number: place among those of a generation, from 1.
        document_id: UUID of the document.
        document_name: its name.
        heading_path: titles from its top to the heading; empty for a chunk.
        chunk_id: UUID of the chunk; nothing for a heading.
        title: as models see it.
        tag: the tag that it is under, by the titles from the top; nothing before it has one.
        written: a model was asked for tags for it.
        placed: a model was asked which tag it belongs under.
    """

    number: int
    document_id: str
    document_name: str
    heading_path: Titles
    chunk_id: str | None
    title: str
    tag: Titles | None = None
    written: bool = False
    placed: bool = False

    @property
    def depth(self) -> int:
        """How deep it stands, from 1."""
        return max(1, len(self.heading_path))


def beginning(text: str) -> str:
    """What stands for a text without a heading: its first line, or 200 characters where that is too short."""
    first, whole = next((line for line in text.splitlines() if line.strip()), ""), one_line(text)
    first = one_line(first)
    return first if SHORTEST_LINE <= len(first) <= LONGEST_TITLE else whole[:LONGEST_TITLE]


def shown(entries: Sequence[Entry]) -> str:
    """An outline: a line for each document and each entry, these numbered from 1 and indented.

    What stands above an entry and is no entry itself stands before it on its line.
    """
    return "\n".join(line for lines in shown_lines(entries) for line in lines)


def shown_lines(entries: Iterable[Entry]) -> Iterable[list[str]]:
    """The lines of an outline, those of one entry together."""
    document, above = "", set[Titles]()
    for number, entry in enumerate(entries, 1):
        lines = []
        if entry.document_id != document:
            document, above = entry.document_id, set()
            lines = [f"# {one_line(entry.document_name)}"]
        path = entry.heading_path
        depth = max((size for size in range(len(path)) if path[:size] in above), default=0)
        titles = SEPARATOR.join([*map(short, path[depth:-1]), entry.title])
        lines.append(f"{number}. {'  ' * depth}{titles}")
        above.add(path)
        yield lines


def short(title: str) -> str:
    """A title as it is shown."""
    return one_line(title)[:LONGEST_TITLE]


def part(entries: Sequence[Entry]) -> list[Entry]:
    """As many of the first entries as a model sees in one call; at least one."""
    total, fitting = 0, list[Entry]()
    for entry, lines in zip(entries[:MOST_ENTRIES], shown_lines(entries), strict=False):
        total += sum(len(line) + 1 for line in lines)
        if fitting and total > MOST_CHARS:
            break
        fitting.append(entry)
    return fitting


def fits(entries: Sequence[Entry]) -> bool:
    """Whether a model sees them all in one call."""
    return len(part(entries)) == len(entries)


def upper(entries: Sequence[Entry]) -> list[Entry]:
    """The upper levels of an outline, as far as a model sees them in one call.

    Of a first level that is too large for that, some spread evenly over all of it.
    """
    deepest = max(entry.depth for entry in entries)
    levels = ([one for one in entries if one.depth <= depth] for depth in range(1, deepest + 1))
    fitting = list(takewhile(fits, levels))
    return fitting[-1] if fitting else spread([one for one in entries if one.depth == 1] or list(entries))


def spread(entries: Sequence[Entry]) -> list[Entry]:
    """As many entries as a model sees in one call, spread evenly."""
    wanted = min(len(entries), MOST_ENTRIES)
    while True:
        chosen = [entries[index * len(entries) // wanted] for index in range(wanted)]
        if wanted == 1 or fits(chosen):
            return chosen
        wanted = max(1, wanted * 4 // 5)
