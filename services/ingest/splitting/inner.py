"""Cuts inside of a block: at sentences, lines, words, at last between characters; never inside of a thing."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from services.ingest.outline import Span
from services.ingest.outline.lines import code_points
from services.ingest.splitting.breaks import (
    ATOM,
    LATIN,
    line_ends,
    rank,
    sentence_ends,
    splits_character,
    word_ends,
)
from services.ingest.splitting.inline import inline_spans
from services.ingest.splitting.measure import WHOLE_SIZES, Ruler

KEPT_PARAGRAPHS = 4
MANY_HEADINGS = 32
"""A window with more headings one after the other has nothing else to offer."""
LONGEST_ADDRESS = 80
"""So far behind a window the end of an address is looked for whose start is in it."""
HASHED = 16
"""Characters that make the hash of a place between two characters."""

Ends = Callable[[str, int, int], Iterator[int]]
ENDS: tuple[Ends, ...] = (sentence_ends, line_ends, word_ends)


@dataclass(frozen=True)
class Inner:
    """What is needed to cut inside of blocks.

    Args:
        ruler: measures the text.
        edges: offsets at which blocks start.
        glued: those before which no cut is wanted.
        wholes: things that are not to be cut, in order and apart from each other.
        spans: the things in the paragraphs that were looked at last, by the offset of the paragraph.
    """

    ruler: Ruler
    edges: Sequence[int]
    glued: Sequence[int]
    wholes: list[Span]
    spans: dict[int, list[Span]] = field(default_factory=dict)


@dataclass(frozen=True)
class Search:
    """A search for a place to cut: the chunk's start, and things between characters that are not cut."""

    inner: Inner
    start: int
    atoms: list[Span] = field(default_factory=list)

    def thing_at(self, place: int) -> Span | None:
        """The thing that a cut would part."""
        for spans in (self.inner.wholes, paragraph_spans(self.inner, place), self.atoms):
            index = bisect_left(spans, (place,)) - 1
            if index >= 0 and spans[index][1] > place > spans[index][0]:
                return spans[index]
        return None

    def allowed(self, place: int) -> bool:
        """Whether a cut parts nothing and is not right behind a heading."""
        return (
            place > self.start
            and not holds(self.inner.glued, place)
            and not splits_character(self.inner.ruler.text, place, self.start)
            and self.thing_at(place) is None
        )


def inner_cut(inner: Inner, start: int, window: tuple[int, int, int], before: int) -> int:
    """Where a chunk ends if no block starts in its window.

    Args:
        inner: the text and its things.
        start: start of the chunk.
        window: end of the smallest chunk, of a good one, of the largest.
        before: the last start of a block before the window; `start` if there is none.
    """
    least, middle, most = window
    search = Search(inner, start)
    headings = bisect_right(inner.glued, most) - bisect_left(inner.glued, least)
    if headings > MANY_HEADINGS:
        return inner.glued[bisect_right(inner.glued, most) - 1]
    if not covers(inner.wholes, least, most):
        for ends in ENDS:
            cut = best_end(search, ends, window)
            if cut:
                return cut
        cut = best_character(search, middle, most)
        if cut:
            return cut
    return before if before > start else early_cut(search, least, most)


def early_cut(search: Search, least: int, most: int) -> int:
    """Where a chunk ends whose window is full of one thing: before it, or behind it if it is at the start."""
    text, start = search.inner.ruler.text, search.start
    for ends in ENDS:
        found = last_of(search, ends(text, start, min(least + 1, len(text))))
        if found:
            return found
    glued = bisect_right(search.inner.glued, most) - 1
    if glued >= 0 and search.inner.glued[glued] > start:
        return search.inner.glued[glued]
    search = with_atoms(search, most)
    found = last_of(search, range(start + 1, least))
    if found:
        return found
    thing = search.thing_at(start + 1)
    if thing is not None and thing[1] > most:
        return behind(search.inner, start, thing[1])
    return whole_character(
        text, start, most, search.inner.ruler.reach(start, WHOLE_SIZES * search.inner.ruler.high)
    )


def behind(inner: Inner, start: int, end: int) -> int:
    """The end of a thing, with the blank lines behind it if that is not too much."""
    ruler = inner.ruler
    index = bisect_left(inner.edges, end)
    following = inner.edges[index] if index < len(inner.edges) else len(ruler.text)
    most = WHOLE_SIZES * ruler.high
    if not ruler.text[end : min(following, end + most)].strip() and ruler.size(start, following) <= most:
        return following
    return end


