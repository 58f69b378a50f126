"""Lines of a page become paragraphs, list items and code: what only the page width broke is joined."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from statistics import quantiles
from typing import NamedTuple

from services.ingest.readers.pdf.layout import RIGHT_TO_LEFT, WIDE, Run, letters
from services.ingest.readers.pdf.text import HYPHEN

LONGEST_TITLE = 250
TITLE_NUMBER = re.compile(r"^\s*(?:[^\W\d_]+\s+)?(?:\d+|[A-Z])(?:\.\d+)*[.):]?\s+")
FULL_LINE = 50
"""A line at least this long that ends in the middle of a sentence was broken by the page width."""
FULL_ENOUGH = 24
"""A line shorter than this is not taken for broken by the width, even if the next word had no room in it."""
RUNS_ON = re.compile(r"[a-z(]")
"""How a line begins that goes on with the sentence of the line before."""
SENTENCE_MARKS = ".!?:;。！？：；…"
CLOSING = "\"'”’»)]）】」』》"
ENTRY = re.compile(r"(?:\.\s?){4,}\s*[\divxlc]*$|…{2,}\s*\d*$")
"""A line of a table of contents."""
ENTRY_POINTS, ENTRY_DOTS, ENTRY_CHARS = 4, "……", 40
"""It has so many points, or these, in its last characters."""
MARK_ENDS = (".", ")", "、", "．")
BROKEN_ENDS = (HYPHEN, "-")
LATIN = "\u2e80"
"""No character before this one is Chinese or Japanese."""
NO_LETTERS = bytes(code for code in range(128) if not chr(code).isalnum())
BULLET = re.compile(
    "(?:[•◦▪▫‣●○■□◆◇▶►➢➤❖✓✔∙⁃·\uf0b7\uf0a7\uf0d8\uf0a8\uf076\uf0fc\uf06c\uf06e]\\s*|[-–—*]\\s+)(?=\\S)"
)
NUMBER = re.compile(
    r"(?:\d{1,3}[.)](?![\d.])|\d{1,3}[、．]|[(（](?:\d{1,3}|[a-zA-Z]|[ivx]{1,5}|[一二三四五六七八九十]{1,3})[)）]"
    r"|[一二三四五六七八九十]{1,3}、|[a-zA-Z][.)](?=\s)|[ivxIVX]{1,5}[.)](?=\s)|[①-⑳])\s*(?=\S)"
)
CHAPTER = re.compile(
    r"(?:\d{1,2}(?:\.\d{1,2})+\.?|\d{1,2}\.|[IVX]{1,5}\.|[A-Z]\."
    r"|(?:Chapter|Section|Part|Appendix|Annex)\s(?:\d{1,3}|[IVXLC]{1,6}|[A-Z])\b[.:]?)(?:$|\s+(?=[^\W\d_a-z]))"
    r"|第(?:\d{1,3}|[一二三四五六七八九十百]{1,5})[章节節篇部编編]"
)
"""How a numbered heading begins; a bare number may as well be one of the words: `10 Years of planting`."""
LARGER = 1.13
"""Headings are at least so many times larger than the body."""
OPEN_ENDS = ",、-–—&("
"""How a line ends whose heading goes on in any case."""
INDENT = 0.8
"""A line that starts this many font sizes further in begins a paragraph, or goes on with a list item."""
CENTRED = 2.0
"""Lines of different width are centred if their middles differ by no more points than half of this."""
UNEVEN = 2.0
"""Points by which the left sides of recognised lines differ that stand below one another."""
SIZE_STEP = 0.08
USUAL_PITCH = 1.35
"""Distance of lines of a paragraph in font sizes, where the page shows no other."""
WIDER = 1.3
"""Paragraphs are so many times further apart than lines."""
LEAP = 1.9
"""Lines of one sentence may be so much apart, as when higher letters stand between."""


class Block(NamedTuple):
    """A part of a page: paragraph, list item, code, table or picture.

    Args:
        kind: `text`, `item`, `code`, `table` or `image`.
        text: its Markdown; for `text` and `item` before it is known whether it is a heading.
        size: font size in points; 0 for tables and pictures.
        bold: whether all of it is bold.
        lines: how many lines it has on the page.
        level: of its heading by the bookmarks; 0 without.
        left: its left side, for lists in lists.
        body: font size of the page's text where it tells nothing of the document's, as after OCR; else 0.
    """

    kind: str
    text: str
    size: float = 0.0
    bold: bool = False
    lines: int = 1
    level: int = 0
    left: float = 0.0
    body: float = 0.0


def is_marker(text: str) -> bool:
    """Whether a text is nothing but the bullet or number of a list item."""
    return bool(BULLET.match(text + " x") or NUMBER.match(text + " x")) and letters(text) < 6


def blocks_of(lines: Sequence[Run], titles: dict[str, int]) -> list[Block]:
    """The lines of a flow, from top to bottom, as blocks.

    Args:
        lines: the lines.
        titles: levels of the headings that the bookmarks name on this page, by `title_key`.
    """
    if not lines:
        return []
    pitch, body = pitch_of(lines), body_of(lines)
    groups: list[list[Run]] = []
    sides: list[float] = []
    for line, right in zip(lines, right_sides(lines, pitch), strict=True):
        if groups and not (
            starts_block(groups[-1], line, sides[-1], pitch, titles)
            or (body and starts_heading(groups[-1][-1], line, body))
        ):
            groups[-1].append(line)
        else:
            groups.append([line])
            sides.append(right)
    return [block_of(group, right, titles) for group, right in zip(groups, sides, strict=True)]


def right_sides(lines: Sequence[Run], pitch: float) -> list[float]:
    """Where a full line would end, for each line: where the longest does of those that it stands with."""
    ends: list[float] = []
    first = 0
    leap = LEAP * pitch
    for at, (before, line) in enumerate(pairwise(lines), 1):
        size = line.size
        if abs(size - before.size) > SIZE_STEP * size or not -1 < line.bottom - before.bottom < leap * size:
            ends += [max([one.right for one in lines[first:at]])] * (at - first)
            first = at
    return ends + [max([one.right for one in lines[first:]])] * (len(lines) - first)


def pitch_of(lines: Sequence[Run]) -> float:
    """Distance of the lines within a paragraph, in font sizes."""
    pitches = [
        (after.bottom - before.bottom) / max(after.size, 1.0)
        for before, after in pairwise(lines)
        if abs(after.size - before.size) < 1 and after.bottom > before.bottom
    ]
    return max(quantiles(pitches, n=4)[0], 1.0) if len(pitches) > 2 else USUAL_PITCH * 1.25


def body_of(lines: Sequence[Run]) -> float:
    """Font size of most of the text; only looked for where a line may be a numbered heading."""
    sizes = Counter[float]()
    if any(map(CHAPTER.match, [line.text for line in lines])):
        for line in lines:
            sizes[line.size] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 0.0


def starts_block(group: list[Run], line: Run, right: float, pitch: float, titles: dict[str, int]) -> bool:
    """Whether a line begins a block of its own below the lines of a group."""
    before = group[-1]
    # Called for each line of a document, so that `max` would show.
    size = line.size if line.size > before.size else before.size
    step = (line.bottom - before.bottom) / (pitch * size)
    if line.mono and before.mono:
        return step > 3.0
    return (
        abs(line.size - before.size) > SIZE_STEP * size
        or line.bold != before.bold
        or line.mono != before.mono
        or (step > WIDER and not (step < LEAP and goes_on(before, line, right)))
        or line.bottom <= before.top
        or bool(titles and (title_level(line.text, titles) or title_level(before.text, titles)))
        or (may_mark(line.text) and marks_item(group, line, right))
        or moved(group, line, right)
        or (line.text[0] >= LATIN and changes_script(group, line))
        or (ends_sentence(before.text) and not full(before, line, right))
    )


def starts_heading(before: Run, line: Run, body: float) -> bool:
    """Whether a line in large type begins a heading of its own below another, by its number."""
    return (
        line.size >= LARGER * body
        and before.text[-1:] not in OPEN_ENDS
        and CHAPTER.match(line.text) is not None
    )


def goes_on(before: Run, after: Run, right: float) -> bool:
    """Whether a full line ends in the middle of a sentence that the next one goes on with."""
    return after.text[0].islower() and not ends_sentence(before.text) and full(before, after, right)


def marks_item(group: list[Run], line: Run, right: float) -> bool:
    """Whether a line begins with the mark of a list item, and not by chance with a number of the sentence."""
    if BULLET.match(line.text):
        return True
    before = group[-1]
    return bool(NUMBER.match(line.text)) and (
        is_item(group[0].text) or ends_sentence(before.text) or not full(before, line, right)
    )


def may_mark(text: str) -> bool:
    """Whether a look at the first characters leaves it open that a list item begins."""
    return not (text[0].isalpha() and text[0].isascii() and text[1:2] not in MARK_ENDS)


@lru_cache(maxsize=64)
def is_item(text: str) -> bool:
    """Whether a text begins with the mark of a list item."""
    return may_mark(text) and bool(BULLET.match(text) or NUMBER.match(text))


def moved(group: list[Run], line: Run, right: float) -> bool:
    """Whether a line is indented against the group so that it begins a paragraph."""
    before, size = group[-1], max(line.size, 1.0)
    if is_item(group[0].text):
        return line.left < group[0].left + 0.3 * size and not full(before, line, right)
    shift = line.left - before.left
    if abs(shift) <= INDENT * size:
        return False
    centred = abs(before.left + before.right - line.left - line.right) < size
    if centred or (not line.text.isascii() and RIGHT_TO_LEFT.search(line.text)):
        return False
    return shift > 0 or len(group) > 1


def changes_script(group: list[Run], line: Run) -> bool:
    """Whether a line in Chinese or Japanese follows lines that hold none of it, and may be at an end."""
    if not WIDE.match(line.text):
        return False
    ends = len(group) > 1 or group[-1].text[-1:] in SENTENCE_MARKS + CLOSING
    return ends and not any(WIDE.search(one.text) for one in group)


def full(before: Run, after: Run, right: float) -> bool:
    """Whether the first word of a line had no room in the line before; centred lines do not tell."""
    shift, other = after.left - before.left, after.right - before.right
    # Recognition gives the lines of a straight margin sides that differ a little.
    if abs(shift) > UNEVEN and abs(shift + other) < CENTRED:
        return False
    word = 1 if after.text[0] > LATIN else after.text.find(" ")
    if word < 0:
        word = len(after.text)
    width = (after.right - after.left) * word / max(len(after.text), 1)
    return before.right + width + 0.2 * before.size > right


def ends_sentence(text: str) -> bool:
    """Whether a line ends with a sentence."""
    return text.rstrip(CLOSING)[-1:] in SENTENCE_MARKS if text else True


def joined(lines: Sequence[Run], right: float, in_cell: bool = False) -> str:
    r"""The text of lines: one text where the width broke it, `\n` elsewhere.

    Args:
        lines: the lines, from top to bottom.
        right: where full lines end.
        in_cell: whether it is known where full lines end, so that nothing but that counts.
    """
    text = lines[0].text
    for before, after in pairwise(lines):
        if text[-1:] in BROKEN_ENDS and is_broken(text, after.text):
            text = text[:-1] + HYPHEN + after.text
        elif wrapped(before, after, right, in_cell):
            text += glue(text[-1], after.text[0]) + after.text
        else:
            text += "\n" + after.text
    return text


def glue(before: str, after: str) -> str:
    """What joins two lines: nothing beside Chinese and Japanese, otherwise a space."""
    if before < LATIN and after < LATIN:
        return " "
    return "" if WIDE.match(before) or WIDE.match(after) else " "


def is_broken(text: str, after: str) -> bool:
    """Whether a line ends within a word."""
    if text[-1] == HYPHEN:
        return True
    before = text[-2:-1]
    return (before.isalpha() and RUNS_ON.match(after) is not None) or (
        before.isdigit() and after[:1].isdigit()
    )


def wrapped(before: Run, after: Run, right: float, in_cell: bool) -> bool:
    """Whether only the width ended a line."""
    if not before.text or not after.text or is_entry(before.text):
        return False
    if in_cell:
        return full(before, after, right)
    going_on = before.text[-1] not in SENTENCE_MARKS
    if going_on and (len(before.text) >= FULL_LINE or RUNS_ON.match(after.text)):
        return True
    return letters(before.text) >= FULL_ENOUGH and full(before, after, right)


def is_entry(text: str) -> bool:
    """Whether a line is one of a table of contents."""
    tail = max(len(text) - ENTRY_CHARS, 0)
    # Nearly no line has so many points, and to count them takes a tenth of the time of a search.
    if text.count(".", tail) < ENTRY_POINTS and ENTRY_DOTS not in text:
        return False
    return ENTRY.search(text, tail) is not None


def block_of(group: list[Run], right: float, titles: dict[str, int]) -> Block:
    """The block that lines make."""
    first = group[0]
    if first.mono:
        return Block("code", code_of(group), first.size, first.bold, len(group), 0, first.left)
    text = joined(group, right)
    bullet = BULLET.match(text)
    kind = "item" if bullet or is_item(text) else "text"
    if bullet:
        text = "- " + text[bullet.end() :]
    level = title_level(text, titles)
    return Block(kind, text, first.size, all(line.bold for line in group), len(group), level, first.left)


def code_of(group: list[Run]) -> str:
    """Lines of a typewriter with their indentation, in characters."""
    left = min(line.left for line in group)
    longest = max(group, key=lambda line: len(line.text))
    width = max((longest.right - longest.left) / max(len(longest.text), 1), 1.0)
    pitch = min(
        (after.bottom - before.bottom for before, after in pairwise(group)),
        default=0.0,
    )
    text = ""
    for at, line in enumerate(group):
        if at and pitch > 0:
            text += "\n" * max(round((line.bottom - group[at - 1].bottom) / pitch), 1)
        elif at:
            text += "\n"
        text += " " * round((line.left - left) / width) + line.text
    return text.replace(HYPHEN, "-")


def title_level(text: str, titles: dict[str, int]) -> int:
    """Level of the heading that a text is by the bookmarks, which may leave out its number; or 0."""
    if not titles or len(text) > LONGEST_TITLE or not title_key(text).endswith(tuple(titles)):
        return 0
    return titles.get(title_key(text)) or titles.get(title_key(TITLE_NUMBER.sub("", text)), 0)


@lru_cache(maxsize=1024)
def title_key(text: str) -> str:
    """A title as it is compared: only its letters and digits."""
    if text.isascii():
        return text.encode().translate(None, NO_LETTERS).decode().casefold()
    return "".join(filter(str.isalnum, text)).casefold()
