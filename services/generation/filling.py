"""What prompts are filled with: the facts of a chunk, where they stand, and the passage around them."""

from __future__ import annotations

from collections.abc import Sequence

from services.generation.chunk_reader import SourceChunk
from services.generation.facts import Fact, choose, sentences
from services.generation.generations import GenerationOptions
from services.generation.genre_audiences import Voice, voice_values
from services.generation.questions import Answer
from services.generation.quotes import Quote, one_line, place_in_source
from services.generation.writing import Passage, passage


def planned_facts(chunk: SourceChunk, options: GenerationOptions) -> list[list[Fact]]:
    """The facts of a chunk that are asked for, those of one call together."""
    facts = choose(own_facts(chunk), len(chunk.text) - chunk.overlap, options.chars_per_fact)
    return in_calls(facts, options)


def in_calls(facts: Sequence[Fact], options: GenerationOptions) -> list[list[Fact]]:
    """Facts, those of one call together."""
    size = options.facts_per_call
    return [list(facts[at : at + size]) for at in range(0, len(facts), size)]


def own_facts(chunk: SourceChunk) -> list[Fact]:
    """The sentences of a chunk that can be asked about: its own, and such as stand in the document."""
    return [fact for fact in sentences(chunk.text) if fact.start >= chunk.overlap and in_source(chunk, fact)]


def questions_values(
    chunk: SourceChunk,
    facts: Sequence[Fact],
    options: GenerationOptions,
    language: str,
    voice: Voice | None = None,
) -> dict[str, object]:
    """What the prompt `questions` is filled with."""
    return {
        "passage": one_line(passage(chunk.text, facts, options.context_chars).text),
        "facts": [one_line(fact.text) for fact in facts],
        "forms": options.forms_per_fact,
        "known": [],
        **voice_values(voice, language),
    }


def answer_values(
    seen: Passage, question: str, language: str, voice: Voice | None = None
) -> dict[str, object]:
    """What the prompt `answer` is filled with."""
    return {"passage": one_line(seen.text), "question": question, **voice_values(voice, language)}


def judge_values(seen: Passage, question: str, answer: Answer | None) -> dict[str, object]:
    """What the prompt `judge` is filled with."""
    return {
        "passage": one_line(seen.text),
        "question": question,
        "answer": answer.text if answer else "",
        "quote": " … ".join(one_line(quote.text) for quote in answer.quotes) if answer else "",
    }


def in_source(chunk: SourceChunk, piece: Fact) -> bool:
    """Whether a piece of a chunk stands in the document, be it in other words."""
    return place_in_source(chunk.text, chunk.source, piece.start, piece.end) is not None


def quote_of(chunk: SourceChunk, piece: Fact) -> Quote:
    """A piece of a chunk as it stands in the document, with its place there."""
    place = place_in_source(chunk.text, chunk.source, piece.start, piece.end)
    if place is None:
        raise LookupError("the piece stands nowhere in the source; `in_source` says so before")
    start, end = place
    return Quote(
        chunk.source[start:end],
        chunk.id,
        chunk.document_id,
        chunk.document_version,
        chunk.char_start + start,
        chunk.char_start + end,
    )
