"""The layout of plain text: headings by the patterns that books, laws and reports use."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from services.ingest.outline.layout import Layout, Spans, Tables, layout, titles_at
from services.ingest.outline.lines import Lines, Numbers, one_of
from services.ingest.outline.lists import is_item

LONGEST_TITLE = 80
NUMERAL = "[0-9０-９零〇一二三四五六七八九十百千两]"
PATTERNS = (
    (1, re.compile(rf"第{NUMERAL}{{1,9}}[编編部卷篇](?:[ \t\u3000:：]|$)")),
    (
        1,
        re.compile(
            r"(?:part|book|volume|appendix)[ \t]+(?:\d{1,3}|[IVXLC]{1,7}|[A-Z])(?:[ \t.:—–-]|$)", re.I
        ),
    ),
    (2, re.compile(rf"第{NUMERAL}{{1,9}}[章回]")),
    (2, re.compile(r"chapter[ \t]+(?:\d{1,3}|[IVXLC]{1,7}|[a-z]{3,9})(?:[ \t.:—–-]|$)", re.I)),
    (3, re.compile(rf"第{NUMERAL}{{1,9}}[节節]")),
    (3, re.compile(r"section[ \t]+\d{1,3}(?:\.\d{1,3})*(?:[ \t.:—–-]|$)", re.I)),
    (4, re.compile(r"[一二三四五六七八九十]{1,3}、[ \t]*\S")),
    (5, re.compile(r"[（(][一二三四五六七八九十]{1,3}[）)][ \t]*\S")),
)
"""Levels and patterns; levels that a text does not use are left out when it is done."""
NUMBERED = re.compile(r"(\d{1,3})((?:\.\d{1,3}){0,4})\.?[ \t\u3000]+[^\W\d_]")
NUMBERED_LEVEL = 3
CAPITALS = re.compile(r"[A-Z][A-Z0-9 ,:&'’()/-]{3,60}$")
CAPITALS_LEVEL = 2
NO_TITLE_END = re.compile(r"[.,;!?。，；！？、…][\"'”’」』）)]?$")
STARTING = "第一二三四五六七八九十（"
LETTERS = one_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789(cpsabv")


def layout_of(lines: Lines) -> Layout:
    """The layout of a plain text."""
    found = list(titles_of(lines))
    sections = {number for level, _, number in found if level > NUMBERED_LEVEL and number}
    # `1. Title` is a heading only beside `1.1 Title`; else it is more likely an item of a list.
    kept = [
        (level, line) for level, line, number in found if level != NUMBERED_LEVEL or number in sections | {""}
    ]
    levels = {level: depth for depth, level in enumerate(sorted({level for level, _ in kept}), 1)}
    titles = titles_at([(line, line + 1, levels[level]) for level, line in kept])
    return layout(lines, titles, Spans(), Tables(), lines.opens | is_item(lines))


def titles_of(lines: Lines) -> Iterator[tuple[int, int, str]]:
    """Level and line of each title, and its first number if it is numbered in figures."""
    for line in candidates(lines).tolist():
        title = title_of(lines, line)
        if len(title) > LONGEST_TITLE or NO_TITLE_END.search(title):
            continue
        level = next((level for level, pattern in PATTERNS if pattern.match(title)), 0)
        numbered = None if level else NUMBERED.match(title)
        if numbered is not None and (numbered[2] or stands_alone(lines, line)):
            yield NUMBERED_LEVEL + numbered[2].count("."), line, numbered[1]
        elif level or (stands_alone(lines, line) and CAPITALS.match(title)):
            yield level or CAPITALS_LEVEL, line, ""


def candidates(lines: Lines) -> Numbers:
    """Numbers of the short lines that start as a title may."""
    found = LETTERS[lines.signs]
    for sign in STARTING:
        found |= lines.heads == ord(sign)
    # The next line that is not blank starts no earlier than this one ends.
    spans = np.diff(lines.starts, append=np.int32(len(lines.text)))
    alone = np.append(lines.opens[1:], True)
    return np.flatnonzero(found & ((spans <= LONGEST_TITLE + 8) | alone))


def title_of(lines: Lines, line: int) -> str:
    """A line without the white space around it; of a long one the start."""
    start = lines.firsts.item(line)
    return lines.text[start : min(lines.end(line), start + 2 * LONGEST_TITLE)].strip()


def stands_alone(lines: Lines, line: int) -> bool:
    """Whether blank lines are around a line."""
    return bool(lines.opens[line]) and (line + 1 == len(lines) or bool(lines.opens[line + 1]))
