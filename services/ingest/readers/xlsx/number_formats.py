"""How the number format of a cell shows a number, beyond its digits (ECMA-376-1, 18.8.30 and 18.8.31).

Digits are neither rounded nor grouped. What a format does that is not understood here leaves the stored
number as it is, without a unit, which could make it a false one.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from itertools import pairwise

from lxml import etree

from services.ingest.readers.shared.elements import Element

SEPARATOR = re.compile(r'"[^"]*"|\\.|![;"]|\[[^\]]*\]|[_*].|(;)')
LITERAL = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|!(?P<east>[.,0#?%;"*_/-])|\[\$(?P<currency>[^\]-]*)[^\]]*\]'
    r"|\[(?P<compared>[<>=]{1,2})(?P<limit>-?[0-9]+(?:\.[0-9]+)?)\]|\[(?P<hours>[hms]+)\]|\[[^\]]*\]|[_*].",
    re.IGNORECASE,
)
"""What is no placeholder; programs of East Asia escape with an exclamation mark."""
HIDDEN = "\x00"
DIGITS = re.compile(r"[0#?][0#?.,]*")
GENERAL = re.compile("general", re.IGNORECASE)
LETTERS = re.compile("[a-z@]", re.IGNORECASE)
DATE_LETTERS = re.compile("[dmyhse]", re.IGNORECASE)
PERCENT_FORMATS = {9: "0%", 10: "0.00%"}
"""The built-in formats that show percent."""
COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "<>": operator.ne,
}
THOUSAND = 3
"""Powers of ten that a comma behind the digits takes away."""


@dataclass(frozen=True)
class Shown:
    """How a section of a number format shows a number, beyond its digits.

    Args:
        before: text before it, such as a currency.
        after: text after it, such as a unit.
        percent: whether it is shown times 100; then `after` holds the sign.
        decimals: digits after the point.
        digits: the least number of digits before the point; zeros fill them up.
        scale: the power of ten that it is divided by: 6 for millions.
        hides: whether `before` is shown in its place.
    """

    before: str
    after: str
    percent: bool
    decimals: int
    digits: int = 0
    scale: int = 0
    hides: bool = False


@dataclass(frozen=True)
class Section:
    """A section of a number format: how it shows numbers, if not by their digits only, and which."""

    shown: Shown | None
    compared: str = ""
    limit: float = 0

    def takes(self, value: float) -> bool:
        """Whether its own condition names a number."""
        return self.compared in COMPARISONS and COMPARISONS[self.compared](value, self.limit)


@dataclass(frozen=True)
class NumberFormat:
    """The sections of a number format: for positive numbers, negative ones, zero; or with conditions."""

    sections: tuple[Section, ...]

    def shown(self, value: float) -> tuple[Shown | None, bool]:
        """How a number is shown; and whether with its sign, which a section for negatives says itself."""
        conditions = sum(bool(section.compared) for section in self.sections[:2])
        if conditions:
            taken = next((one for one in self.sections if one.takes(value)), None)
            rest = self.sections[conditions : conditions + 1]
            one = taken or (rest[0] if rest else Section(None))
            return one.shown, not (one.compared in {"<", "<="} and one.limit <= 0)
        place = 1 if value < 0 else 2 if value == 0 else 0
        return self.sections[place if place < len(self.sections) else 0].shown, not (
            value < 0 and len(self.sections) > 1
        )


def formats_of(styles: Element) -> Mapping[int, NumberFormat]:
    """The styles of cells whose numbers are not shown by their digits only, by their index."""
    codes = dict(PERCENT_FORMATS)
    for one in styles.iter("{*}numFmt"):
        if one.get("numFmtId", "").isdigit():
            codes[int(one.get("numFmtId", ""))] = one.get("formatCode", "")
    found = {}
    formats = styles.find("{*}cellXfs")
    for index, one in enumerate(formats if formats is not None else list[etree._Element]()):
        number = one.get("numFmtId", "")
        format_ = format_of(codes.get(int(number), "")) if number.isdigit() else None
        if format_:
            found[index] = format_
    return found


def format_of(code: str) -> NumberFormat | None:
    """The sections of a number format; nothing if all show numbers by their digits only."""
    parts = parts_of(code)[:3]
    sections = [section_of(part, place) for place, part in enumerate(parts)]
    if len(parts) > 2 and not sections[2].shown and "0" not in masked(parts[2])[1]:
        # Zero is hidden, or shown as a dash: the first section names its unit.
        del sections[2:]
    if not any(section.shown for section in sections):
        return None
    return NumberFormat(tuple(sections))


def parts_of(code: str) -> list[str]:
    """The codes of the sections: for positive numbers, negative ones, zero and text."""
    ends = [match.start() for match in SEPARATOR.finditer(code) if match[1]]
    return [code[start + 1 : end] for start, end in pairwise([-1, *ends, len(code)])]


def section_of(code: str, place: int) -> Section:
    """A section by its code and its place among the sections."""
    compared = next((match for match in LITERAL.finditer(code) if match["compared"]), None)
    if compared:
        return Section(shown_by(code), compared["compared"], float(compared["limit"]))
    shown = shown_by(code)
    if place == 1 and shown:
        shown = with_minus(shown)
    if place == 2 and shown and "0" not in masked(code)[1]:
        # Placeholders that show no zero, as in `"-"??`.
        shown = only_text(shown.before + shown.after)
    return Section(shown)


def with_minus(shown: Shown) -> Shown | None:
    """A section for negative numbers; those in parentheses get a minus sign instead."""
    before, after = shown.before, shown.after
    if before.startswith("(") and after.endswith(")"):
        before, after = f"-{before[1:]}", after[:-1].rstrip()
    plain = before == "-" and not (after or shown.scale or shown.digits or shown.hides)
    return None if plain else replace(shown, before=before, after=after)


def shown_by(code: str) -> Shown | None:
    """How the first section of a number format shows a number; nothing if by its digits only, or unknown."""
    letters, mask = masked(parts_of(code)[0])
    if DATE_LETTERS.search(mask) or mask.count("%") > 1:
        return None
    runs = list(DIGITS.finditer(mask))
    if not runs:
        return None if LETTERS.search(mask) else only_text(letters)
    inner = scale_within(letters, mask, runs)
    if inner is None:
        return None
    number = runs[-1][0]
    whole, _, fraction = number.rstrip(",").partition(".")
    commas = len(number) - len(number.rstrip(",")) + len(whole) - len(whole.rstrip(","))
    whole = whole.rstrip(",")
    zeros = len(whole) if len(runs) == 1 and len(whole) > 1 and not whole.strip("0") else 0
    before, after = letters[: runs[0].start()].lstrip(), letters[runs[-1].end() :].rstrip()
    scale = inner + THOUSAND * commas
    if not (before.strip() or after.strip() or zeros or scale):
        return None
    return Shown(before, after, "%" in mask, len(fraction), zeros, scale)


def only_text(letters: str) -> Shown | None:
    """A section that shows words in the place of the number; marks alone would hide it for nothing."""
    words = letters.strip()
    return Shown(words, "", False, 0, hides=True) if any(map(str.isalnum, words)) else None


def scale_within(letters: str, mask: str, runs: list[re.Match[str]]) -> int | None:
    r"""The power of ten that a typed point between the digits divides by: 1 in `0\.0`; none if unknown."""
    if len(runs) == 1:
        return 0
    between = slice(runs[0].end(), runs[-1].start())
    if "/" in mask[between]:
        # A fraction, which is as large as the number itself.
        return 0
    typed = letters[between] == "." and mask[between] == HIDDEN
    return len(runs[-1][0].rstrip(",")) if typed and "." not in runs[0][0] + runs[-1][0] else None


def masked(code: str) -> tuple[str, str]:
    """The letters that a section shows, with its placeholders; and the same with the letters hidden."""
    letters, mask, place = "", "", 0
    for match in LITERAL.finditer(code):
        said = match["quoted"] or match["escaped"] or match["east"] or match["currency"] or ""
        plain = code[place : match.start()] + (match["hours"] or "")
        letters, mask, place = letters + plain + said, mask + plain + HIDDEN * len(said), match.end()
    letters, mask = letters + code[place:], mask + code[place:]
    general = GENERAL.search(mask)
    if general:
        digits = "#" * len(general[0])
        letters, mask = (text[: general.start()] + digits + text[general.end() :] for text in (letters, mask))
    return letters, mask


def scaled(text: str, scale: int) -> str:
    """A number divided by a power of ten, exactly."""
    try:
        number = Decimal(text).scaleb(-scale)
    except InvalidOperation:
        return text
    if not number.is_finite():
        return text
    written = f"{number:f}"
    return written.rstrip("0").rstrip(".") if "." in written else written