def whole_character(text: str, start: int, most: int, longest: int) -> int:
    """The last place up to `most` that parts no character; for one that is larger, the first behind that."""
    for place in chain(range(most, start, -1), range(most + 1, longest + 1)):
        if not splits_character(text, place, start):
            return place
    return most


def best_end(search: Search, ends: Ends, window: tuple[int, int, int]) -> int:
    """Of the ends of sentences, lines or words in the window the one with the least hash; 0 for none."""
    text, (least, middle, most) = search.inner.ruler.text, window
    # An end is known by the white space behind it, and the window may start or end inside of that.
    found = [
        place
        for place in ends(text, max(search.start, least - 2), len_to(text, most))
        if least <= place <= most
    ]
    late = found[bisect_left(found, middle) :]
    for place in sorted(late, key=lambda place: rank(text, place)):
        if search.allowed(place):
            return place
    return last_of(search, found[: len(found) - len(late)])


def len_to(text: str, most: int) -> int:
    """A little more than the window, so that white space at its end is seen whole."""
    return min(len(text), most + 2)


def last_of(search: Search, places: Iterable[int]) -> int:
    """The last place at which a cut is allowed; 0 for none."""
    return next((place for place in reversed(list(places)) if search.allowed(place)), 0)


def best_character(search: Search, least: int, most: int) -> int:
    """Of the places between characters the allowed one with the least hash; 0 for none."""
    search = with_atoms(search, most)
    order = character_ranks(search.inner.ruler.text, least, most)[::-1].argsort(kind="stable")
    places: list[int] = (most - order).tolist()
    return next((place for place in places if search.allowed(place)), 0)


def with_atoms(search: Search, most: int) -> Search:
    """The search with the numbers, addresses and words from its start on."""
    ruler, start = search.inner.ruler, search.start
    text, near = ruler.text, min(len(ruler.text), most + LONGEST_ADDRESS)
    if not LATIN.search(text, start, near):
        return search
    longest = WHOLE_SIZES * ruler.high
    far = ruler.reach(start, longest + 1)
    atoms = []
    for match in ATOM.finditer(text, start, near):
        whole = match if match.end() < near else ATOM.match(text, match.start(), max(near, far)) or match
        # A word is cut if it is larger than a chunk, as it is no thing that loses its sense.
        if ruler.fits(*whole.span()) if whole[0].isalpha() else ruler.size(*whole.span()) <= longest:
            atoms.append(whole.span())
    return Search(search.inner, start, atoms)


def character_ranks(text: str, least: int, most: int) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    """A hash of the characters before each place of a window, from the first to the last."""
    first = max(0, least - HASHED)
    codes = code_points(text[first:most]).astype(np.uint32)
    found = np.full(most - least + 1, 2166136261, np.uint32)
    for distance in range(least - first, 0, -1):
        start = least - first - distance
        found = (found ^ codes[start : start + len(found)]) * np.uint32(16777619)
    return found ^ (found >> np.uint32(15))


def paragraph_spans(inner: Inner, place: int) -> list[Span]:
    """The things inside of the paragraph around a place that are not to be cut."""
    index = bisect_right(inner.edges, place) - 1
    start = inner.edges[index] if index >= 0 else 0
    if start not in inner.spans:
        if len(inner.spans) >= KEPT_PARAGRAPHS:
            del inner.spans[next(iter(inner.spans))]
        end = inner.edges[index + 1] if index + 1 < len(inner.edges) else len(inner.ruler.text)
        longest = WHOLE_SIZES * inner.ruler.high
        spans = inline_spans(inner.ruler.text, start, end)
        inner.spans[start] = [span for span in spans if inner.ruler.size(*span) <= longest]
    return inner.spans[start]


def covers(spans: list[Span], start: int, end: int) -> bool:
    """Whether one of the things is all around a window."""
    index = bisect_left(spans, (start,)) - 1
    return index >= 0 and spans[index][0] < start and end < spans[index][1]


def holds(places: Sequence[int], place: int) -> bool:
    """Whether sorted places have one."""
    index = bisect_left(places, place)
    return index < len(places) and places[index] == place
