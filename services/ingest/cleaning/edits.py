"""Edits of a text: applied, joined, carried through a reading, and shown."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from services.ingest.readers.reading import Image, Reading


@dataclass(frozen=True)
class Edit:
    """A replacement.

    Args:
        start: first character of the base text that goes.
        end: one past the last.
        text: what stands there instead.
        rule: name of the rule that says so.
    """

    start: int
    end: int
    text: str
    rule: str


@dataclass(frozen=True)
class Change:
    """An edit as a person sees it: what goes, what comes, and what stands around it in the base text."""

    start: int
    end: int
    removed: str
    added: str
    rule: str
    before: str
    after: str


def apply(text: str, edits: Sequence[Edit]) -> str:
    """The text after edits, which are sorted and disjoint."""
    parts, last = [], 0
    for edit in edits:
        parts += [text[last : edit.start], edit.text]
        last = edit.end
    return "".join([*parts, text[last:]])


def diff(base: str, edits: Sequence[Edit], context: int = 40) -> list[Change]:
    """The edits with what they remove, and up to `context` characters on both sides."""
    return [
        Change(
            edit.start,
            edit.end,
            base[edit.start : edit.end],
            edit.text,
            edit.rule,
            base[max(0, edit.start - context) : edit.start],
            base[edit.end : edit.end + context],
        )
        for edit in edits
    ]


class Places:
    """Where offsets of the base text are after edits."""

    def __init__(self, edits: Sequence[Edit]) -> None:
        self._edits = edits
        self._starts = [edit.start for edit in edits]
        self._shifts = [0, *accumulate(len(edit.text) - (edit.end - edit.start) for edit in edits)]

    def of(self, offset: int) -> int:
        """The place of an offset: before what is inserted there, behind what replaces its surroundings."""
        index = bisect.bisect_left(self._starts, offset)
        if index and offset < self._edits[index - 1].end:
            return self._edits[index - 1].end + self._shifts[index]
        return offset + self._shifts[index]

    def are_kept(self, start: int, end: int) -> bool:
        """Whether no edit touches the inside of a span."""
        index = bisect.bisect_left(self._starts, end)
        return index == 0 or self._edits[index - 1].end <= start


def moved(reading: Reading, edits: Sequence[Edit]) -> Reading:
    """The reading after edits, with pages, rows and pictures in their new places.

    All pages stay; a page without text starts where the next one does. Rows and pictures that were removed
    go.
    """
    places = Places(edits)
    rows = dict.fromkeys(places.of(start) for start in reading.row_starts)
    return replace(
        reading,
        text=apply(reading.text, edits),
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
    """An edit in the text between two rounds of edits: what the first brought, or what the second takes."""

    start: int
    end: int
    edit: Edit
    is_first: bool


def joined(middle: str, first: Sequence[Edit], second: Sequence[Edit]) -> list[Edit]:
    """The edits that do at once what `first` and then `second` do; `middle` is the text between them.

    Edits that touch become one, under the rule of the largest of them.
    """
    found, shift = [], 0
    for group in touching(marks(first, second)):
        start, end = group[0].start, max(mark.end for mark in group)
        inside = [
            replace(mark.edit, start=mark.start - start, end=mark.end - start)
            for mark in group
            if not mark.is_first
        ]
        text = apply(middle[start:end], inside)
        base_start = start - shift
        shift += sum(growth(mark.edit) for mark in group if mark.is_first)
        largest = max((mark.edit for mark in group), key=lambda edit: edit.end - edit.start + len(edit.text))
        found.append(Edit(base_start, end - shift, text, largest.rule))
    return found


def marks(first: Sequence[Edit], second: Sequence[Edit]) -> list[Mark]:
    """Both rounds of edits by their places in the text between them."""
    found, shift = [], 0
    for edit in first:
        start = edit.start + shift
        found.append(Mark(start, start + len(edit.text), edit, is_first=True))
        shift += growth(edit)
    found += [Mark(edit.start, edit.end, edit, is_first=False) for edit in second]
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


def growth(edit: Edit) -> int:
    """By how many characters an edit lengthens the text."""
    return len(edit.text) - (edit.end - edit.start)
