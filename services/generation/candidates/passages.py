"""Passages: what a chunk says, written in other forms, for continued pretraining."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from services.generation.calls.output import OutputInvalid
from services.generation.candidates.assignments import Assignment, Payload, facts_of, new_candidate
from services.generation.candidates.candidate_gates import (
    check_names,
    check_numbers,
    check_refusal,
    check_text,
    is_copy,
)
from services.generation.candidates.candidates import NewCandidate, Passage
from services.generation.gates.gates import first_on, rejected
from services.generation.generations.generations import GenerationOptions
from services.generation.generations.kinds import PassageOptions
from services.generation.questions.facts import CJK, Fact, language_of
from services.generation.questions.filling import chunk_language, in_source, quote_of
from services.generation.questions.writing import strict_object
from services.generation.sources.chunk_reader import SourceChunk
from services.generation.sources.table_heads import under_head
from services.runtime.failures import Failure

LEAST_SHARE: Mapping[str, float] = {"paraphrase": 0.4}
"""A form has at least so much of the length of its source,"""
USUAL_SHARE = 0.15
"""or this; a short list says much in few words,"""
LONG_ENOUGH = 400
"""but no more than so many characters is asked of any."""
LONGEST = 3000
MOST_SHARE = 4.0
CHINESE_CHARACTER = 3
"""It says as much as so many letters."""
WITH_PEOPLE = frozenset({"case", "discussion"})
"""Forms in which people are named that the source does not know."""


class Written(BaseModel):
    """A passage as a model writes it."""

    text: str


def plans(chunk: SourceChunk, options: GenerationOptions, first: int) -> list[Payload]:  # noqa: ARG001
    """The forms in which is written what a chunk says; none where it holds no sentence."""
    forms = (options.passages or PassageOptions()).forms
    return [{"form": form} for form in forms] if facts_of(chunk, options) else []


def assignment(chunk: SourceChunk, payload: Payload, options: GenerationOptions) -> Assignment[str]:
    """A chunk in one form."""
    form, language = payload["form"], chunk_language(chunk, options)
    source = under_head(chunk, chunk.overlap)

    def made(text: str) -> NewCandidate:
        rejection = first_on(failures_of(form, text, source, language), options.gates)
        whole = Fact(chunk.overlap, len(chunk.text), chunk.text[chunk.overlap :])
        quotes = [quote_of(chunk, whole)] if in_source(chunk, whole) else []
        return new_candidate(chunk, Passage(form, text), facts_of(chunk, options), quotes, rejection)

    longest = int(max(LONGEST, MOST_SHARE * extent(source)))
    schema = strict_object({"text": {"type": "string", "minLength": 1, "maxLength": longest}})
    return Assignment("passage", language, {"source": source, "form": form}, schema, parse, made)


def parse(value: Any) -> str:
    """Reads a passage."""
    try:
        return Written.model_validate(value).text.strip()
    except ValidationError:
        raise OutputInvalid('the answer must be {"text": text}') from None


def extent(text: str) -> int:
    """How long a text is, in characters of a language with letters."""
    return len(text) + (CHINESE_CHARACTER - 1) * len(CJK.findall(text))


def failures_of(form: str, text: str, source: str, language: str) -> Iterator[Failure]:
    """Why a passage is rejected.

    Args:
        form: its form.
        text: what the model wrote.
        source: what the chunk says.
        language: the language that is wanted.
    """
    least = max(1.0, min(LONG_ENOUGH, LEAST_SHARE.get(form, USUAL_SHARE) * extent(source)))
    most = max(LONGEST, MOST_SHARE * extent(source))
    if not least <= extent(text) <= most:
        yield rejected(
            "PASSAGE_LENGTH",
            f"the passage has {len(text)} characters, the chunk {len(source)}: of this form are wanted "
            f"{least:.0f} to {most:.0f} (a Chinese one counts as {CHINESE_CHARACTER})",
        )
    yield from check_refusal(text, source, "passage")
    yield from check_text(text, language, "passage")
    yield from check_numbers(text, source, "passage")
    if language_of(source) != language:
        return
    if is_copy(text, source):
        yield rejected("COPY_OF_SOURCE", "the passage says the same as the chunk, word for word")
    if form not in WITH_PEOPLE:
        yield from check_names(text, source, "passage")
