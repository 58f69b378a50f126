"""The blocks of all pages become one Markdown text: headings, words broken at line ends, lists in lists."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from services.ingest.readers.pdf.lines import ENTRY, LARGER, NUMBER, Block, title_key
from services.ingest.readers.pdf.marks import without_marks
from services.ingest.readers.pdf.words import Words
from services.ingest.readers.shared.markdown import fence, heading, paragraph

LONGEST_HEADING = 200
MOST_HEADING_LINES = 4
LONGEST_BOLD = 100
MOST_LEVELS = 6
RUNNING_PAGES = 3
"""A text on so many pages, and on a third of them, is a running header and no heading."""
EDGE = 2
"""So many blocks at each end of a page may be its header or footer."""
COUNTED_PAGE = re.compile(
    r"\b(?:page|pg|p|seite|página|страница|стр)\b|[页頁]|ページ|쪽|\d\s*(?:/|of)\s*\d", re.IGNORECASE
)
"""What a number of the page is known by, and not taken for that of a chapter or a quarter."""
LISTED = re.compile(r"\s*(?:-|\d+[.)]) ")
SENTENCE_END = tuple(".,;:。，；：、")
NESTED = 0.8
LINED = {"text", "item"}
"""Kinds of blocks in which a line may end anywhere."""

EdgeKey: TypeAlias = tuple[str, float]


class Level(NamedTuple):
    """A list that is being written: its left side on the page, its indent and the width of its marks."""

    left: float
    indent: int
    width: int


def assembled(
    pages: Sequence[Sequence[Block]], resolved: Callable[[str], str] = str
) -> tuple[str, list[int]]:
    """The text of the pages and where each starts; `resolved` puts in what marks in a text stand for."""
    whole = Headings(pages)
    words = Words(pages)
    starts: list[int] = []
    texts: list[str] = []
    length = 0
    for blocks in pages:
        starts.append(length)
        text = resolved(page_text(blocks, whole, words))
        if text:
            texts.append(text + "\n\n")
            length += len(text) + 2
    joined = "".join(texts).rstrip("\n") + "\n"
    # Empty pages at the end start where the text ends.
    return joined, [min(start, len(joined)) for start in starts]


def page_text(blocks: Sequence[Block], headings: Headings, words: Words) -> str:
    """The Markdown of a page."""
    text, before = "", ""
    lists: list[Level] = []
    for at, block in enumerate(blocks):
        level = headings.level_of(block, blocks[at + 1] if at + 1 < len(blocks) else None)
        kind = "heading" if level else block.kind
        if kind != "item":
            lists.clear()
        part = words.mended(part_of(block, level, lists), lines=kind in LINED)
        if part:
            if kind == "item" and not LISTED.match(part):
                # Markdown knows no such list, and would take its items for one paragraph.
                kind = "text"
            text += ("\n" if kind == before == "item" else "\n\n" if text else "") + part
            before = kind
    return text


def part_of(block: Block, level: int, lists: list[Level]) -> str:
    """The Markdown of a block; `lists` are the lists that it may be in, the outermost first."""
    if level:
        return heading(level, block.text.removeprefix("- "))
    if block.kind == "code":
        return fence(without_marks(block.text))
    if block.kind == "item":
        return indented(block, lists)
    if block.kind == "text":
        text = block.text.strip()
        # Most are one line that begins with a letter, and need no look at what would mean something else.
        return text if text[:1].isalnum() and "\n" not in text else paragraph(text)
    return block.text.strip("\n")


def indented(block: Block, lists: list[Level]) -> str:
    """A list item, below the item that it belongs to."""
    step = NESTED * block.size
    while lists and block.left < lists[-1].left - step:
        lists.pop()
    if lists and block.left <= lists[-1].left + step:
        indent = lists.pop().indent
    else:
        indent = lists[-1].indent + lists[-1].width if lists else 0
    number = NUMBER.match(block.text)
    lists.append(Level(block.left, indent, len(number[0].rstrip()) + 1 if number else 2))
    shift = " " * indent
    return shift + block.text.replace("\n", f"\n{shift}  ")


class Headings:
    """Which blocks are headings: what is larger than the body, bold lines, and what the bookmarks name.

    Args:
        pages: all blocks.
    """

    def __init__(self, pages: Sequence[Sequence[Block]]) -> None:
        sizes: Counter[float] = Counter()
        bold = 0
        chars = 0
        for block in texts_of(pages):
            if not block.body:
                sizes[rounded(block.size)] += len(block.text)
            chars += len(block.text)
            bold += len(block.text) if block.bold else 0
        self._body = sizes.most_common(1)[0][0] if sizes else 0.0
        self._bold_body = bold * 2 > chars
        self._running = running(pages)
        self._edges = running_edges(pages)
        larger = Counter[float]()
        known: dict[float, Counter[int]] = {}
        for block in texts_of(pages):
            if block.level:
                known.setdefault(rounded(block.size), Counter())[block.level] += 1
            elif self._larger(block) and not self._runs(block):
                larger[rounded(block.size)] += 1
        self._levels: dict[float, int] = {}
        above = 0
        for size in sorted({*larger, *known}, reverse=True):
            above = known[size].most_common(1)[0][0] if size in known else above + 1
            self._levels[size] = above
        self._deepest = min(max((self._levels[size] for size in larger), default=0) + 1, MOST_LEVELS)

    def level_of(self, block: Block, after: Block | None) -> int:
        """Level of the heading that a block is, 0 if it is none."""
        if block.level:
            return min(block.level, MOST_LEVELS)
        if block.kind not in {"text", "item"} or len(block.text) > LONGEST_HEADING:
            return 0
        if self._runs(block):
            return 0
        if self._larger(block):
            return min(self._levels[rounded(block.size)], MOST_LEVELS)
        return self._deepest if self._bold_line(block, after) else 0

    def _runs(self, block: Block) -> bool:
        return bool(self._running and title_key(block.text) in self._running) or (
            bool(self._edges) and edge_key(block) in self._edges
        )

    def _larger(self, block: Block) -> bool:
        return (
            block.size >= LARGER * (block.body or self._body)
            and block.lines <= MOST_HEADING_LINES
            and not block.text.startswith("- ")
            and len(block.text) <= LONGEST_HEADING
            and any(map(str.isalpha, block.text))
            and not ENTRY.search(block.text)
        )

    def _bold_line(self, block: Block, after: Block | None) -> bool:
        return (
            block.bold
            and not self._bold_body
            and block.size >= 0.95 * self._body
            and block.lines <= 2
            and 1 < len(block.text) <= LONGEST_BOLD
            and not block.text.startswith("- ")
            and not block.text.rstrip().endswith(SENTENCE_END)
            and any(map(str.isalpha, block.text))
            and not ENTRY.search(block.text)
            and after is not None
            and not after.bold
        )


def texts_of(pages: Sequence[Sequence[Block]]) -> Iterator[Block]:
    """The blocks that are paragraphs or list items."""
    for blocks in pages:
        for block in blocks:
            if block.kind in {"text", "item"}:
                yield block


def running(pages: Sequence[Sequence[Block]]) -> set[str]:
    """Short texts that stand on many pages."""
    seen: Counter[str] = Counter()
    for blocks in pages:
        seen.update({title_key(block.text) for block in texts_of([blocks]) if len(block.text) < LONGEST_BOLD})
    return {key for key, count in seen.items() if count >= max(RUNNING_PAGES, len(pages) / 3)}


def running_edges(pages: Sequence[Sequence[Block]]) -> set[EdgeKey]:
    """What stands at the edge of most pages, and of two at least."""
    seen: Counter[EdgeKey] = Counter()
    for blocks in pages:
        texts = [block for block in texts_of([blocks]) if len(block.text) < LONGEST_BOLD]
        seen.update(set(map(edge_key, texts[:EDGE] + texts[-EDGE:])))
    return {key for key, count in seen.items() if key[0] and count > max(1, len(pages) / 2)}


def edge_key(block: Block) -> EdgeKey:
    """What the headers of pages have in common: letters, font size, and numbers unless they count pages."""
    key = title_key(block.text)
    if COUNTED_PAGE.search(block.text):
        key = "".join(char for char in key if not char.isdigit())
    return key, rounded(block.size)


def rounded(size: float) -> float:
    """A font size to half a point."""
    return round(size * 2) / 2
