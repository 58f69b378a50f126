"""Types of questions: which facts get which, and what is asked about them.

The types are given to the facts of a chunk one after another, as they are asked about, from a place that the
chunk's text decides: so types come equally often where chunks hold one fact each, the same document gets the
same types each time, and a change of one chunk leaves the others as they are. Facts of one type are asked for
in calls of their own, whose prompt has instructions and examples of that type alone, which small models
follow best.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

from pydantic import BaseModel, ValidationError

from services.generation.calls.output import OutputIncomplete, OutputInvalid
from services.generation.generations.generations import GenerationOptions
from services.generation.genre_audiences.genre_audiences import Voice
from services.generation.questions.facts import Fact, sentences
from services.generation.questions.filling import in_calls, planned_facts, questions_values
from services.generation.questions.links import Link, Linker, unlinked
from services.generation.questions.quotes import one_line
from services.generation.questions.writing import (
    QUESTION_PATTERNS,
    fact_key,
    questions_parser,
    questions_schema,
    strict_object,
)
from services.generation.sources.chunk_reader import SourceChunk

FACT, MULTI_HOP, UNANSWERABLE = "fact", "multi_hop", "unanswerable"
BESIDE = frozenset({"reason", "comparison", "procedure", MULTI_HOP})
"""What these ask for may stand in the sentence before or after the fact."""

Texts = list[str] | None
"""The questions about a fact; nothing where the fact gives none of the type."""


@dataclass(frozen=True)
class Batch:
    """Facts that one call asks for, and the type of its questions.

    Args:
        link: of MULTI_HOP, the fact of another chunk that is asked for with the only one.
    """

    type: str
    facts: Sequence[Fact]
    link: Link | None = None

    @property
    def payload(self) -> dict[str, Any]:
        """What its item is told; of the type FACT no more than where there are no types."""
        places = {"facts": [[fact.start, fact.end] for fact in self.facts]}
        link = {"link": self.link.payload} if self.link else {}
        return places if self.type == FACT else {**places, "type": self.type, **link}


@dataclass(frozen=True)
class QuestionsCall:
    """What a model is asked for about some facts of one type."""

    prompt: str
    values: Mapping[str, object]
    schema: Mapping[str, Any]
    parse: Callable[[Any], Sequence[Texts]]


class TypedQuestions(BaseModel):
    """Questions of a type about one fact, as a model writes them."""

    fits: bool = True
    questions: list[str] = []


def batches(
    chunk: SourceChunk,
    options: GenerationOptions,
    find: Linker = unlinked,
    chosen: Sequence[Fact] | None = None,
    before: int = 0,
) -> list[Batch]:
    """The facts of a chunk that are asked for, by type, those of one call together.

    These are as many as the options say, unless they are chosen. A fact of MULTI_HOP has a call of its own;
    one to which none is linked becomes FACT. The types go on after `before` facts that have theirs already.
    """
    calls = planned_facts(chunk, options) if chosen is None else in_calls(chosen, options)
    if not set(options.question_types) - {FACT}:
        return [Batch(FACT, facts) for facts in calls]
    found, hops = dict[str, list[Fact]](), list[Batch]()
    own = [fact for facts in calls for fact in facts]
    for fact, question_type in typed(own, chunk.text, options.question_types, before):
        link = find(chunk, fact) if question_type == MULTI_HOP else None
        if link:
            hops.append(Batch(MULTI_HOP, [fact], link))
        else:
            found.setdefault(FACT if question_type == MULTI_HOP else question_type, []).append(fact)
    size = options.facts_per_call
    one_type = [
        Batch(question_type, facts[at : at + size])
        for question_type, facts in found.items()
        for at in range(0, len(facts), size)
    ]
    return one_type + hops


def typed(facts: Sequence[Fact], text: str, types: Sequence[str], before: int = 0) -> list[tuple[Fact, str]]:
    """Facts of a text, each with its type, after so many others of it."""
    first = int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())
    return [(fact, types[(first + number) % len(types)]) for number, fact in enumerate(facts, before)]


def questions_call(
    question_type: str,
    chunk: SourceChunk,
    facts: Sequence[Fact],
    options: GenerationOptions,
    language: str,
    voice: Voice | None,
) -> QuestionsCall:
    """What is asked about some facts for questions of a type."""
    forms = options.forms_per_fact
    if question_type == FACT:
        return QuestionsCall(
            "questions",
            questions_values(chunk, facts, options, language, voice),
            questions_schema(len(facts), forms, language),
            questions_parser(len(facts), forms),
        )
    values = questions_values(chunk, facts, seen_by(question_type, options), language, voice)
    if question_type == UNANSWERABLE:
        schema, parse = questions_schema(len(facts), forms, language), questions_parser(len(facts), forms)
        return QuestionsCall(f"questions_{question_type}", values, schema, parse)
    return QuestionsCall(
        f"questions_{question_type}",
        values,
        typed_schema(len(facts), forms, language),
        typed_parser(len(facts), forms),
    )


def seen_by(question_type: str, options: GenerationOptions) -> GenerationOptions:
    """The options, with the whole chunk as passage where it is not to answer."""
    return replace(options, context_chars=0) if question_type == UNANSWERABLE else options


def typed_schema(facts: int, forms: int, language: str) -> dict[str, Any]:
    """`{"fact_1": {"fits": true, "questions": [...]}, ...}`: whether a fact fits is said first.

    The questions are `forms` or none: small models, left to choose, stop after the first.
    """
    question = {"type": "string", "pattern": QUESTION_PATTERNS[language]}
    counts = [{"minItems": count, "maxItems": count} for count in (forms, 0)]
    questions = {"anyOf": [{"type": "array", "items": question, **count} for count in counts]}
    member = strict_object({"fits": {"type": "boolean"}, "questions": questions})
    return strict_object({fact_key(index): member for index in range(facts)})


def typed_parser(facts: int, forms: int) -> Callable[[Any], list[Texts]]:
    """Reads what `typed_schema` asked for.

    A fact that does not fit has no questions, whatever stands there. Of one that fits, those that lack are
    asked for again.
    """

    def parse(value: Any) -> list[Texts]:
        if not isinstance(value, dict):
            raise OutputInvalid("the answer is not a JSON object")
        found = {key: read(value.get(key)) for key in map(fact_key, range(facts))}
        lacking = [key for key, texts in found.items() if texts is not None and len(texts) < forms]
        if not lacking:
            return [texts and texts[:forms] for texts in found.values()]
        message = (
            f'"{lacking[0]}" must be {{"fits": true, "questions": [...]}} with {forms} texts, or '
            '{"fits": false, "questions": []}'
        )
        if len(lacking) == facts and not any(found.values()):
            raise OutputInvalid(message)
        parts = {key: value[key] for key in found if key not in lacking}
        raise OutputIncomplete(message, parts, [texts and texts[:forms] for texts in found.values()])

    def read(member: Any) -> Texts:
        try:
            written = TypedQuestions.model_validate(member)
        except ValidationError:
            return []
        texts = [one_line(text) for text in written.questions if text.strip()]
        return texts if written.fits else None

    return parse


def asked_place(question_type: str, chunk: SourceChunk, fact: Fact) -> Fact:
    """Where the quote of an answer may stand: in the fact, or of some types in a sentence beside it."""
    if question_type not in BESIDE:
        return fact
    found = sentences(chunk.text)
    before = max((one.start for one in found if one.end <= fact.start), default=fact.start)
    after = min((one.end for one in found if one.start >= fact.end), default=fact.end)
    return Fact(before, after, chunk.text[before:after])
