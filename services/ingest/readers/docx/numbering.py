"""The numbers that Word shows before paragraphs, and which the file does not hold. ISO/IEC 29500-1, 17.9."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from services.ingest.readers.docx.styles import value
from services.ingest.readers.shared.elements import Element
from services.ingest.readers.shared.namespaces import W
from services.ingest.readers.shared.numerals import formatted, whole

PLACE = re.compile(r"%([1-9])")
SIMPLE = re.compile(r"%[1-9][.．)）]?")
"""What Markdown's own numbers say as well."""
LEVELS = 9


@dataclass(frozen=True)
class Level:
    """A level of a list: its kind of numbers, the text around them, the first number."""

    kind: str = "decimal"
    text: str = ""
    start: int = 1
    gap: str = "tab"
    legal: bool = False


@dataclass
class List:
    """A list by its levels; lists that share counters go on counting each other."""

    levels: dict[int, Level]
    counters: dict[int, int]
    restarts: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Label:
    """What stands before a paragraph.

    Args:
        text: as Word shows it; empty for bullets and for nothing.
        number: the number of a plain list; 0 if Markdown's numbers cannot say the same.
        bullet: whether it is a bullet.
        phrase: whether words or several numbers are in it, as in `第3条` or `2.1`.
    """

    text: str = ""
    number: int = 0
    bullet: bool = False
    phrase: bool = False


class Numbering:
    """Counts the paragraphs of a document's lists."""

    def __init__(self, root: Element | None) -> None:
        self._lists: dict[str, List] = {}
        if root is None:
            return
        kinds = {kind.get(f"{W}abstractNumId"): kind for kind in root.iterchildren(f"{W}abstractNum")}
        named = {value(kind.find(f"{W}styleLink")): kind for kind in kinds.values()}
        counters: dict[str | None, dict[int, int]] = {}
        for number in root.iterchildren(f"{W}num"):
            identity = value(number.find(f"{W}abstractNumId"))
            kind = kinds.get(identity)
            if kind is not None:
                kind = named.get(value(kind.find(f"{W}numStyleLink")) or "-", kind)
            levels = levels_in(kind)
            made = List(levels, counters.setdefault(identity, {}))
            for override in number.iterchildren(f"{W}lvlOverride"):
                place = whole(override.get(f"{W}ilvl"))
                start = value(override.find(f"{W}startOverride"))
                if start is not None:
                    made.restarts[place] = whole(start)
                own = override.find(f"{W}lvl")
                if own is not None:
                    levels[place] = level_of(own)
            self._lists[number.get(f"{W}numId", "")] = made

    def label(self, numbering: str, depth: int) -> Label | None:
        """Count a paragraph; what stands before it, or none if its list does not exist."""
        found = self._lists.get(numbering)
        if found is None:
            return None
        depth = min(depth, LEVELS - 1)
        level = found.levels.get(depth, Level())
        if level.kind == "bullet":
            return Label(bullet=True)
        counters = found.counters
        if depth in found.restarts:
            counters[depth] = found.restarts.pop(depth)
        else:
            counters[depth] = counters[depth] + 1 if depth in counters else level.start
        for deeper in [place for place in counters if place > depth]:
            del counters[deeper]
        return written(found, depth, level)


def written(found: List, depth: int, level: Level) -> Label | None:
    """The number of a paragraph as Word shows it."""

    def number(match: re.Match[str]) -> str:
        place = int(match[1]) - 1
        at = found.levels.get(place, Level())
        count = found.counters.setdefault(place, at.start)
        return formatted(count, "decimal" if level.legal else at.kind)

    text = PLACE.sub(number, level.text)
    if not text.strip():
        return Label()
    plain = level.kind == "decimal" and SIMPLE.fullmatch(level.text) is not None
    around = PLACE.sub("", level.text)
    phrase = len(PLACE.findall(level.text)) != 1 or any(mark.isalnum() for mark in around)
    gap = "" if level.gap == "nothing" else " "
    return Label(text.strip() + gap, found.counters[depth] if plain else 0, phrase=phrase)


def levels_in(kind: Element | None) -> dict[int, Level]:
    """The levels of a kind of list."""
    if kind is None:
        return {}
    return {whole(level.get(f"{W}ilvl")): level_of(level) for level in kind.iterchildren(f"{W}lvl")}


def level_of(level: Element) -> Level:
    """A level, read."""
    return Level(
        kind_of(level),
        value(level.find(f"{W}lvlText")) or "",
        whole(value(level.find(f"{W}start")), 0 if level.find(f"{W}start") is not None else 1),
        value(level.find(f"{W}suff")) or "tab",
        level.find(f"{W}isLgl") is not None,
    )


def kind_of(level: Element) -> str:
    """The kind of numbers of a level; newer kinds hide in an alternative."""
    fmt = level.find(f"{W}numFmt")
    if fmt is None:
        fmt = level.find(f".//{W}numFmt")
    return value(fmt) or "decimal"
