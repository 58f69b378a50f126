"""Answers: what is asked for by type of question, length, style and reasoning, and what is kept of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from services.generation.calls.output import OutputInvalid
from services.generation.gates.gates import answer_faults, is_foreign_answer, rejected
from services.generation.generations.generations import GenerationOptions
from services.generation.generations.kinds import AnswerOptions, Gates
from services.generation.genre_audiences.genre_audiences import Voice
from services.generation.phrases import admission, guess, leak
from services.generation.questions.filling import answer_values
from services.generation.questions.question_types import FACT, UNANSWERABLE
from services.generation.questions.writing import Passage, answer_schema, parse_answer, strict_object
from services.runtime.failures import Failure

LONGEST_REASONING = 4000


@dataclass(frozen=True)
class Written:
    """An answer as a model wrote it.

    Args:
        quotes: where the source says so.
        reasoning: the way to it, where it was asked for.
        answered: of a question that is to have no answer, whether the model found one.
    """

    answer: str
    quotes: tuple[str, ...]
    reasoning: str = ""
    answered: bool = False


@dataclass(frozen=True)
class AnswerCall:
    """What a model is asked for about a question."""

    prompt: str
    values: Mapping[str, object]
    schema: Mapping[str, Any]
    parse: Callable[[Any], Written]


class FullAnswer(BaseModel):
    """An answer with the way to it."""

    reasoning: str = ""
    quote: str
    answer: str


class Refusal(BaseModel):
    """An answer to a question that is to have none; `nearby` leads the model to what it can say."""

    reasoning: str = ""
    nearby: str = ""
    answered: bool
    answer: str


def answer_call(
    question_type: str,
    seen: Passage,
    question: str,
    options: GenerationOptions,
    language: str,
    voice: Voice | None,
) -> AnswerCall:
    """What is asked about a question of a type; without options that of a fact is as it always was."""
    own, longest = options.answers, options.gates.max_answer_chars
    values = answer_values(seen, question, language, voice)
    if question_type == FACT and is_plain(own):
        return AnswerCall("answer", values, answer_schema(seen, longest), parse_plain)
    values = {**values, **manner_values(own)}
    if question_type == UNANSWERABLE:
        return AnswerCall("answer_unanswerable", values, refusal_schema(seen, options), refusal_parser(own))
    schema = with_reasoning(own, answer_schema(seen, longest)["properties"])
    return AnswerCall("answer_full", values, schema, full_parser(own))


def is_plain(own: AnswerOptions) -> bool:
    """Whether nothing is wanted of an answer but that it is short."""
    return own.length == "short" and not own.style.strip() and own.reasoning != "asked"


def manner_values(own: AnswerOptions) -> dict[str, object]:
    """What prompts say about the manner of an answer."""
    return {"length": own.length, "style": own.style.strip(), "reasoning": own.reasoning == "asked"}


def with_reasoning(own: AnswerOptions, properties: Mapping[str, Any]) -> dict[str, Any]:
    """A schema with these properties, and before them the reasoning where it is asked for."""
    reasoning = {"type": "string", "minLength": 1, "maxLength": LONGEST_REASONING}
    return strict_object({**({"reasoning": reasoning} if own.reasoning == "asked" else {}), **properties})


def refusal_schema(seen: Passage, options: GenerationOptions) -> dict[str, Any]:
    """`{"nearby": ..., "answered": ..., "answer": ...}`: what is near comes before what is said."""
    plain = answer_schema(seen, options.gates.max_answer_chars)["properties"]
    properties = {"nearby": plain["quote"], "answered": {"type": "boolean"}, "answer": plain["answer"]}
    return with_reasoning(options.answers, properties)


def parse_plain(value: Any) -> Written:
    """Reads what `answer_schema` asked for."""
    written = parse_answer(value)
    return Written(written.answer, (written.quote,))


def full_parser(own: AnswerOptions) -> Callable[[Any], Written]:
    """Reads an answer, and the way to it where that is asked for."""

    def parse(value: Any) -> Written:
        try:
            written = FullAnswer.model_validate(value)
        except ValidationError:
            raise OutputInvalid(wanted_members(own, '"quote": text, "answer": text')) from None
        members = '"quote": text, "answer": text'
        return Written(written.answer.strip(), (written.quote,), reasoned(own, written.reasoning, members))

    return parse


def refusal_parser(own: AnswerOptions) -> Callable[[Any], Written]:
    """Reads what `refusal_schema` asked for."""
    members = '"nearby": text, "answered": true or false, "answer": text'

    def parse(value: Any) -> Written:
        try:
            written = Refusal.model_validate(value)
        except ValidationError:
            raise OutputInvalid(wanted_members(own, members)) from None
        reasoning = reasoned(own, written.reasoning, members)
        return Written(written.answer.strip(), (), reasoning, written.answered)

    return parse


def reasoned(own: AnswerOptions, reasoning: str, members: str) -> str:
    """The reasoning that was asked for.

    Raises:
        OutputInvalid: it lacks.
    """
    if own.reasoning == "asked" and not reasoning.strip():
        raise OutputInvalid(wanted_members(own, members))
    return reasoning.strip()[:LONGEST_REASONING]


def wanted_members(own: AnswerOptions, members: str) -> str:
    """What an answer must be, in words for the model."""
    first = '"reasoning": text, ' if own.reasoning == "asked" else ""
    return f"the answer must be {{{first}{members}}}"


def kept_reasoning(native: str, asked: str, options: GenerationOptions) -> str:
    """What is kept of the way to an answer.

    What the model thought by itself goes before what it was asked for, unless it speaks of a text.
    """
    wanted = options.answers.reasoning
    if wanted == "none":
        return ""
    if wanted == "asked" and (not native or (leak(native) and "LEAK_PHRASE" not in options.gates.off)):
        return asked
    return native


def reasoning_faults(
    reasoning: str, source: str, options: GenerationOptions, language: str
) -> Iterator[Failure]:
    """What is wrong with reasoning that was asked for; what a model thinks by itself is taken as it is."""
    if options.answers.reasoning != "asked":
        return
    if phrase := leak(reasoning):
        yield rejected(
            "LEAK_PHRASE", f"the reasoning speaks of a text that a reader will not have: {phrase!r}"
        )
    if is_foreign_answer(reasoning, language, source):
        yield rejected("LANGUAGE", f"the reasoning is not in the language that is wanted ({language})")


def refusal_faults(
    question: str, written: Written, source: str, gates: Gates, language: str
) -> Iterator[Failure]:
    """What is wrong with the answer to a question that is to have none."""
    answer = written.answer
    if written.answered:
        yield rejected("ANSWERABLE", "the chunk answers the question, says the model that was to refuse")
    if answer and not admission(answer):
        yield rejected("NOT_REFUSED", "the answer does not say that it is not known")
    if phrase := guess(answer, source):
        yield rejected("NOT_REFUSED", f"the answer guesses: {phrase!r}")
    yield from (
        fault
        for fault in answer_faults(question, answer, source, gates, language)
        if fault.reason != "REFUSAL"
    )
