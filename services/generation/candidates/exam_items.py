"""Exam items: a task about a fact of a chunk, of a type that comes in turn."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from services.generation.calls.output import OutputInvalid
from services.generation.candidates.assignments import (
    Assignment,
    Payload,
    facts_of,
    new_candidate,
    quote_schema,
)
from services.generation.candidates.candidate_gates import (
    check_distinct,
    check_names,
    check_numbers,
    check_text,
    content_words,
    tokens,
)
from services.generation.candidates.candidates import ExamItem, NewCandidate
from services.generation.gates.gates import (
    LONGEST_QUESTION,
    NUMBER,
    QUESTION_END,
    answer_faults,
    first_on,
    question_faults,
    quote_faults,
    rejected,
)
from services.generation.generations.generations import GenerationOptions
from services.generation.generations.kinds import ExamItemOptions
from services.generation.questions.facts import CJK, Fact
from services.generation.questions.filling import chunk_language, fact_at, found_quote, place, quote_of
from services.generation.questions.questions import text_key
from services.generation.questions.quotes import one_line
from services.generation.questions.writing import QUESTION_PATTERNS, passage, strict_object
from services.generation.sources.chunk_reader import SourceChunk
from services.generation.sources.table_heads import with_head
from services.runtime.failures import Failure

LONGEST_CHOICE = 200
LONGEST_SHORT = 100
"""Characters of a short answer, and"""
MOST_WORDS = 12
"""its words; of a Chinese one"""
MOST_CHARACTERS = 30
GROUNDED_SHARE = 0.6
"""So much of what a short answer speaks of stands in its quote."""
RIGHT_SHARE = 0.5
"""So much of what a right choice speaks of stands in the chunk or the question."""
REFERRING_CHOICE = re.compile(
    r"\b(?:all|none|both|neither) of (?:the|these|them)\b|\bnone apply\b"
    r"|以上(?:皆|都|均|全)|(?:都|皆|均)(?:是|不是|对|不对)$",
    re.IGNORECASE,
)
"""A choice that speaks of the others loses its sense where they are shuffled."""


class Statement(BaseModel):
    """What a model writes for true or false."""

    quote: str
    statement: str


class Choice(BaseModel):
    """What a model writes for single choice."""

    quote: str
    question: str
    right: str
    wrong: list[str]


class Choices(BaseModel):
    """What a model writes for multiple choice."""

    quote: str
    question: str
    right: list[str]
    wrong: list[str]


class Answered(BaseModel):
    """What a model writes for a question that is answered in words."""

    quote: str
    question: str
    answer: str


@dataclass(frozen=True)
class Written:
    """An item as it was written, of whatever type."""

    quote: str
    text: str
    right: Sequence[str] = ()
    wrong: Sequence[str] = ()
    answer: str = ""


@dataclass(frozen=True)
class Type:
    """A type of items.

    Args:
        model: what a model writes.
        right: fewest and most right choices.
        wrong: fewest and most wrong ones.
    """

    model: type[BaseModel]
    right: tuple[int, int] = (0, 0)
    wrong: tuple[int, int] = (0, 0)


TYPES: Mapping[str, Type] = {
    "true_false": Type(Statement),
    "single_choice": Type(Choice, (1, 1), (3, 3)),
    "multiple_choice": Type(Choices, (1, 2), (3, 4)),
    "short_answer": Type(Answered),
    "open_ended": Type(Answered),
}


def plans(chunk: SourceChunk, options: GenerationOptions, first: int) -> list[Payload]:
    """An item for each fact of a chunk.

    Args:
        chunk: the chunk.
        options: those of the generation.
        first: how many items there are of the chunks before; types and truth come in turn over all of them.
    """
    types = (options.exam_items or ExamItemOptions()).types
    return [
        {
            "fact": place(fact),
            "type": types[number % len(types)],
            "is_true": true_false_before(types, number) % 2 == 0,
        }
        for number, fact in enumerate(facts_of(chunk, options), first)
    ]


def true_false_before(types: Sequence[str], number: int) -> int:
    """How many of the first `number` items are of true or false."""
    rounds, rest = divmod(number, len(types))
    return rounds * list(types).count("true_false") + list(types[:rest]).count("true_false")


def assignment(chunk: SourceChunk, payload: Payload, options: GenerationOptions) -> Assignment[Written]:
    """An item about a fact of a chunk."""
    fact, kind, is_true = fact_at(chunk, payload["fact"]), payload["type"], payload["is_true"]
    language = chunk_language(chunk, options)
    seen = passage(chunk, [fact], options.context_chars)
    offered = [one_line(sentence.text) for sentence in seen.sentences]
    values: dict[str, object] = {"passage": one_line(seen.text), "fact": one_line(fact.text)}
    if kind == "true_false":
        values["is_true"] = is_true

    def made(written: Written) -> NewCandidate:
        quote = found_quote(chunk, written.quote)
        failures = [
            *quote_faults(quote, fact),
            *CHECKS[kind](Asked(written, quote, fact, with_head(chunk), language, is_true, options)),
        ]
        quotes = [quote_of(chunk, quote)] if quote else []
        content = item_of(kind, written, is_true, seed=quote_of(chunk, fact).place_id)
        return new_candidate(chunk, content, [fact], quotes, first_on(iter(failures), options.gates))

    return Assignment(
        f"exam_item_{kind}", language, values, schema(kind, offered, language, options), parser(kind), made
    )


def item_of(kind: str, written: Written, is_true: bool, seed: str) -> ExamItem:
    """An item with its choices in an order that says nothing, the same each time for the same seed."""
    marked = [*((text, True) for text in written.right), *((text, False) for text in written.wrong)]
    random.Random(f"{seed}:{kind}").shuffle(marked)  # noqa: S311 - to be the same each time, not secret
    return ExamItem(
        kind,
        written.text,
        [text for text, _ in marked],
        [number for number, (_, right) in enumerate(marked) if right],
        kind == "true_false" and is_true,
        written.answer,
    )


def schema(kind: str, offered: Sequence[str], language: str, options: GenerationOptions) -> dict[str, Any]:
    """What a model is asked to write for a type."""
    choice = {"type": "string", "minLength": 1, "maxLength": LONGEST_CHOICE}
    longest = LONGEST_SHORT if kind == "short_answer" else options.gates.max_answer_chars
    own = TYPES[kind]
    fields: dict[str, Any] = {
        "quote": quote_schema(offered),
        "question": {"type": "string", "pattern": QUESTION_PATTERNS[language]},
        "statement": {"type": "string", "minLength": 1, "maxLength": LONGEST_QUESTION},
        "right": choice if own.model is Choice else choices(choice, *own.right),
        "wrong": choices(choice, *own.wrong),
        "answer": {"type": "string", "minLength": 1, "maxLength": longest},
    }
    return strict_object({name: fields[name] for name in own.model.model_fields})


def choices(choice: Mapping[str, Any], least: int, most: int) -> dict[str, Any]:
    """So many choices."""
    return {"type": "array", "items": choice, "minItems": least, "maxItems": most}


def parser(kind: str) -> Callable[[Any], Written]:
    """Reads what `schema` asked for."""
    own = TYPES[kind]
    names = ", ".join(f'"{name}"' for name in own.model.model_fields)

    def parse(value: Any) -> Written:
        try:
            found = own.model.model_validate(value).model_dump()
        except ValidationError:
            raise OutputInvalid(f"the answer must be an object with the keys {names}") from None
        right = [found["right"]] if own.model is Choice else found.get("right", [])
        wrong = found.get("wrong", [])
        for name, texts, (least, most) in (("right", right, own.right), ("wrong", wrong, own.wrong)):
            if not least <= len(texts) <= most:
                raise OutputInvalid(f'"{name}" has {len(texts)} texts, of {least} to {most}')
        return Written(
            found["quote"],
            one_line(found["statement"] if own.model is Statement else found["question"]),
            [one_line(text) for text in right],
            [one_line(text) for text in wrong],
            found.get("answer", "").strip(),
        )

    return parse


@dataclass(frozen=True)
class Asked:
    """What an item is held against: its quote in the chunk, the fact, the chunk, and what was wanted."""

    written: Written
    quote: Fact | None
    fact: Fact
    source: str
    language: str
    is_true: bool
    options: GenerationOptions


def check_statement(asked: Asked) -> Iterator[Failure]:
    """Why a statement is rejected: a true one has no names of its own, a false one is not in the source."""
    text = asked.written.text
    if not text or len(text) > LONGEST_QUESTION:
        yield rejected("QUESTION_LENGTH", f"the statement has {len(text)} characters")
    if QUESTION_END.search(text):
        yield rejected("NOT_A_STATEMENT", "the statement is a question")
    yield from check_text(text, asked.language, "statement")
    if asked.is_true:
        yield from check_numbers(text, asked.source, "statement")
        yield from check_names(text, asked.source, "statement")
    elif text_key(text) in text_key(asked.source):
        yield rejected("NOT_FALSE", "the statement is to be false, and the chunk says it")


def check_choices(asked: Asked) -> Iterator[Failure]:
    """Why a question with choices is rejected."""
    written = asked.written
    yield from check_asked(asked)
    texts = [*written.right, *written.wrong]
    yield from check_distinct(texts, "choice")
    for text in texts:
        if not text.strip() or len(text) > LONGEST_CHOICE:
            yield rejected("CHOICE_LENGTH", f"a choice has {len(text)} characters")
        if REFERRING_CHOICE.search(text):
            yield rejected("CHOICE_OF_CHOICES", f"the choice {text!r} speaks of the others")
    for text in written.right:
        yield from check_right(text, asked)


def check_right(text: str, asked: Asked) -> Iterator[Failure]:
    """Why a right choice is rejected."""
    yield from check_numbers(text, asked.source, "right choice")
    yield from check_names(text, f"{asked.source} {asked.written.text}", "right choice")
    units = content_words(text) or set(tokens(text))
    known = content_words(asked.source) | content_words(asked.written.text) | set(tokens(asked.source))
    if len(units & known) < RIGHT_SHARE * len(units):
        yield rejected(
            "ANSWER_NOT_IN_SOURCE", f"most words of the right choice {text!r} are not in the chunk"
        )


def check_short(asked: Asked) -> Iterator[Failure]:
    """Why a question with a short answer is rejected: it is to be given in the words of the quote."""
    yield from check_open(asked)
    answer, quote = asked.written.answer, asked.quote.text if asked.quote else ""
    found = tokens(answer)
    most = MOST_CHARACTERS if CJK.search(answer) else MOST_WORDS
    if len(found) > most:
        yield rejected("ANSWER_LENGTH", f"the short answer has {len(found)} words, of at most {most}")
    foreign = set(NUMBER.findall(answer)) - set(NUMBER.findall(quote))
    units, known = content_words(answer) or set(found), content_words(quote) | set(tokens(quote))
    if foreign or len(units & known) < GROUNDED_SHARE * len(units):
        yield rejected("ANSWER_NOT_IN_QUOTE", "the short answer is not in the words of the quote")


def check_open(asked: Asked) -> Iterator[Failure]:
    """Why a question with an answer is rejected."""
    written = asked.written
    yield from check_asked(asked)
    gates = asked.options.gates
    yield from answer_faults(written.text, written.answer, asked.source, gates, asked.language)


def check_asked(asked: Asked) -> Iterator[Failure]:
    """Why a question is rejected."""
    yield from question_faults(asked.written.text, asked.language, asked.source)


CHECKS: Mapping[str, Callable[[Asked], Iterator[Failure]]] = {
    "true_false": check_statement,
    "single_choice": check_choices,
    "multiple_choice": check_choices,
    "short_answer": check_short,
    "open_ended": check_open,
}
"""By type."""
