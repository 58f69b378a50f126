"""What prompts are filled with: the facts of a chunk, where they stand, and the passage around them."""

from __future__ import annotations

from collections.abc import Sequence

from services.generation.generations.generations import GenerationOptions
from services.generation.genre_audiences.genre_audiences import Voice, voice_values
from services.generation.questions.facts import Fact, choose, language_of, sentences
from services.generation.questions.questions import Answer
from services.generation.questions.quotes import Quote, find_quote, one_line, place_in_source
from services.generation.questions.writing import Passage, passage
from services.generation.sources.chunk_reader import SourceChunk


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
        "passage": one_line(passage(chunk, facts, options.context_chars).text),
        "facts": [one_line(fact.text) for fact in facts],
        "forms": options.forms_per_fact,
        "existing": [],
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


def chunk_language(chunk: SourceChunk, options: GenerationOptions) -> str:
    """In which language is written about a chunk: `en` or `zh`."""
    return options.language or language_of(chunk.text)


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
