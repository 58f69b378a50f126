"""Things inside a paragraph that are not to be cut: code, formulas, links, images, footnote marks."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field

from services.ingest.outline import Spans
from services.ingest.splitting.measure import LONGEST_WHOLE

OPENING = re.compile(r"\\begin\{([^{}\n]{1,40})\}|\\[(\[]|\\.|`+|\$\$?|!?\[", re.DOTALL)
OPENING_SIGNS = "$[`\\"
UNLIKE_BRACKETS = "$`\\"
DOLLAR_END = re.compile(r"(?<![\s\\$])\$(?![\d$])")
TICKS = re.compile("`+")
INNER = r"[^\[\]\n]*+(?:\n[^\[\]\n]++)*+"
BEHIND_BRACKET = (
    rf"{INNER}(?:!?\[{INNER}\](?:\([^()\s]*+\))?{INNER})*+\]"
    r"(?:\([^()\s]*+(?:\([^()\s]*+\)[^()\s]*+)*+"
    r"(?:[ \t]++(?:\"[^\"\n]*+\"|'[^'\n]*+'))?[ \t]*+\)|\[[^\[\]\n]*+\])"
)
LINK = re.compile(rf"!?\[{BEHIND_BRACKET}")
BEHIND_CARET = r"[^\[\]\s]{1,100}+\]:?"
FOOTNOTE = re.compile(rf"\[\^{BEHIND_CARET}")
IN_BRACKETS = re.compile(rf"\[(?:(?<!!\[)\^{BEHIND_CARET}|{BEHIND_BRACKET})")
"""A footnote mark or link; of an image what is behind its `!`."""
CLOSING = {"\\(": "\\)", "\\[": "\\]", "$$": "$$"}


@dataclass
class Closings:
    """Where things close in a part of a text; what was searched once is not searched again.

    Args:
        text: the text.
        end: end of the part.
        found: for a closing sign the nearest place found, or `end` where there is no more.
        ticks: for a number of backticks the ends of all such runs from the place of the first question on.
    """

    text: str
    end: int
    found: dict[str, int] = field(default_factory=dict)
    ticks: dict[int, list[int]] | None = None

    def after(self, sign: str, place: int) -> int:
        """Offset behind the next `sign` from a place on; -1 without one."""
        if self.found.get(sign, -1) < place:
            at = self.text.find(sign, place, self.end)
            self.found[sign] = self.end if at < 0 else at
        return -1 if self.found[sign] == self.end else self.found[sign] + len(sign)

    def after_dollar(self, place: int) -> int:
        """Offset behind the next `$` that may end a formula; -1 without one."""
        if self.found.get("$", -1) < place:
            match = DOLLAR_END.search(self.text, place, self.end)
            self.found["$"] = self.end if match is None else match.start()
        return -1 if self.found["$"] == self.end else self.found["$"] + 1

    def after_ticks(self, count: int, place: int) -> int:
        """Offset behind the next run of so many backticks; -1 without one."""
        if self.ticks is None:
            self.ticks = {}
            for match in TICKS.finditer(self.text, place, self.end):
                self.ticks.setdefault(len(match[0]), []).append(match.end())
        ends = self.ticks.get(count, [])
        index = bisect_right(ends, place)
        return ends[index] if index < len(ends) else -1


def inline_spans(text: str, start: int, end: int) -> Spans:
    """The things in a paragraph that are not to be cut, none longer than `LONGEST_WHOLE`."""
    if all(text.find(sign, start, end) < 0 for sign in UNLIKE_BRACKETS):
        if text.find("[", start, end) < 0:
            return Spans()
        if end - start <= LONGEST_WHOLE:
            return spans_in_brackets(text, start, end)
    return all_spans(text, start, end)


def all_spans(text: str, start: int, end: int) -> Spans:
    """The things in a paragraph with signs of several kinds, or in a long one."""
    found = Spans()
    at = start
    while at < end:
        # What opens in the first half closes in one of both; so the closings of few are kept at once.
        half, last = at + LONGEST_WHOLE, at + 2 * LONGEST_WHOLE
        at = find_spans(Closings(text, min(last, end)), at, half if last < end else end, found)
    return found


def spans_in_brackets(text: str, start: int, end: int) -> Spans:
    """The same for a short one with signs of no other kind than brackets."""
    found = Spans()
    for match in IN_BRACKETS.finditer(text, start, end):
        first, behind = match.span()
        found.append(first - (first > start and text[first - 1] == "!"), behind)
    return found


def find_spans(closings: Closings, at: int, half: int, found: Spans) -> int:
    """Find the things that open in a part of a paragraph.

    Returns:
        Where to go on: the end of the part, or of the last thing if that is behind it.
    """
    while (opening := OPENING.search(closings.text, at, closings.end)) is not None:
        if opening.start() >= half:
            break
        at = thing_end(opening, closings)
        # Two signs that are further apart belong to two things, or to none.
        if 0 < at <= opening.start() + LONGEST_WHOLE:
            found.append(opening.start(), at)
        else:
            at = opening.end()
    return max(at, half)


def thing_end(opening: re.Match[str], closings: Closings) -> int:
    """Offset behind the thing that a sign opens; -1 if it opens none."""
    sign, inside = opening[0], opening.end()
    if sign[0] == "`":
        return closings.after_ticks(len(sign), inside)
    if sign.endswith("[") and sign != "\\[":
        return bracket_end(closings, opening.start())
    if opening[1] is not None:
        return closings.after(f"\\end{{{opening[1]}}}", inside)
    if sign in CLOSING:
        return closings.after(CLOSING[sign], inside)
    if sign == "$" and closings.text[inside : inside + 1].strip():
        return closings.after_dollar(inside + 1)
    return -1


def bracket_end(closings: Closings, place: int) -> int:
    """Offset behind a link, image or footnote mark."""
    match = FOOTNOTE.match(closings.text, place, closings.end) or LINK.match(
        closings.text, place, closings.end
    )
    return -1 if match is None else match.end()
