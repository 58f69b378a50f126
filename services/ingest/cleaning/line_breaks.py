"""The rule about line ends that only the width of a page or a mail brought."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from services.ingest.cleaning.changes import Change
from services.ingest.cleaning.drafts import Draft, Line

NO_PARAGRAPH = re.compile(
    r"[ \t]{4}|\t|\s{0,3}(?:[-*+•·●▪◦‣>|#<=~_]|\d{1,9}[.)、．]|[（(][\w一二三四五六七八九十]{1,3}[）)]|"
    r"[一二三四五六七八九十]{1,3}、|第[\d一二三四五六七八九十百]{1,5}[章节条]|!\[|\[\^)"
)
"""How lines begin that are no running text: lists, headings, quotations, tables, pictures, footnotes."""
WIDE = re.compile(
    r"[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6]"
)
"""Characters twice as wide as others (UAX #11)."""
NARROWEST = 30
LEAST_LINES = 3
"""A paragraph that shows by itself how wide the lines are; shorter ones are judged by those."""
FIRST_WORD = re.compile(r"\S+")
OPEN_END = re.compile(r"[a-zß-ÿ,;]$|[，、；]$")
GOES_ON = re.compile(r"[a-zß-ÿ]")


def line_breaks(draft: Draft) -> list[Change]:
    """Line ends of paragraphs wrapped at a fixed width, and page ends in the middle of a sentence."""
    changes = [*wrapped(draft), *continued(draft)]
    return sorted(changes, key=lambda change: change.start)


def wrapped(draft: Draft) -> Iterator[Change]:
    """The line ends of paragraphs in which each was brought by the width."""
    found = list(paragraphs(draft))
    widths = {index: width_of_wrapping(lines) for index, lines in enumerate(found)}
    common = Counter(width for width in widths.values() if width).most_common(1)
    usual = common[0][0] if common else 0
    for index, lines in enumerate(found):
        width = widths[index] or (usual if len(lines) < LEAST_LINES else 0)
        if width and is_wrapped(lines, width):
            yield from (joint(line, following) for line, following in pairwise(lines))


def paragraphs(draft: Draft) -> Iterator[list[Line]]:
    """Runs of two or more lines of running text without line breaks that are meant."""
    run: list[Line] = []
    pages = set(draft.page_starts)
    for line in draft.lines:
        is_text = line.kind == "prose" and not NO_PARAGRAPH.match(line.text)
        if run and (not is_text or line.start in pages):
            yield from [run] if len(run) > 1 and is_text_only(run, line) else []
            run = []
        if is_text:
            run.append(line)
    if len(run) > 1 and is_text_only(run, None):
        yield run


def is_text_only(lines: Sequence[Line], following: Line | None) -> bool:
    """Whether a run is no list item's end or heading, and holds no line break of Markdown."""
    is_underlined = following is not None and re.fullmatch(r"\s*(=+|-+)\s*", following.text)
    return not is_underlined and not any(line.text.endswith(("  ", "\\")) for line in lines[:-1])


def width_of_wrapping(lines: Sequence[Line]) -> int:
    """The width at which a paragraph is wrapped, by its longest line; 0 if it does not show one."""
    width = max(width_of(line.text) for line in lines)
    is_clear = len(lines) >= LEAST_LINES and width >= NARROWEST
    return width if is_clear and is_wrapped(lines, width) else 0


def is_wrapped(lines: Sequence[Line], width: int) -> bool:
    """Whether no line would have had room for the beginning of the next."""
    return all(width_of(line.text) <= width for line in lines) and all(
        width_of(line.text) + room_for(following.text) > width for line, following in pairwise(lines)
    )


def room_for(text: str) -> int:
    """The width that the beginning of a line takes: its first word and a blank, or two wide characters."""
    match = FIRST_WORD.search(text)
    word = match[0] if match else ""
    return 4 if WIDE.match(word) else 1 + width_of(word)


def width_of(text: str) -> int:
    """The width of a line without its indentation's end, in narrow characters."""
    bare = text.rstrip()
    return len(bare) if bare.isascii() else len(bare) + len(WIDE.findall(bare))


def continued(draft: Draft) -> Iterator[Change]:
    """The ends of pages in the middle of a sentence."""
    for lines, following in pairwise(draft.pages):
        if not lines or not following:
            continue
        last, first = lines[-1], following[0]
        is_text = last.kind == first.kind == "prose" and not NO_PARAGRAPH.match(first.text)
        if is_text and goes_on(last.text, first.text) and not last.text.lstrip().startswith("#"):
            yield joint(last, first)


def goes_on(before: str, after: str) -> bool:
    """Whether a line ends in the middle of a sentence, and another one may be the rest of it."""
    end = OPEN_END.search(before.rstrip())
    return end is not None and bool(GOES_ON.match(after) or (WIDE.match(end[0]) and WIDE.match(after)))


def joint(line: Line, following: Line) -> Change:
    """The change that joins two lines: with a blank, but not between Chinese characters or after a hyphen."""
    left, right = line.text.rstrip(), following.text.lstrip()
    is_close = (WIDE.match(left[-1]) and WIDE.match(right)) or re.search(r"[^\W\d_]-$", left)
    start = line.start + len(left)
    end = following.end - len(following.text.lstrip())
    return Change(start, end, "" if is_close else " ", "line_breaks")
