"""Distillation: what a model knows of a topic, by tags, questions and answers, without documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from services.generation.calls.output import OutputIncomplete, OutputInvalid
from services.generation.candidates.candidate_gates import check_length, check_refusal, check_text
from services.generation.gates.gates import question_faults
from services.generation.generations.generations import GenerationOptions
from services.generation.generations.kinds import DistillationOptions
from services.generation.questions.facts import language_of
from services.generation.questions.questions import text_key
from services.generation.questions.quotes import one_line
from services.generation.questions.writing import QUESTION_PATTERNS, strict_object
from services.runtime.failures import Failure

QUESTIONS_PER_CALL = 10
MOST_TOLD = 100
"""Tags or questions that the model is told of, so that it repeats none; the latest."""
LONGEST_TAG = 100


class Written(BaseModel):
    """An answer as a model writes it."""

    answer: str


@dataclass(frozen=True)
class Place:
    """Where in the tree of a topic something is asked for.

    Args:
        path: titles from the topic down to the tag.
        siblings: the tags beside the last of them.
        existing: what is there already of what is asked for.
        left: how much of it is still to come.
    """

    path: Sequence[str]
    siblings: Sequence[str]
    existing: Sequence[str]
    left: int

    def values(self, count: int) -> dict[str, object]:
        """What the prompts `topics` and `topic_questions` are filled with."""
        return {
            "path": list(self.path),
            "siblings": list(self.siblings)[-MOST_TOLD:],
            "existing": list(self.existing)[-MOST_TOLD:],
            "count": count,
        }

    def after(self, found: Sequence[str]) -> Place:
        """What is still to come when this is there."""
        return Place(self.path, self.siblings, [*self.existing, *found], self.left - len(found))


def own_options(options: GenerationOptions) -> DistillationOptions:
    """The options of distillation."""
    return options.distillation or DistillationOptions()


def topic_language(options: GenerationOptions) -> str:
    """In which language is written: `en` or `zh`."""
    return options.language or language_of(own_options(options).topic)


def children(place: Place, found: Sequence[str], options: GenerationOptions) -> Iterator[tuple[bool, Place]]:
    """What is asked for next under some new tags: tags under them, or, of the lowest, questions.

    Yields for each whether it is tags, and where.
    """
    own = own_options(options)
    deeper = len(place.path) < own.levels
    beside = [*place.existing, *found]
    for tag in found:
        others = [one for one in beside if one != tag]
        left = own.tags_per_level if deeper else own.questions_per_tag
        yield deeper, Place([*place.path, tag], others, [], left)


def tags_schema(count: int) -> dict[str, Any]:
    """`{"tag_1": ..., "tag_2": ...}` with exactly so many tags."""
    tag = {"type": "string", "minLength": 1, "maxLength": LONGEST_TAG}
    return strict_object({f"tag_{number}": tag for number in range(1, count + 1)})


def questions_schema(count: int, language: str) -> dict[str, Any]:
    """`{"question_1": ..., "question_2": ...}` with exactly so many questions."""
    question = {"type": "string", "pattern": QUESTION_PATTERNS[language]}
    return strict_object({f"question_{number}": question for number in range(1, count + 1)})


def numbered_parser(name: str, count: int, existing: Sequence[str]) -> Callable[[Any], list[str]]:
    """Reads `{"<name>_1": ..., ...}`; what lacks, or repeats what is there, is asked for again."""

    def parse(value: Any) -> list[str]:
        if not isinstance(value, dict):
            raise OutputInvalid("the answer is not a JSON object")
        taken, found = {text_key(one) for one in existing}, dict[str, str]()
        for key in (f"{name}_{number}" for number in range(1, count + 1)):
            text = value.get(key)
            text = one_line(text) if isinstance(text, str) else ""
            if text_key(text) not in {"", *taken}:
                found[key] = text
                taken.add(text_key(text))
        if len(found) == count:
            return list(found.values())
        lacking = next(key for key in (f"{name}_{n}" for n in range(1, count + 1)) if key not in found)
        message = f'"{lacking}" must be a text that repeats no other and nothing that is there already'
        if not found:
            raise OutputInvalid(message)
        raise OutputIncomplete(message, found, list(found.values()))

    return parse


def titled(tag: str) -> str:
    """A tag as it is shown: without a full stop."""
    return tag[:LONGEST_TAG].strip().rstrip(".。").strip() or tag


def topic_question_failures(question: str, language: str) -> Iterator[Failure]:
    """Why a question is rejected that rests on no source."""
    yield from question_faults(question, language, source=question)
    yield from check_text(question, language, "question")


def topic_answer_failures(answer: str, options: GenerationOptions) -> Iterator[Failure]:
    """Why an answer is rejected that rests on no source."""
    yield from check_length(answer, options.gates, "answer")
    yield from check_refusal(answer, "", "answer")
    yield from check_text(answer, topic_language(options), "answer")


def answer_schema(options: GenerationOptions) -> dict[str, Any]:
    """`{"answer": ...}`."""
    longest = options.gates.max_answer_chars
    return strict_object({"answer": {"type": "string", "minLength": 1, "maxLength": longest}})


def parse_answer(value: Any) -> str:
    """Reads an answer."""
    try:
        return Written.model_validate(value).answer.strip()
    except ValidationError:
        raise OutputInvalid('the answer must be {"answer": text}') from None
