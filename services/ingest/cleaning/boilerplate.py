"""The rule about lines that belong to a web site or to a printed form, not to the document."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set

from services.ingest.cleaning.changes import Change
from services.ingest.cleaning.drafts import Draft, Line, deletions
from services.ingest.cleaning.site_lines import ALWAYS, COPYRIGHT, MENU

LONGEST = 300
LEAST_MENU = 3
"""Menu items that must stand together."""
DOTS = re.compile(r"\.[ \t]?\.[ \t]?\.[ \t]?\.|…|[·•‥][ \t]?[·•‥]|_____")
"""What every row of dots holds; found faster than the whole."""
MARKER = re.compile(r"\s*(?:[-*+•·●▪]\s+|\d{1,2}\.\s+)?")
LINK = re.compile(r"(?<!!)\[([^\]\n]*)\]\([^)\n]*\)")
LEADER = re.compile(
    r"(\s*(?:\.[ \t]?){4,}|\s*(?:…[ \t]?){2,}|\s*(?:[·•‥][ \t]?){4,}|\s*_{5,})\s*(\S{1,8})\s*"
)
NUMBERING = re.compile(r"[#\s]*(?:[\d.]{1,8}\s+)?")
PAGE = re.compile(r"[\divxlc]{1,6}(?:-\d{1,4})?", re.IGNORECASE)
DIGITS = re.compile(r"\d+")


def boilerplate(draft: Draft) -> list[Change]:
    """Cookie notices, menus, lines for sharing and printing, repeated copyright lines, rows of dots."""
    numbers = [number for number, line in enumerate(draft.lines) if line.kind == "prose"]
    lines = [draft.lines[number] for number in numbers]
    bare = [bare_text(line) for line in lines]
    removed = {
        *(at for at, text in enumerate(bare) if len(text) <= LONGEST and ALWAYS.fullmatch(text)),
        *menus(bare),
        *copyright_lines(bare),
        *contents(lines),
    }
    changes = deletions(spans_without(draft, {numbers[at] for at in removed}), "boilerplate")
    changes += (leader(line) for at, line in enumerate(lines) if at not in removed and leads(line))
    return sorted(changes, key=lambda change: change.start)


def spans_without(draft: Draft, removed: Set[int]) -> Iterator[tuple[int, int]]:
    """The spans of some lines; the blank lines after them too, unless none stand before."""
    lines, blank_before = draft.lines, True
    for at, line in enumerate(lines):
        if at not in removed:
            blank_before = line.kind == "blank"
            continue
        end = at + 1
        while blank_before and end < len(lines) and lines[end].kind == "blank":
            end += 1
        yield line.start, lines[end].start if end < len(lines) else len(draft.text)


def bare_text(line: Line) -> str:
    """A line without list marker, links and emphasis."""
    text = line.text
    if len(text) > 4 * LONGEST:
        return text
    if "](" in text:
        text = LINK.sub(r"\1", text)
    marker = MARKER.match(text)
    return text[marker.end() if marker else 0 :].strip(" \t*_|")


def menus(bare: Sequence[str]) -> Iterator[int]:
    """The items of menus: three or more in a row."""
    run: list[int] = []
    for at, text in enumerate([*bare, ""]):
        if len(text) <= LONGEST and MENU.fullmatch(text):
            run.append(at)
            continue
        if len(run) >= LEAST_MENU:
            yield from run
        run = []


def copyright_lines(bare: Sequence[str]) -> Iterator[int]:
    """The copyright lines that stood before already, but for years."""
    seen: set[str] = set()
    for at, text in enumerate(bare):
        if len(text) > LONGEST or not COPYRIGHT.fullmatch(text):
            continue
        key = DIGITS.sub("0", text).casefold()
        if key in seen:
            yield at
        seen.add(key)


def contents(lines: Sequence[Line]) -> Iterator[int]:
    """The lines of a table of contents whose titles stand in the text again."""
    rows = {at: title_of(line) for at, line in enumerate(lines) if leads(line)}
    if any(rows.values()):
        titles = {bare_title(line.text) for at, line in enumerate(lines) if at not in rows}
        yield from (at for at, title in rows.items() if title and title in titles)


def leads(line: Line) -> bool:
    """Whether a line has a row of dots and ends with a number or another short word."""
    may_lead = len(line.text) <= LONGEST and DOTS.search(line.text)
    match = LEADER.search(line.text) if may_lead else None
    return match is not None and match.start() > 0 and match.end() == len(line.text)


def title_of(line: Line) -> str:
    """What stands before the dots, if a page number stands behind them; else nothing."""
    match = LEADER.search(line.text)
    return bare_title(line.text[: match.start()]) if match and PAGE.fullmatch(match[2]) else ""


def bare_title(text: str) -> str:
    """A title as it is compared: without numbering and blanks."""
    return "".join(NUMBERING.sub("", text[:LONGEST], count=1).split()).casefold()


def leader(line: Line) -> Change:
    """The change that puts a blank in the place of a row of dots."""
    match = LEADER.search(line.text)
    assert match is not None  # noqa: S101  # `leads` has found it
    return Change(line.start + match.start(1), line.start + match.start(2), " ", "boilerplate")
