"""Things inside a paragraph that are not to be cut: code, formulas, links, images, footnote marks."""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass, field

from services.ingest.outline import Span

OPENING = re.compile(r"\\begin\{([^{}\n]{1,40})\}|\\[(\[]|\\.|`+|\$\$?|!?\[", re.DOTALL)
DOLLAR_END = re.compile(r"(?<![\s\\$])\$(?![\d$])")
TICKS = re.compile("`+")
INNER = r"[^\[\]\n]*+(?:\n[^\[\]\n]++)*+"
LINK = re.compile(
    rf"!?\[{INNER}(?:!?\[{INNER}\](?:\([^()\s]*+\))?{INNER})*+\]"
    r"(?:\([^()\s]*+(?:\([^()\s]*+\)[^()\s]*+)*+"
    r"(?:[ \t]++(?:\"[^\"\n]*+\"|'[^'\n]*+'))?[ \t]*+\)|\[[^\[\]\n]*+\])"
)
FOOTNOTE = re.compile(r"\[\^[^\[\]\s]{1,100}+\]:?")
CLOSING = {"\\(": "\\)", "\\[": "\\]", "$$": "$$"}


@dataclass
class Closings:
    """Where things close in a part of a text; what was searched once is not searched again.

    Args:
        text: the text.
        end: end of the part.
        found: for a closing sign the nearest place found, or `end` where there is no more.
        ticks: for a number of backticks the ends of all such runs.
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
        index = bisect.bisect_right(ends, place)
        return ends[index] if index < len(ends) else -1


def inline_spans(text: str, start: int, end: int) -> list[Span]:
    """The spans in a paragraph that are not to be cut, in order and apart from each other."""
    part = text[start:end]
    if not ("$" in part or "[" in part or "`" in part or "\\" in part):
        return []
    closings = Closings(text, end)
    spans: list[Span] = []
    at = start
    while (opening := OPENING.search(text, at, end)) is not None:
        at = thing_end(opening, closings)
        if at > 0:
            spans.append((opening.start(), at))
        else:
            at = opening.end()
    return spans


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
