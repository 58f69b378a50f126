"""Questions that need facts of two chunks: what is asked for, and how their answers are held against both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from services.generation.calls.output import OutputInvalid
from services.generation.gates.gates import rejected
from services.generation.generations.generations import GenerationOptions
from services.generation.generations.kinds import AnswerOptions
from services.generation.genre_audiences.genre_audiences import Voice, voice_values
from services.generation.questions.answers import (
    AnswerCall,
    Written,
    manner_values,
    reasoned,
    wanted_members,
    with_reasoning,
)
from services.generation.questions.facts import Fact
from services.generation.questions.filling import found_quote
from services.generation.questions.links import LinkedFact
from services.generation.questions.question_types import (
    MULTI_HOP,
    QuestionsCall,
    asked_place,
    typed_parser,
    typed_schema,
)
from services.generation.questions.quotes import one_line, overlap
from services.generation.questions.writing import Passage, answer_schema, passage
from services.generation.sources.chunk_reader import SourceChunk
from services.runtime.failures import Failure

MEMBERS = '"quote_1": text, "quote_2": text, "answer": text'


class HopAnswer(BaseModel):
    """An answer with a quote of each chunk."""

    reasoning: str = ""
    quote_1: str
    quote_2: str
    answer: str


def hop_questions_call(
    chunk: SourceChunk,
    fact: Fact,
    linked: LinkedFact,
    options: GenerationOptions,
    language: str,
    voice: Voice | None,
) -> QuestionsCall:
    """What is asked about a fact and the one that is linked to it."""
    forms = options.forms_per_fact
    values = {
        **shown(hop_passages(chunk, fact, linked, options)),
        "fact": one_line(fact.text),
        "linked_fact": one_line(linked.fact.text),
        "forms": forms,
        "existing": [],
        **voice_values(voice, language),
    }
    return QuestionsCall(
        "questions_multi_hop", values, typed_schema(1, forms, language), typed_parser(1, forms)
    )


def hop_answer_call(
    passages: Sequence[Passage],
    question: str,
    options: GenerationOptions,
    language: str,
    voice: Voice | None,
) -> AnswerCall:
    """What is asked about a question that needs both passages."""
    manner = manner_values(options.answers)
    values = {**shown(passages), "question": question, **manner, **voice_values(voice, language)}
    schema, parse = hop_schema(passages, options), hop_parser(options.answers)
    return AnswerCall("answer_multi_hop", values, schema, parse)


def hop_passages(
    chunk: SourceChunk, fact: Fact, linked: LinkedFact, options: GenerationOptions
) -> tuple[Passage, Passage]:
    """The parts of both chunks that a model sees."""
    chars = options.context_chars
    return passage(chunk, [fact], chars), passage(linked.chunk, [linked.fact], chars)


def shown(passages: Sequence[Passage]) -> dict[str, object]:
    """Two passages, as prompts show them."""
    first, second = passages
    return {"passage": one_line(first.text), "linked_passage": one_line(second.text)}


def joined(passages: Sequence[Passage]) -> Passage:
    """Two passages as one, as a judge sees them."""
    return Passage(" … ".join(one.text for one in passages), [])


def hop_schema(passages: Sequence[Passage], options: GenerationOptions) -> dict[str, Any]:
    """`{"quote_1": ..., "quote_2": ..., "answer": ...}`, each quote a sentence of its passage."""
    plain = [answer_schema(one, options.gates.max_answer_chars)["properties"] for one in passages]
    quotes = {f"quote_{number}": one["quote"] for number, one in enumerate(plain, 1)}
    return with_reasoning(options.answers, {**quotes, "answer": plain[0]["answer"]})


def hop_parser(own: AnswerOptions) -> Callable[[Any], Written]:
    """Reads what `hop_schema` asked for."""

    def parse(value: Any) -> Written:
        try:
            written = HopAnswer.model_validate(value)
        except ValidationError:
            raise OutputInvalid(wanted_members(own, MEMBERS)) from None
        reasoning = reasoned(own, written.reasoning, MEMBERS)
        return Written(written.answer.strip(), (written.quote_1, written.quote_2), reasoning)

    return parse


def hop_quotes(
    chunk: SourceChunk, linked: SourceChunk, quotes: Sequence[str]
) -> list[tuple[SourceChunk, Fact]]:
    """Where quotes stand: each in its own chunk if it can be, else in the other.

    One that stands in neither is left out.
    """
    sources = (chunk, linked)
    found = []
    for own, other, quote in zip(sources, reversed(sources), quotes, strict=False):
        places = ((one, placed) for one in (own, other) if (placed := own_quote(one, quote)))
        found += [place for place in [next(places, None)] if place]
    return found


def own_quote(chunk: SourceChunk, quote: str) -> Fact | None:
    """Where a quote stands in what a chunk itself says, and in its document."""
    found = found_quote(chunk, quote)
    return found if found and found.start >= chunk.overlap else None


def hop_quote_faults(
    chunk: SourceChunk, fact: Fact, linked: LinkedFact, found: Sequence[tuple[SourceChunk, Fact]]
) -> Iterator[Failure]:
    """What is wrong with the quotes of an answer that needs two facts."""
    pairs = ((chunk, fact), (linked.chunk, linked.fact))
    if len(found) < len(pairs):
        yield rejected("QUOTE_NOT_FOUND", "a quote stands in neither of the two chunks")
    places = {one.id: asked_place(MULTI_HOP, one, own) for one, own in pairs}
    lacking = places.keys() - {one.id for one, _ in found}
    if found and lacking:
        yield rejected("QUOTES_NOT_OF_BOTH", f"no quote is of chunk {min(lacking)}")
    if any(not overlap(quote, places[one.id]) for one, quote in found):
        yield rejected("QUOTE_OFF_FACT", "a quote is not the fact that the question was written about")
