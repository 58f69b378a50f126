"""Cuts inside of a block: at sentences, lines, words, at last between characters; never inside of a thing."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from services.ingest.outline import Layout, Span, Spans
from services.ingest.outline.lines import code_points
from services.ingest.splitting.atoms import atoms_in
from services.ingest.splitting.breaks import (
    LINE,
    MAYBE_SENTENCE,
    SENTENCE,
    WORD,
    is_sentence_end,
    ranks,
    splits_character,
)
from services.ingest.splitting.inline import OPENING_SIGNS, inline_spans
from services.ingest.splitting.measure import LONGEST_WHOLE, SIGN_SIZES, Ruler
from services.ingest.splitting.sentences import best_sentence

NOTHING = Spans()
KEPT_PARAGRAPHS = 4
MANY_HEADINGS = 32
"""A window with more headings one after the other has nothing else to offer."""
HASHED = 16
"""Characters that make the hash of a place between two characters."""

Kind = tuple[re.Pattern[str], Callable[[re.Match[str]], bool]]
"""A kind of ends: what seems to be one, and whether it is."""
KINDS: tuple[Kind, ...] = ((SENTENCE, is_sentence_end), (LINE, bool), (WORD, bool))


@dataclass(frozen=True)
class Inner:
    """What is needed to cut inside of blocks.

    Args:
        ruler: measures the text.
        layout: its code blocks, formulas, headings and tables.
        edges: offsets at which blocks start.
        special: for each edge, whether more than a paragraph starts there.
        glued: the edges before which no cut is wanted.
        spans: the things in the paragraphs that were looked at last, by number of edge.
        giants: the numbers and addresses that are too large to stay whole, as far as they were found.
    """

    ruler: Ruler
    layout: Layout
    edges: Sequence[int]
    special: Sequence[int]
    glued: Sequence[int]
    spans: dict[int, Spans] = field(default_factory=dict)
    giants: Spans = field(default_factory=Spans)


@dataclass(frozen=True)
class Search:
    """A search for a place to cut.

    Args:
        inner: the text and its things.
        start: start of the chunk.
        paragraph: the things in the only paragraph of the window; nothing if other things may be in it.
        atoms: things between characters that are not cut.
    """

    inner: Inner
    start: int
    paragraph: Spans | None = None
    atoms: Spans = NOTHING

    def thing_at(self, place: int) -> Span | None:
        """The thing that a cut would part."""
        if self.paragraph is not None:
            return self.paragraph.at(place) or self.atoms.at(place)
        block = whole_at(self.inner, place)
        if block is not None:
            return block
        index = bisect_right(self.inner.edges, place) - 1
        return paragraph_spans(self.inner, index).at(place) or self.atoms.at(place)

    def allowed(self, place: int) -> bool:
        """Whether a cut parts nothing and is not right behind a heading."""
        return (
            place > self.start
            and (self.paragraph is not None or not holds(self.inner.glued, place))
            and not splits_character(self.inner.ruler.text, place, self.start)
            and self.thing_at(place) is None
        )


def sentence_cut(inner: Inner, least: int, middle: int, most: int) -> int:
    """Where a chunk ends in the usual case: between two sentences of a paragraph; 0 in other cases.

    Args:
        inner: the text and its things.
        least: end of the smallest chunk.
        middle: end of a good one.
        most: end of the largest.
    """
    edges = inner.edges
    following = bisect_right(edges, least)
    if not following or inner.special[following - 1]:
        return 0
    if following < len(edges) and edges[following] <= most:
        return 0
    text = inner.ruler.text
    place = best_sentence(text, middle, most)
    first = edges[following - 1]
    if place - first > LONGEST_WHOLE:
        first = place - LONGEST_WHOLE
    for sign in OPENING_SIGNS:
        if text.find(sign, first, place) >= 0:
            return place if paragraph_spans(inner, following - 1).at(place) is None else 0
    return place


def inner_cut(inner: Inner, start: int, window: tuple[int, int, int]) -> int:
    """Where a chunk ends if no block starts in its window; 0 if there is no good place.

    Args:
        inner: the text and its things.
        start: start of the chunk.
        window: end of the smallest chunk, of a good one, of the largest.
    """
    least, middle, most = window
    following = bisect_right(inner.edges, least)
    alone = following == len(inner.edges) or inner.edges[following] > most
    if alone and following and not inner.special[following - 1]:
        search = Search(inner, start, paragraph_spans(inner, following - 1))
    else:
        block = whole_at(inner, least)
        if block is not None and block[1] > most:
            return 0
        glued = bisect_right(inner.glued, most)
        if glued - bisect_left(inner.glued, least) > MANY_HEADINGS:
            return inner.glued[glued - 1]
        search = Search(inner, start)
    for kind in KINDS:
        place = best_end(search, kind, window)
        if place:
            return place
    return best_character(search, middle, most)


def early_cut(inner: Inner, start: int, least: int, most: int) -> int:
    """Where a chunk ends whose window is full of one thing: before it, or behind it if it is at the start."""
    block = whole_at(inner, start + 1)
    if block is not None and block[1] > most:
        return behind(inner, start, block[1])
    text, search = inner.ruler.text, Search(inner, start)
    for pattern, accepts in KINDS:
        matches = pattern.finditer(text, start, min(least + 1, len(text)))
        found = last_of(search, (match.end() for match in matches if accepts(match)))
        if found:
            return found
    glued = bisect_right(inner.glued, most) - 1
    if glued >= 0 and inner.glued[glued] > start:
        return inner.glued[glued]
    search = with_atoms(search, most)
    found = last_character(search, least)
    if found:
        return found
    thing = search.thing_at(start + 1)
    if thing is not None and thing[1] > most:
        return behind(inner, start, thing[1])
    return whole_character(text, start, most, inner.ruler.reach(start, SIGN_SIZES * inner.ruler.high))


def behind(inner: Inner, start: int, end: int) -> int:
    """The end of a thing, with the blank lines behind it if that is not too much."""
    ruler = inner.ruler
    index = bisect_left(inner.edges, end)
    following = inner.edges[index] if index < len(inner.edges) else len(ruler.text)
    near = following - start <= LONGEST_WHOLE and not ruler.text[end:following].strip()
    return following if near else end


def whole_character(text: str, start: int, most: int, longest: int) -> int:
    """The last place up to `most` that parts no character; for one that is larger, the first behind that."""
    for place in chain(range(most, start, -1), range(most + 1, longest + 1)):
        if not splits_character(text, place, start):
            return place
    return most


def best_end(search: Search, kind: Kind, window: tuple[int, int, int]) -> int:
    """Of the ends of sentences, lines or words in the window the one with the least hash; 0 for none."""
    pattern, accepts = kind
    text, (least, middle, most) = search.inner.ruler.text, window
    # An end is known by the white space behind it, and the window may start or end inside of that.
    first, last = max(search.start, least - 2), min(len(text), most + 2)
    if pattern is SENTENCE and not MAYBE_SENTENCE.search(text, first, last):
        return 0
    matches = list(pattern.finditer(text, first, last))
    places = [match.end() for match in matches]
    first, behind = bisect_left(places, middle), bisect_right(places, most)
    late = ranks(text, places[first:behind])
    for index in sorted(range(len(late)), key=late.__getitem__) if len(late) > 1 else range(len(late)):
        if accepts(matches[first + index]) and search.allowed(places[first + index]):
            return places[first + index]
    early = matches[bisect_left(places, least) : first]
    return last_of(search, (match.end() for match in early if accepts(match)))


def last_of(search: Search, places: Iterable[int]) -> int:
    """The last place at which a cut is allowed; 0 for none."""
    return next((place for place in reversed(list(places)) if search.allowed(place)), 0)


def best_character(search: Search, least: int, most: int) -> int:
    """Of the places between characters the allowed one with the least hash; 0 for none."""
    search = with_atoms(search, most)
    thing = search.thing_at(least)
    if thing is not None and thing[1] > most:
        return 0
    order = character_ranks(search.inner.ruler.text, least, most)[::-1].argsort(kind="stable")
    places: list[int] = (most - order).tolist()
    return next((place for place in places if search.allowed(place)), 0)


def last_character(search: Search, end: int) -> int:
    """The last place between characters before another at which a cut is allowed; 0 for none."""
    place = end - 1
    while place > search.start:
        if search.allowed(place):
            return place
        thing = search.thing_at(place)
        place = thing[0] if thing is not None else place - 1
    return 0


def with_atoms(search: Search, most: int) -> Search:
    """The search with the numbers, addresses and words from its start on."""
    inner = search.inner
    atoms = atoms_in(inner.ruler, inner.giants, search.start, most)
    return Search(inner, search.start, search.paragraph, atoms)


def character_ranks(text: str, least: int, most: int) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    """A hash of the characters before each place of a window, from the first to the last."""
    first = max(0, least - HASHED)
    codes = code_points(text[first:most]).astype(np.uint32)
    found = np.full(most - least + 1, 2166136261, np.uint32)
    for distance in range(least - first, 0, -1):
        start = least - first - distance
        found = (found ^ codes[start : start + len(found)]) * np.uint32(16777619)
    return found ^ (found >> np.uint32(15))


def paragraph_spans(inner: Inner, index: int) -> Spans:
    """The things inside of a paragraph that are not to be cut.

    Args:
        inner: the text and its things.
        index: number of the edge at which the paragraph starts; -1 if it is before the first edge.
    """
    if index not in inner.spans:
        if len(inner.spans) >= KEPT_PARAGRAPHS:
            del inner.spans[next(iter(inner.spans))]
        start = inner.edges[index] if index >= 0 else 0
        end = inner.edges[index + 1] if index + 1 < len(inner.edges) else len(inner.ruler.text)
        inner.spans[index] = inline_spans(inner.ruler.text, start, end)
    return inner.spans[index]


def whole_at(inner: Inner, place: int) -> Span | None:
    """The code block, formula, heading or row of a table that a cut would part, if it is to stay whole."""
    layout, ruler = inner.layout, inner.ruler
    found = layout.wholes.at(place) or table_row_at(layout, place)
    if found is not None:
        return found if ruler.whole(*found) else None
    found = heading_at(layout, place)
    return found if found is not None and ruler.size(*found) <= ruler.high else None


def table_row_at(layout: Layout, place: int) -> Span | None:
    """The row of a table that a cut would part."""
    table = layout.tables.spans.at(place)
    if table is None:
        return None
    row = layout.lines.at(place) - 1
    end = min(layout.lines.after(row), table[1])
    return (layout.lines.starts.item(row), end) if place < end else None


def heading_at(layout: Layout, place: int) -> Span | None:
    """The heading that a cut would part."""
    lines, titles = layout.lines, layout.titles
    line = lines.at(place) - 1
    index = int(titles.lines.searchsorted(line, "right")) - 1
    if index < 0 or line >= titles.behind.item(index):
        return None
    end = lines.after(titles.behind.item(index) - 1)
    return (lines.starts.item(titles.lines.item(index)), end) if place < end else None


def holds(places: Sequence[int], place: int) -> bool:
    """Whether sorted places have one."""
    index = bisect_left(places, place)
    return index < len(places) and places[index] == place
