"""The rule about characters that nobody sees."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

from services.ingest.cleaning.changes import Change
from services.ingest.cleaning.drafts import Draft, Line

INVISIBLE = re.compile("[\u200b\u2060\ufeff]+|\u00ad(?:[ \t]*\n[ \t]*(?=[^\\W\\d_]))?|[\u200c\u200d]+")
"""Zero-width characters; a soft hyphen at the end of a line goes with the line end, as the word goes on."""
JOINERS = "\u200c\u200d"
JOINING = re.compile(r"[^\x00-\u024f\u2000-\u206f\u3000-\u9fff\uac00-\ud7a3\uff00-\uffef]")
"""What a zero-width joiner may join: letters of Arabic and Indic scripts, parts of emoji."""
MOST_BLANK = 2


def white_space(draft: Draft) -> list[Change]:
    """Invisible characters, blanks at line ends, and blank lines beyond two in a row."""
    spans = [*invisible(draft), *trailing(draft), *blank_lines(draft)]
    return [Change(start, end, text, "white_space") for start, end, text in disjoint(spans)]


def disjoint(spans: Iterable[tuple[int, int, str]]) -> Iterator[tuple[int, int, str]]:
    """The spans in order, without those that overlap one before: another round finds them."""
    last = 0
    for start, end, text in sorted(spans):
        if start >= last:
            yield start, end, text
            last = end


def invisible(draft: Draft) -> Iterator[tuple[int, int, str]]:
    """Zero-width characters of prose and tables that join nothing."""
    matches = list(INVISIBLE.finditer(draft.text))
    lines = iter(draft.lines)
    line = next(lines)
    for match in matches:
        while match.start() > line.end:
            line = next(lines)
        if line.kind not in {"code", "formula"} and not is_joiner(draft.text, match):
            yield match.start(), match.end(), ""


def is_joiner(text: str, match: re.Match[str]) -> bool:
    """Whether zero-width joiners stand beside a character whose shape they change."""
    around = text[max(0, match.start() - 1) : match.start()] + text[match.end() : match.end() + 1]
    return match[0][0] in JOINERS and JOINING.search(around) is not None


def trailing(draft: Draft) -> Iterator[tuple[int, int, str]]:
    """Blanks at line ends; two between lines of a Markdown paragraph are a line break and stay."""
    for line, following in zip(draft.lines, [*draft.lines[1:], None], strict=True):
        end = line.start + len(line.text.rstrip())
        if end == line.end or line.kind in {"code", "formula"}:
            continue
        kept = "  " if is_hard_break(draft, line, following) else ""
        if draft.text[end : line.end] != kept:
            yield end, line.end, kept


def is_hard_break(draft: Draft, line: Line, following: Line | None) -> bool:
    """Whether two blanks at the end of a line mean a line break."""
    return (
        draft.syntax == "markdown"
        and line.kind == "prose"
        and line.text.endswith("  ")
        and following is not None
        and following.kind == "prose"
    )


def blank_lines(draft: Draft) -> Iterator[tuple[int, int, str]]:
    """The blank lines of a row beyond the second."""
    for is_blank, group in itertools.groupby(draft.lines, lambda line: line.kind == "blank"):
        lines = list(group)
        if is_blank and len(lines) > MOST_BLANK:
            yield lines[MOST_BLANK].start - 1, lines[-1].end, ""
