"""What a model is asked for that becomes a candidate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from services.generation.candidates.candidates import Content, NewCandidate
from services.generation.generations.generations import GenerationOptions
from services.generation.questions.facts import Fact
from services.generation.questions.filling import planned_facts, quote_of
from services.generation.questions.quotes import Quote
from services.generation.questions.writing import MOST_QUOTES
from services.generation.sources.chunk_reader import SourceChunk
from services.runtime.failures import Failure
from services.runtime.ids import new_id

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


def facts_of(chunk: SourceChunk, options: GenerationOptions) -> list[Fact]:
    """The facts of a chunk that are asked for, in their order."""
    return [fact for call in planned_facts(chunk, options) for fact in call]


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
