"""Rules about what stands at the top and the bottom of pages: running lines and page numbers."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from services.ingest.cleaning.changes import Change
from services.ingest.cleaning.drafts import Draft, Line, deletions
from services.ingest.cleaning.line_breaks import goes_on

LEAST_PAGES = 3
"""Pages on which a line must stand to be a running line, or a number to be a page number."""
DEEPEST = 3
"""Most running lines at one end of a page; where more recur, they are the page's text, as in forms."""
FARTHEST = 4
"""Pages from one running line to the next: left and right pages alternate, first pages have none."""
LONGEST = 300
NUMBER = re.compile(r"\d+")
NOT_IN_KEY = re.compile(r"[\s*_#>|]+")

NOT_RUNNING = re.compile(rf"[?？:：]\s*$|.{{{LONGEST}}}")
"""Questions, labels and long lines are a page's text: forms have the same on every page."""
COUNTED = re.compile(
    r"\W*(?:chapter|part|section|appendix|annex|article|clause|question|exercise|problem|lesson|unit|module|step"
    r"|day|week|table|figure|fig\.?|example|box|case|item|no\.?)\s*\d|\W*第\s*\d+\s*[^\s\d页頁]"
    r"|\W*[附插]?[图表例题问案件]\s*\d",
    re.IGNORECASE,
)
"""Lines that count something else than pages; a number that grows makes them other lines."""
MARK = re.compile(r"#{1,6}\s+")
"""Begins a heading; a footer in large type may look like one to a reader."""
OF_PAGE = re.compile(
    r"\b(?:page|pg|p|seite|página)\b\W*\d|第\s*\d+\s*[页頁]|\d\s*(?:/|of)\s*\d", re.IGNORECASE
)
"""Without such a number, headings that differ in a number are headings of what is counted."""
PROSE = re.compile(r"[，。；、]|[.,;:：]$|(?:\S+\s+){12}")
"""What sentences look like."""

BARE = re.compile(r"[-–—―·•|\[(（【\s]*(\d{1,4})(?:\s*/\s*\d{1,4})?[-–—―·•|\])）】\s]*")
TOLD = re.compile(
    r"[-–—―·•|\[(（\s]*(?:(?:page|pg\.?|p\.|seite|página)\s*(\d{1,4})(?:\s*(?:of|/|von|de)\s*\d{1,4})?"
    r"|第\s*(\d{1,4})\s*[页頁](?:\s*[,，/、]?\s*[（(]?\s*共\s*\d{1,4}\s*[页頁]\s*[)）]?)?"
    r"|(\d{1,4})\s+of\s+\d{1,4})[-–—―·•|\])）\s]*",
    re.IGNORECASE,
)
ROMAN = re.compile(r"[-–—·\s]*([ivxl]{1,8})[-–—·\s]*", re.IGNORECASE)
ROMAN_VALUES = {"i": 1, "v": 5, "x": 10, "l": 50}


@dataclass(frozen=True)
class Edge:
    """The lines at one end of a page, from the outside in."""

    page: int
    is_top: bool
    lines: Sequence[Line]


@dataclass(frozen=True)
class Place:
    """On which page a line stands, and the numbers in it."""

    page: int
    text: str
    numbers: tuple[int, ...]


def repeated_lines(draft: Draft) -> list[Change]:
    """Running headers and footers: the same line, but for page numbers, near by on three pages or more."""
    spans: list[tuple[int, int]] = []
    for is_top in (True, False):
        edges = edges_of(draft, is_top, DEEPEST + 1)
        recurring = recurring_places(edges)
        for edge in edges:
            running = running_lines(edge, recurring)
            if len(running) <= DEEPEST:
                apart = parted(draft, edge, running)
                spans += (removal(draft, edge, depth) for depth in apart if is_nearer(draft, edge, depth))
    return deletions(spans, "repeated_lines")


def page_numbers(draft: Draft) -> list[Change]:
    """Lines that hold nothing but the number of the page; without pages only those that say so in words."""
    if not draft.page_starts:
        return deletions(told_numbers(draft), "page_numbers")
    spans: list[tuple[int, int]] = []
    for is_top in (True, False):
        edges = edges_of(draft, is_top, DEEPEST)
        counts = Counter(
            value - edge.page for edge in edges for value in {*map(value_of, edge.lines)} if value
        )
        for edge in edges:
            for depth, line in enumerate(edge.lines):
                value = value_of(line)
                is_number = value and counts[value - edge.page] >= LEAST_PAGES
                if is_nearer(draft, edge, depth) and (is_number or TOLD.fullmatch(unmarked(line.text))):
                    spans.append(removal(draft, edge, depth))
    return deletions(spans, "page_numbers")


def edges_of(draft: Draft, is_top: bool, depth: int) -> list[Edge]:
    """The first or last lines of each page, up to the first that no rule may touch."""
    return [
        Edge(page, is_top, list(prose_only(lines[:depth] if is_top else lines[: -depth - 1 : -1])))
        for page, lines in enumerate(draft.pages)
    ]


def is_nearer(draft: Draft, edge: Edge, depth: int) -> bool:
    """Whether a line is nearer to this end of its page than to the other, where it is found too."""
    count = len(draft.pages[edge.page])
    return depth < (count + 1) // 2 if edge.is_top else depth < count // 2


