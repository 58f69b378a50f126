"""Changes of a text: applied, joined, and carried through a reading."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from services.ingest.readers.reading import Image, Reading


@dataclass(frozen=True)
class Change:
    """A replacement.

    Args:
        start: first character of the base text that goes.
        end: one past the last.
        added: what stands there instead.
        rule: name of the rule that says so.
    """

    start: int
    end: int
    added: str
    rule: str


def apply(text: str, changes: Sequence[Change]) -> str:
    """The text after changes, which are sorted and disjoint."""
    parts, last = [], 0
    for change in changes:
        parts += [text[last : change.start], change.added]
        last = change.end
    return "".join([*parts, text[last:]])


class Places:
    """Where offsets of the base text are after changes."""

    def __init__(self, changes: Sequence[Change]) -> None:
        self._changes = changes
        self._starts = [change.start for change in changes]
        self._shifts = [0, *accumulate(len(change.added) - (change.end - change.start) for change in changes)]

    def of(self, offset: int) -> int:
        """The place of an offset: before what is inserted there, behind what replaces its surroundings."""
        index = bisect.bisect_left(self._starts, offset)
        if index and offset < self._changes[index - 1].end:
            return self._changes[index - 1].end + self._shifts[index]
        return offset + self._shifts[index]

    def are_kept(self, start: int, end: int) -> bool:
        """Whether no change touches the inside of a span."""
        index = bisect.bisect_left(self._starts, end)
        return index == 0 or self._changes[index - 1].end <= start


def moved(reading: Reading, changes: Sequence[Change]) -> Reading:
    """The reading after changes, with pages, rows and pictures in their new places.

    All pages stay; a page without text starts where the next one does. Rows and pictures that were removed
    go.
    """
    places = Places(changes)
    rows = dict.fromkeys(places.of(start) for start in reading.row_starts)
    return replace(
        reading,
        text=apply(reading.text, changes),
        page_starts=tuple(places.of(start) for start in reading.page_starts),
        row_starts=tuple(rows),
        images=tuple(moved_images(reading.images, places)),
    )


def moved_images(images: Sequence[Image], places: Places) -> Iterator[Image]:
    """The pictures whose references stay, in their new places."""
    for image in images:
        if places.are_kept(image.char_start, image.char_end):
            end = places.of(image.char_end)
            start = end - (image.char_end - image.char_start)
            yield replace(image, char_start=start, char_end=end)


@dataclass(frozen=True)
class Mark:
    """A change in the text between two rounds: what the first brought, or what the second takes."""

    start: int
    end: int
    change: Change
    is_first: bool


def joined(middle: str, first: Sequence[Change], second: Sequence[Change]) -> list[Change]:
    """The changes that do at once what `first` and then `second` do; `middle` is the text between them.

    Changes that touch become one, under the rule of the largest of them.
    """
    found, shift = [], 0
    for group in touching(marks(first, second)):
        start, end = group[0].start, max(mark.end for mark in group)
        inside = [
            replace(mark.change, start=mark.start - start, end=mark.end - start)
            for mark in group
            if not mark.is_first
        ]
        text = apply(middle[start:end], inside)
        base_start = start - shift
        shift += sum(growth(mark.change) for mark in group if mark.is_first)
        largest = max(
            (mark.change for mark in group), key=lambda change: change.end - change.start + len(change.added)
        )
        found.append(Change(base_start, end - shift, text, largest.rule))
    return found


def marks(first: Sequence[Change], second: Sequence[Change]) -> list[Mark]:
    """Both rounds of changes by their places in the text between them."""
    found, shift = [], 0
    for change in first:
        start = change.start + shift
        found.append(Mark(start, start + len(change.added), change, is_first=True))
        shift += growth(change)
    found += [Mark(change.start, change.end, change, is_first=False) for change in second]
    return sorted(found, key=lambda mark: (mark.start, mark.end))


def touching(sorted_marks: Sequence[Mark]) -> Iterator[list[Mark]]:
    """Groups of marks without a character between them."""
    group: list[Mark] = []
    end = 0
    for mark in sorted_marks:
        if group and mark.start > end:
            yield group
            group = []
        group.append(mark)
        end = max(end, mark.end) if len(group) > 1 else mark.end
    if group:
        yield group


def growth(change: Change) -> int:
    """By how many characters a change lengthens the text."""
    return len(change.added) - (change.end - change.start)
