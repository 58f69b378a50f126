"""What a model is asked for that becomes a candidate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from services.generation.candidates import Content, NewCandidate
from services.generation.chunk_reader import SourceChunk
from services.generation.facts import Fact, language_of
from services.generation.filling import in_source, planned_facts, quote_of
from services.generation.generations import GenerationOptions
from services.generation.quotes import Quote, find_quote
from services.generation.writing import MOST_QUOTES
from services.runtime.ids import new_id
from services.runtime.jobs import Failure

T = TypeVar("T")

Payload = Mapping[str, Any]
"""What an item is told of its work."""


@dataclass(frozen=True)
class Assignment(Generic[T]):
    """One call, and what is made of it.

    Args:
        prompt: name of the prompt.
        language: its language.
        values: what it is filled with.
        schema: JSON schema of the answer.
        parse: turns decoded JSON into what was written; raises `OutputInvalid` to have it asked for again.
        made: turns what was written into a candidate, held against the gates.
    """

    prompt: str
    language: str
    values: Mapping[str, object]
    schema: Mapping[str, Any]
    parse: Callable[[Any], T]
    made: Callable[[T], NewCandidate]


def chunk_language(chunk: SourceChunk, options: GenerationOptions) -> str:
    """In which language is written about a chunk: `en` or `zh`."""
    return options.language or language_of(chunk.text)


def facts_of(chunk: SourceChunk, options: GenerationOptions) -> list[Fact]:
    """The facts of a chunk that are asked for, in their order."""
    return [fact for call in planned_facts(chunk, options) for fact in call]


def place(fact: Fact) -> list[int]:
    """A fact in a payload: its place in the chunk, whose text never changes."""
    return [fact.start, fact.end]


def fact_at(chunk: SourceChunk, found: Sequence[int]) -> Fact:
    """A fact out of a payload."""
    start, end = found
    return Fact(start, end, chunk.text[start:end])


def found_quote(chunk: SourceChunk, quote: str) -> Fact | None:
    """Where a quote stands in a chunk; nothing where it does not, or not in the document."""
    found = find_quote(chunk.text, quote)
    return found if found and in_source(chunk, found) else None


def quote_schema(offered: Sequence[str]) -> dict[str, Any]:
    """A quote: one of the sentences that are offered unless they are many."""
    distinct = list(dict.fromkeys(offered))
    return {"type": "string", **({"enum": distinct} if 0 < len(distinct) <= MOST_QUOTES else {})}


def new_candidate(
    chunk: SourceChunk,
    content: Content,
    facts: Sequence[Fact],
    quotes: Sequence[Quote],
    rejection: Failure | None,
) -> NewCandidate:
    """A candidate that was written from a chunk."""
    fact_ids = [quote_of(chunk, fact).place_id for fact in facts]
    return NewCandidate(
        new_id(),
        content,
        [chunk.id],
        [chunk.document_id],
        fact_ids,
        quotes,
        rejection,
        heading_path=chunk.heading_path,
    )
