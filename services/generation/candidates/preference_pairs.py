"""Preference pairs: to a question with a good answer, a bad one that is plausible."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from services.generation.calls.output import OutputInvalid
from services.generation.candidates.assignments import Assignment
from services.generation.candidates.candidate_gates import (
    check_length,
    check_refusal,
    check_text,
    content_words,
)
from services.generation.candidates.candidates import NewCandidate, PreferencePair
from services.generation.gates.gates import first_on, rejected
from services.generation.generations.generations import GenerationOptions
from services.generation.generations.kinds import PreferencePairOptions
from services.generation.questions.filling import chunk_language
from services.generation.questions.questions import Answer, Question, text_key
from services.generation.questions.quotes import find_quote, one_line
from services.generation.questions.writing import passage, strict_object
from services.generation.sources.chunk_reader import SourceChunk
from services.generation.sources.table_heads import under_head, with_head
from services.runtime.failures import Failure
from services.runtime.ids import new_id

FLAWS = ("wrong", "ungrounded")
SHORTEST_SHARE = 0.3
LONGEST_SHARE = 3.0
"""A bad answer has a length like that of the good one, or all could be told apart by it;"""
ALWAYS_SHORT = 60
"""so many characters are always allowed."""


class Written(BaseModel):
    """A bad answer as a model writes it."""

    bad_answer: str


def flaw_of(options: GenerationOptions, number: int) -> str:
    """What is bad about the answer of the question of this number, from 0."""
    return (options.preference_pairs or PreferencePairOptions()).flaw or FLAWS[number % len(FLAWS)]


def assignment(
    question: Question, answer: Answer, chunks: Sequence[SourceChunk], flaw: str, options: GenerationOptions
) -> Assignment[str]:
    """A bad answer to a question.

    Args:
        question: the question.
        answer: its good answer.
        chunks: those that it was written from, the fact's first.
        flaw: what is to be bad: `wrong` or `ungrounded`.
        options: those of the generation.
    """
    source, language = "\n\n".join(with_head(chunk) for chunk in chunks), chunk_language(chunks[0], options)

    def made(bad: str) -> NewCandidate:
        pair = PreferencePair(question.text, answer.text, bad, flaw)
        quoted = " ".join(quote.text for quote in answer.quotes)
        rejection = first_on(failures_of(pair, source, quoted, language, options), options.gates)
        return NewCandidate(
            new_id(),
            pair,
            question.chunk_ids,
            question.document_ids,
            [question.fact_id] if question.fact_id else [],
            answer.quotes,
            rejection,
            question.id,
        )

    return Assignment(
        "preference_pair",
        language,
        {
            "passage": one_line(shown(question, chunks, options)),
            "question": question.text,
            "answer": answer.text,
            "flaw": flaw,
        },
        strict_object(
            {
                "bad_answer": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": max(ALWAYS_SHORT, int(LONGEST_SHARE * len(answer.text))),
                }
            }
        ),
        parse,
        made,
    )


def shown(question: Question, chunks: Sequence[SourceChunk], options: GenerationOptions) -> str:
    """What the model sees of the chunks: all, or of a single one what stands around the fact."""
    fact = find_quote(chunks[0].text, question.fact.text) if question.fact else None
    if fact and len(chunks) == 1:
        return passage(chunks[0], [fact], options.context_chars).text
    return "\n\n".join(under_head(chunk) for chunk in chunks)


def parse(value: Any) -> str:
    """Reads a bad answer."""
    try:
        return Written.model_validate(value).bad_answer.strip()
    except ValidationError:
        raise OutputInvalid('the answer must be {"bad_answer": text}') from None


def failures_of(
    pair: PreferencePair, source: str, quoted: str, language: str, options: GenerationOptions
) -> Iterator[Failure]:
    """Why a pair is rejected.

    Args:
        pair: question, good and bad answer.
        source: what the chunks say.
        quoted: what of it the good answer rests on.
        language: the language that is wanted.
        options: those of the generation.
    """
    good, bad = pair.chosen, pair.rejected
    yield from check_length(bad, options.gates, "bad answer")
    least, most = SHORTEST_SHARE * len(good), max(ALWAYS_SHORT, LONGEST_SHARE * len(good))
    if not least <= len(bad) <= most:
        yield rejected(
            "LENGTHS_DIFFER", f"the bad answer has {len(bad)} characters, the good one {len(good)}"
        )
    yield from check_refusal(bad, source, "bad answer")
    yield from check_text(bad, language, "bad answer")
    # What is made up may well come after what is right; what is wrong cannot.
    repeats = pair.flaw == "wrong" and text_key(good) in text_key(bad)
    if repeats or not content_words(bad) ^ content_words(good):
        yield rejected("NOT_DIFFERENT", "the bad answer says what the good one says")
    if text_key(bad) in text_key(source if pair.flaw == "ungrounded" else quoted):
        yield rejected("NOT_BAD", "the bad answer stands in the source word for word")
    if pair.flaw == "ungrounded" and not content_words(bad) - content_words(source):
        yield rejected("NOT_UNGROUNDED", "the bad answer claims nothing that the chunk does not say")
