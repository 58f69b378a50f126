"""What models are asked to write: JSON schemas, and how their output is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from services.generation.calls.output import OutputIncomplete, OutputInvalid
from services.generation.questions.facts import Fact, around, sentences
from services.generation.questions.quotes import one_line
from services.generation.sources.chunk_reader import SourceChunk
from services.generation.sources.table_heads import under_head

QUESTION_PATTERNS = {
    "en": "^(What|Which|Who|Whose|When|Where|Why|How|In what|In which|Can you tell me|Do you know) "
    '[^?"\\\\\\n]{6,160}\\?$',
    "zh": '^[^?？"\\\\\\n]{4,60}？$',
}
"""What a question looks like; a server that constrains its output cannot miss it."""
MOST_QUOTES = 100
"""Most sentences that a schema offers as quotes; servers limit the length of an enum."""


class FactQuestions(BaseModel):
    """Questions about one fact."""

    questions: list[str]


class WrittenAnswer(BaseModel):
    """An answer and the sentence that says so."""

    quote: str
    answer: str


@dataclass(frozen=True)
class Passage:
    """The part of a chunk that a model sees, and its sentences with their places in the chunk."""

    text: str
    sentences: Sequence[Fact]


def passage(chunk: SourceChunk, facts: Sequence[Fact], context_chars: int) -> Passage:
    """The passage around some facts; rows of a table stand under its head, which is none of the sentences."""
    start, end = around(chunk.text, facts, context_chars)
    inside = [one for one in sentences(chunk.text) if start <= one.start and one.end <= end]
    return Passage(under_head(chunk, start, end), inside)


def questions_schema(facts: int, forms: int, language: str) -> dict[str, Any]:
    """`{"fact_1": {"questions": [...]}, ...}` with exactly `forms` questions for each fact."""
    question = {"type": "string", "pattern": QUESTION_PATTERNS[language]}
    questions = {"type": "array", "items": question, "minItems": forms, "maxItems": forms}
    return strict_object({fact_key(index): strict_object({"questions": questions}) for index in range(facts)})


def questions_parser(facts: int, forms: int) -> Callable[[Any], list[list[str]]]:
    """Reads what `questions_schema` asked for: the questions of each fact.

    Where some are there and some lack, the facts with all their questions are kept and the others asked for
    again. If they never come, the answer is what is there: fewer questions, each of them whole.
    """

    def parse(value: Any) -> list[list[str]]:
        if not isinstance(value, dict):
            raise OutputInvalid("the answer is not a JSON object")
        found = {key: read(value.get(key)) for key in map(fact_key, range(facts))}
        lacking = [key for key, texts in found.items() if len(texts) < forms]
        if not lacking:
            return [texts[:forms] for texts in found.values()]
        message = (
            f'"{lacking[0]}" must be {{"questions": [...]}} with {forms} texts, '
            f"of which {len(found[lacking[0]])} are there"
        )
        if not any(found.values()):
            raise OutputInvalid(message)
        parts = {key: value[key] for key in found if key not in lacking}
        raise OutputIncomplete(message, parts, [texts[:forms] for texts in found.values()])

    def read(member: Any) -> list[str]:
        try:
            found = FactQuestions.model_validate(member).questions
        except ValidationError:
            return []
        return [one_line(text) for text in found if text.strip()]

    return parse


def answer_schema(seen: Passage, longest: int) -> dict[str, Any]:
    """`{"quote": ..., "answer": ...}`; the quote is one of the passage's sentences unless they are many."""
    offered = list(dict.fromkeys(one_line(sentence.text) for sentence in seen.sentences))
    quote: dict[str, Any] = {"type": "string"}
    if 0 < len(offered) <= MOST_QUOTES:
        quote["enum"] = offered
    answer = {"type": "string", "minLength": 1, "maxLength": longest}
    return strict_object({"quote": quote, "answer": answer})


def parse_answer(value: Any) -> WrittenAnswer:
    """Reads what `answer_schema` asked for."""
    try:
        written = WrittenAnswer.model_validate(value)
    except ValidationError:
        raise OutputInvalid('the answer must be {"quote": text, "answer": text}') from None
    return WrittenAnswer(quote=written.quote, answer=written.answer.strip())


def strict_object(properties: dict[str, Any]) -> dict[str, Any]:
    """An object schema with all properties required and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def fact_key(index: int) -> str:
    """Name of a fact in prompt and schema, from 1."""
    return f"fact_{index + 1}"
