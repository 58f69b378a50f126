"""Links: for a fact one of another chunk that belongs to it, so that a question can ask for both at once.

Chunks are linked inside one page of a plan, some hundred chunks in reading order, of one document or several.
Two facts belong together where they share rare terms: names, codes and words (of Chinese, pairs of
characters) that few chunks of the page have. So no model is needed, the same documents get the same links
each time, and time and memory are those of the page. A fact that shares none gets one of the section beside
its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.generation.gates.copies import LIGHT, LIGHT_ZH, WORD, singular
from services.generation.gates.gates import CJK_RUN, names
from services.generation.questions.facts import CJK, Fact, sentences
from services.generation.questions.filling import in_source
from services.generation.sources.chunk_reader import ChunkReader, SourceChunk

RARE_SHARE, LEAST_RARE = 0.1, 3
"""A term is rare that this share of the chunks of a page has at most, or so many."""
NAME_WEIGHT = 2.0
"""What names and codes count, beside other words."""
LEAST_WEIGHT = 2.0
"""So many names, or twice as many words, link two facts."""
SAME_SHARE = 0.7
"""Facts that share so much of their terms say the same."""
SHORTEST_WORD = 3


@dataclass(frozen=True)
class Link:
    """A fact of another chunk, by its place there."""

    chunk_id: str
    start: int
    end: int

    @property
    def payload(self) -> list[str | int]:
        """As an item is told of it."""
        return [self.chunk_id, self.start, self.end]


@dataclass(frozen=True)
class LinkedFact:
    """A fact with its chunk."""

    chunk: SourceChunk
    fact: Fact


@dataclass(frozen=True)
class Entry:
    """A fact of a page: the place of its chunk there, and its terms with their weights."""

    at: int
    fact: Fact
    terms: Mapping[str, float]


Linker = Callable[[SourceChunk, Fact], Link | None]
"""Finds the fact that belongs to one of a chunk; nothing where there is none."""


async def linked_fact(payload: Mapping[str, Any], chunks: ChunkReader) -> LinkedFact | None:
    """The linked fact of which an item is told; nothing where it is told of none.

    Raises:
        ApiError: the ingest room has no such chunk, or is away.
    """
    if "link" not in payload:
        return None
    chunk_id, start, end = payload["link"]
    chunk = await chunks.get(chunk_id)
    return LinkedFact(chunk, Fact(start, end, chunk.text[start:end]))


def unlinked(chunk: SourceChunk, fact: Fact) -> Link | None:  # noqa: ARG001  # a Linker
    """No fact belongs to another."""
    return None


def known_links(stored: Mapping[str, Sequence[Sequence[Any]]]) -> Linker:
    """Finds links that were found before: by id of the chunk, each as start of the fact and payload."""
    links = {(chunk_id, start): Link(*link) for chunk_id, found in stored.items() for start, *link in found}
    return lambda chunk, fact: links.get((chunk.id, fact.start))


def linker(chunks: Sequence[SourceChunk]) -> Linker:
    """Finds links among the chunks of a page."""
    entries = [entry for at, chunk in enumerate(chunks) for entry in entries_of(at, chunk)]
    places = {chunk.id: at for at, chunk in enumerate(chunks)}
    holding: dict[str, list[Entry]] = {}
    for entry in entries:
        for term in entry.terms:
            holding.setdefault(term, []).append(entry)
    most = max(LEAST_RARE, int(len(chunks) * RARE_SHARE))
    rare = {term: found for term, found in holding.items() if 1 < len({one.at for one in found}) <= most}

    def find(chunk: SourceChunk, fact: Fact) -> Link | None:
        at = places.get(chunk.id)
        if at is None:
            return None
        own = Entry(at, fact, terms_of(fact.text))
        found = nearest_of_same_terms(own, rare) or beside(own, chunks, entries)
        return Link(chunks[found.at].id, found.fact.start, found.fact.end) if found else None

    return find


def entries_of(at: int, chunk: SourceChunk) -> Iterator[Entry]:
    """The facts that a chunk itself holds."""
    for fact in sentences(chunk.text):
        if fact.start >= chunk.overlap and in_source(chunk, fact):
            yield Entry(at, fact, terms_of(fact.text))


def terms_of(text: str) -> dict[str, float]:
    """What a fact can share with another: its words but those that only bind, and what each counts."""
    named = names(text)
    found = {}
    for word in WORD.findall(text):
        low = word.casefold()
        if CJK.search(word) or low in LIGHT or len(word) < SHORTEST_WORD:
            continue
        is_code = any(sign.isdigit() for sign in word)
        found[singular(low)] = NAME_WEIGHT if low in named or is_code else 1.0
    for run in CJK_RUN.findall(text):
        pairs = (run[at : at + 2] for at in range(len(run) - 1))
        found.update({pair: 1.0 for pair in pairs if not LIGHT_ZH & set(pair)})
    return found


def nearest_of_same_terms(own: Entry, rare: Mapping[str, Sequence[Entry]]) -> Entry | None:
    """The fact of another chunk that shares most; of equal ones the nearest, and the first."""
    weights: dict[tuple[int, int], tuple[float, Entry]] = {}
    for term, weight in own.terms.items():
        for other in rare.get(term, ()):
            if other.at != own.at:
                key = (other.at, other.fact.start)
                weights[key] = (weights.get(key, (0.0, other))[0] + weight, other)
    linked = [
        (weight, other)
        for weight, other in weights.values()
        if weight >= LEAST_WEIGHT and not says_the_same(own, other)
    ]
    best = max(linked, key=lambda one: (one[0], -abs(one[1].at - own.at), -one[1].at), default=None)
    return best[1] if best else None


def says_the_same(one: Entry, other: Entry) -> bool:
    """Whether two facts have nearly the same terms."""
    both, either = one.terms.keys() & other.terms.keys(), one.terms.keys() | other.terms.keys()
    return len(both) >= SAME_SHARE * len(either)


def beside(own: Entry, chunks: Sequence[SourceChunk], entries: Sequence[Entry]) -> Entry | None:
    """A fact of the chunk after, or else before, of a section beside: what shares most, or the first."""
    for at in (own.at + 1, own.at - 1):
        if not 0 <= at < len(chunks) or not are_beside(chunks[own.at], chunks[at]):
            continue
        found = [entry for entry in entries if entry.at == at and not says_the_same(own, entry)]
        if found:
            return max(found, key=lambda one: len(own.terms.keys() & one.terms.keys()))
    return None


def are_beside(one: SourceChunk, other: SourceChunk) -> bool:
    """Whether two neighbours are of one section, or of sections under the same heading."""
    is_same_document = one.document_id == other.document_id
    return is_same_document and list(one.heading_path[:-1]) == list(other.heading_path[:-1])
