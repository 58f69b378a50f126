"""Conversations: a few facts of a chunk, each asked for and answered in a turn, all written in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from services.generation.calls.output import OutputIncomplete, OutputInvalid
from services.generation.candidates.assignments import (
    Assignment,
    Payload,
    facts_of,
    new_candidate,
    quote_schema,
)
from services.generation.candidates.candidate_gates import check_text
from services.generation.candidates.candidates import Conversation, Message, NewCandidate
from services.generation.gates.gates import (
    LONGEST_QUESTION,
    QUESTION_END,
    answer_faults,
    first_on,
    names,
    question_faults,
    quote_faults,
    rejected,
    words,
)
from services.generation.generations.generations import GenerationOptions
from services.generation.generations.kinds import ConversationOptions
from services.generation.questions.facts import Fact
from services.generation.questions.filling import chunk_language, fact_at, found_quote, place, quote_of
from services.generation.questions.questions import text_key
from services.generation.questions.quotes import one_line
from services.generation.questions.writing import QUESTION_PATTERNS, passage, strict_object
from services.generation.sources.chunk_reader import SourceChunk
from services.generation.sources.table_heads import with_head
from services.runtime.failures import Failure

FEWEST = 2
"""Turns of the shortest conversation."""
FOLLOW_UP_PATTERNS = {"en": '^[A-Z][^?"\\\\\\n]{2,160}\\?$', "zh": '^[^?？"\\\\\\n]{2,60}？$'}
"""What a question looks like that may refer back."""


class Turn(BaseModel):
    """A question and its answer, and the sentence that says so."""

    question: str
    quote: str
    answer: str


@dataclass(frozen=True)
class Spoken:
    """A turn as it was written, the fact that it is about, and its quote in the chunk."""

    turn: Turn
    fact: Fact
    quote: Fact | None


def plans(chunk: SourceChunk, options: GenerationOptions, first: int) -> list[Payload]:  # noqa: ARG001
    """The facts of each conversation about a chunk, spread over it; none where it has but one fact."""
    facts, turns = facts_of(chunk, options), own_options(options).turns
    if len(facts) < FEWEST:
        return []
    count = max(1, len(facts) // turns)
    wanted = min(len(facts), count * turns)
    chosen = [facts[index * len(facts) // wanted] for index in range(wanted)]
    return [
        {"facts": [place(fact) for fact in chosen[at : at + turns]]} for at in range(0, len(chosen), turns)
    ]


def assignment(chunk: SourceChunk, payload: Payload, options: GenerationOptions) -> Assignment[list[Turn]]:
    """A conversation about some facts of a chunk."""
    facts = [fact_at(chunk, found) for found in payload["facts"]]
    language, own = chunk_language(chunk, options), own_options(options)
    seen = passage(chunk, facts, options.context_chars)
    offered = [one_line(sentence.text) for sentence in seen.sentences]

    def made(turns: list[Turn]) -> NewCandidate:
        spoken = [
            Spoken(turn, fact, found_quote(chunk, turn.quote))
            for turn, fact in zip(turns, facts, strict=False)
        ]
        standing, rejection = kept_turns(spoken, with_head(chunk), language, options)
        content = Conversation([*system_message(own, language), *messages_of(one.turn for one in standing)])
        quotes = [quote_of(chunk, one.quote) for one in standing if one.quote]
        return new_candidate(chunk, content, [one.fact for one in standing], quotes, rejection)

    return Assignment(
        "conversation",
        language,
        {
            "passage": one_line(seen.text),
            "facts": [one_line(fact.text) for fact in facts],
            "scenario": own.scenario,
            "user_role": own.user_role,
            "assistant_role": own.assistant_role,
        },
        schema(len(facts), offered, language, options.gates.max_answer_chars),
        parser(len(facts)),
        made,
    )


def own_options(options: GenerationOptions) -> ConversationOptions:
    """The options of conversations."""
    return options.conversations or ConversationOptions()


def schema(turns: int, offered: Sequence[str], language: str, longest_answer: int) -> dict[str, Any]:
    """`{"turn_1": {"question": ..., "quote": ..., "answer": ...}, ...}` with exactly so many turns."""

    def turn(index: int) -> dict[str, Any]:
        patterns = FOLLOW_UP_PATTERNS if index else QUESTION_PATTERNS
        return strict_object(
            {
                "question": {"type": "string", "pattern": patterns[language]},
                "quote": quote_schema(offered),
                "answer": {"type": "string", "minLength": 1, "maxLength": longest_answer},
            }
        )

    return strict_object({turn_key(index): turn(index) for index in range(turns)})


def parser(turns: int) -> Callable[[Any], list[Turn]]:
    """Reads what `schema` asked for; what lacks is asked for again, else the turns before it are taken."""

    def parse(value: Any) -> list[Turn]:
        if not isinstance(value, dict):
            raise OutputInvalid("the answer is not a JSON object")
        found = {key: read(value.get(key)) for key in map(turn_key, range(turns))}
        lacking = [key for key, turn in found.items() if turn is None]
        message = f'"{next(iter(lacking), "")}" must be {{"question": text, "quote": text, "answer": text}}'
        there = [turn for turn in found.values() if turn]
        if not there:
            raise OutputInvalid(message)
        if lacking:
            before = there[: list(found).index(lacking[0])]
            raise OutputIncomplete(message, {key: value[key] for key in found if key not in lacking}, before)
        return there

    def read(member: Any) -> Turn | None:
        try:
            turn = Turn.model_validate(member)
        except ValidationError:
            return None
        return Turn(question=one_line(turn.question), quote=turn.quote, answer=turn.answer.strip())

    return parse


def kept_turns(
    spoken: Sequence[Spoken], source: str, language: str, options: GenerationOptions
) -> tuple[Sequence[Spoken], Failure | None]:
    """The turns that stand: those before the first bad one where they are two or more, else all, rejected."""
    for number, one in enumerate(spoken, 1):
        before = [earlier.turn for earlier in spoken[: number - 1]]
        failure = first_on(failures_of(one, before, source, language, options), options.gates)
        if failure and number > FEWEST:
            return spoken[: number - 1], None
        if failure:
            return spoken, rejected(failure.reason, f"turn {number}: {failure.message}")
    if len(spoken) < FEWEST:
        return spoken, rejected("TURNS_MISSING", f"{len(spoken)} turns were written, of at least {FEWEST}")
    return spoken, None


def failures_of(
    spoken: Spoken, before: Sequence[Turn], source: str, language: str, options: GenerationOptions
) -> Iterator[Failure]:
    """Why a turn is bad."""
    turn = spoken.turn
    yield from check_asked(turn.question, before, source, language)
    yield from quote_faults(spoken.quote, spoken.fact)
    yield from answer_faults(turn.question, turn.answer, source, options.gates, language)


def check_asked(question: str, before: Sequence[Turn], source: str, language: str) -> Iterator[Failure]:
    """Why the question of a turn is bad: the first is held to be understood alone, others may refer back."""
    if before:
        yield from check_follow_up(question, source + " ".join(said(turn) for turn in before), language)
    else:
        yield from question_faults(question, language, source)
    if text_key(question) in {text_key(turn.question) for turn in before}:
        yield rejected("REPEATED", "the question was asked before")


def check_follow_up(question: str, known: str, language: str) -> Iterator[Failure]:
    """Why a question is bad that may refer back."""
    if not 2 <= len(question) <= LONGEST_QUESTION:
        yield rejected("QUESTION_LENGTH", f"the question has {len(question)} characters")
    if not QUESTION_END.search(question):
        yield rejected("NOT_A_QUESTION", "the question does not end with a question mark")
    foreign = sorted(names(question) - words(known))
    if foreign:
        yield rejected("NAME_NOT_IN_SOURCE", f"the chunk does not hold {foreign[0]!r}")
    yield from check_text(question, language, "question")


def said(turn: Turn) -> str:
    """All that was said in a turn."""
    return f" {turn.question} {turn.answer}"


def system_message(own: ConversationOptions, language: str) -> list[Message]:
    """The message that says in which situation who answers; none where nothing is said of it."""
    role = own.assistant_role.strip()
    told = (f"你是{role}。" if language == "zh" else f"You are {role}.") if role else ""
    text = "\n".join(part for part in (own.scenario.strip(), told) if part)
    return [Message("system", text)] if text else []


def messages_of(turns: Iterator[Turn]) -> list[Message]:
    """What both say in turn."""
    return [
        message
        for turn in turns
        for message in (Message("user", turn.question), Message("assistant", turn.answer))
    ]


def turn_key(index: int) -> str:
    """Name of a turn in prompt and schema, from 1."""
    return f"turn_{index + 1}"
