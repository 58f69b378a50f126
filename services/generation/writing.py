"""What models are asked to write: JSON schemas, and how their output is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from services.generation.calls.output import OutputInvalid
from services.generation.facts import Fact, around, sentences
from services.generation.quotes import one_line

QUESTION_PATTERNS = {
    "en": "^(What|Which|Who|Whose|When|Where|Why|How|In what|In which|Can you tell me|Do you know) "
    '[^?"\\\\\\n]{6,160}\\?$',
    "zh": '^[^?？"\\\\\\n]{4,60}？$',
}
"""What a question looks like; a server that constrains its output cannot miss it."""
LONGEST_ANSWER = 1000
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


def passage(chunk: str, facts: Sequence[Fact], context_chars: int) -> Passage:
    """The passage around some facts."""
    start, end = around(chunk, facts, context_chars)
    inside = [one for one in sentences(chunk) if start <= one.start and one.end <= end]
    return Passage(chunk[start:end].strip(), inside)


def questions_schema(facts: int, forms: int, language: str) -> dict[str, Any]:
    """`{"fact_1": {"questions": [...]}, ...}` with exactly `forms` questions for each fact."""
    question = {"type": "string", "pattern": QUESTION_PATTERNS[language]}
    questions = {"type": "array", "items": question, "minItems": forms, "maxItems": forms}
    return strict_object({fact_key(index): strict_object({"questions": questions}) for index in range(facts)})


def questions_parser(facts: int, forms: int) -> Callable[[Any], list[list[str]]]:
    """Reads what `questions_schema` asked for: the questions of each fact."""

    def parse(value: Any) -> list[list[str]]:
        if not isinstance(value, dict):
            raise OutputInvalid("the answer is not a JSON object")
        return [read(value, fact_key(index)) for index in range(facts)]

    def read(value: dict[str, Any], key: str) -> list[str]:
        try:
            found = FactQuestions.model_validate(value.get(key)).questions
        except ValidationError:
            raise OutputInvalid(f'"{key}" must be {{"questions": [...]}} with {forms} texts') from None
        texts = [one_line(text) for text in found if text.strip()]
        if len(texts) < forms:
            raise OutputInvalid(f'"{key}" holds {len(texts)} questions, {forms} are needed')
        return texts[:forms]

    return parse


def answer_schema(seen: Passage) -> dict[str, Any]:
    """`{"quote": ..., "answer": ...}`; the quote is one of the passage's sentences unless they are many."""
    offered = list(dict.fromkeys(one_line(sentence.text) for sentence in seen.sentences))
    quote: dict[str, Any] = {"type": "string"}
    if 0 < len(offered) <= MOST_QUOTES:
        quote["enum"] = offered
    answer = {"type": "string", "minLength": 1, "maxLength": LONGEST_ANSWER}
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