def prose_only(lines: Iterable[Line]) -> Iterator[Line]:
    """The lines before the first code, table or formula."""
    for line in lines:
        if line.kind != "prose":
            return
        yield line


def removal(draft: Draft, edge: Edge, depth: int) -> tuple[int, int]:
    """The span that goes with a line: also the blank lines between it and the page's text."""
    page_start, page_end = draft.page_span(edge.page)
    lines, line = draft.pages[edge.page], edge.lines[depth]
    if edge.is_top:
        return line.start, lines[depth + 1].start if depth + 1 < len(lines) else max(page_end, line.end)
    before = len(lines) - 2 - depth
    return (lines[before].end if before >= 0 else page_start), line.end


def key_of(line: Line) -> str:
    """A line without what may differ between pages; empty for a line without words."""
    key = NUMBER.sub("0", NOT_IN_KEY.sub("", line.text[:LONGEST])).casefold()
    return key if any(char.isalpha() for char in key) else ""


def recurring_places(edges: Sequence[Edge]) -> Mapping[str, set[int]]:
    """The pages on which each key is part of a run."""
    places: defaultdict[str, dict[int, Place]] = defaultdict(dict)
    for edge in edges:
        for line in edge.lines:
            key = key_of(line)
            if key:
                numbers = tuple(int(number[:9]) for number in NUMBER.findall(line.text))
                places[key].setdefault(edge.page, Place(edge.page, line.text, numbers))
    return {key: run_pages(list(found.values())) for key, found in places.items()}


def run_pages(places: Sequence[Place]) -> set[int]:
    """The pages of those places that follow each other closely, their numbers fixed or counting pages."""
    pages: set[int] = set()
    run: list[Place] = []
    for place, following in zip(places, [*places[1:], None], strict=True):
        run.append(place)
        if following is None or not continues(place, following):
            if len(run) >= LEAST_PAGES:
                pages.update(one.page for one in run)
            run = []
    return pages


def continues(last: Place, place: Place) -> bool:
    """Whether a line may be the same running line as an earlier one: `Chapter 2` is not `Chapter 1`."""
    gap = place.page - last.page
    steps = {new - old for old, new in zip(last.numbers, place.numbers, strict=True)}
    return gap <= FARTHEST and steps <= ({0} if counts_else(place.text) else {0, gap})


def counts_else(text: str) -> bool:
    """Whether a line counts something else than pages; a heading does unless it names the page."""
    bare = unmarked(text)
    return bool(COUNTED.match(bare)) or (bare != text and not OF_PAGE.search(bare))


def unmarked(text: str) -> str:
    """A line without the mark of a heading."""
    mark = MARK.match(text)
    return text[mark.end() :] if mark else text


def running_lines(edge: Edge, recurring: Mapping[str, set[int]]) -> list[int]:
    """How deep the running lines stand, up to the first other line; lines without words are passed over."""
    running = []
    for depth, line in enumerate(edge.lines):
        key = key_of(line)
        if (key and edge.page not in recurring[key]) or NOT_RUNNING.search(line.text):
            break
        if key:
            running.append(depth)
    return running


def parted(draft: Draft, edge: Edge, running: Sequence[int]) -> list[int]:
    """Those running lines that are no part of a paragraph: no sentences, or parted by a blank line."""
    lines = draft.pages[edge.page] if edge.is_top else draft.pages[edge.page][::-1]
    kept = list(running)
    while kept and kept[-1] + 1 < len(lines):
        pair = (lines[kept[-1]], lines[kept[-1] + 1])
        first, second = pair if edge.is_top else pair[::-1]
        is_one = goes_on(first.text, second.text.lstrip())
        is_apart = "\n\n" in draft.text[first.end : second.start].replace(" ", "")
        if is_apart or not (is_one or PROSE.search(pair[0].text.strip())):
            break
        kept.pop()
    return kept


def value_of(line: Line) -> int:
    """The page number that a line consists of; 0 for none."""
    text = unmarked(line.text)
    # A heading that is a bare number may be that of a chapter.
    for pattern in (TOLD, BARE) if text == line.text else (TOLD,):
        match = pattern.fullmatch(text)
        if match:
            return int(next(group for group in match.groups() if group))
    match = ROMAN.fullmatch(line.text)
    return roman(match[1].lower()) if match else 0


def roman(numeral: str) -> int:
    """Value of a Roman numeral."""
    values = [ROMAN_VALUES[char] for char in numeral]
    return sum(
        value if value >= following else -value
        for value, following in zip(values, [*values[1:], 0], strict=True)
    )


def told_numbers(draft: Draft) -> Iterator[tuple[int, int]]:
    """The lines like `Page 3 of 9` of a text without pages, where three or more count up."""
    run: list[tuple[int, Line]] = []
    for line in draft.lines:
        if line.kind != "prose" or not TOLD.fullmatch(unmarked(line.text)):
            continue
        value = value_of(line)
        if run and value != run[-1][0] + 1:
            yield from spans_of(run)
            run = []
        run.append((value, line))
    yield from spans_of(run)


def spans_of(run: Sequence[tuple[int, Line]]) -> Iterator[tuple[int, int]]:
    """The spans of lines that count up long enough."""
    if len(run) >= LEAST_PAGES:
        yield from ((line.start, line.end) for _, line in run)
