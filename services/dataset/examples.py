"""Examples: conversations with the place in the source that bears them out, and how they came to be."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from services.runtime.errors import AlreadyExists, FailedPrecondition, InvalidArgument, SishuError
from services.runtime.failures import Failure

TURNS = {"sft": (2, 2), "conversation": (2, 1000), "exam_item": (2, 2)}
"""Fewest and most turns of a conversation, its system turn left out, by kind of example."""
REVIEW = "REVIEW"
"""The reason of a person who gives no other."""
REASON = re.compile("[A-Z][A-Z0-9_]{0,62}")


@dataclass(frozen=True)
class Message:
    """One turn; `role` is system, user or assistant."""

    role: str
    content: str
    reasoning: str = ""


@dataclass(frozen=True)
class Quote:
    """Verbatim text of a document: characters [start, end) of the text of that version."""

    text: str
    chunk_id: str = ""
    document_id: str = ""
    document_version: int = 0
    start: int = 0
    end: int = 0


@dataclass(frozen=True)
class Origin:
    """How a text was made by a language model; the counts are of tokens and calls."""

    prompt_version: str = ""
    provider_id: str = ""
    model: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    calls: int = 0


@dataclass(frozen=True)
class Lineage:
    """Where an example comes from; all empty for one written by hand."""

    generation_id: str = ""
    question_ids: Sequence[str] = ()
    chunk_ids: Sequence[str] = ()
    document_id: str = ""
    document_version: int = 0
    question_origin: Origin | None = None
    answer_origin: Origin | None = None
    fact_id: str = ""


@dataclass(frozen=True)
class Example:
    """One unit of training or examination; the first quote is the fact that it is about."""

    id: str
    project_id: str
    kind: str
    messages: Sequence[Message]
    state: str = "kept"
    rejection: Failure | None = None
    quotes: Sequence[Quote] = ()
    lineage: Lineage = field(default_factory=Lineage)
    create_time: datetime | None = None
    update_time: datetime | None = None
    source_gone_time: datetime | None = None

    @property
    def question(self) -> str:
        """What the user says, turn by turn."""
        return "\n".join(message.content for message in self.messages if message.role == "user")

    @property
    def question_sha256(self) -> str:
        """SHA-256 of the question with its runs of blanks made one space: what an exact duplicate shares."""
        return hashlib.sha256(" ".join(self.question.split()).encode()).hexdigest()

    @property
    def document_id(self) -> str:
        """The document that it is about; empty when nothing says so."""
        return self.lineage.document_id or next((quote.document_id for quote in self.quotes), "")

    @property
    def fact(self) -> str:
        """Names the fact that it is about, the same for every form of the question; empty when unknown."""
        if self.lineage.fact_id:
            return self.lineage.fact_id
        if not self.quotes:
            return ""
        first = self.quotes[0]
        place = [first.document_id, first.document_version, first.start, first.end]
        return json.dumps([first.chunk_id, first.text] if first.end == 0 else place)

    @property
    def digest(self) -> str:
        """SHA-256 of what it says, whatever its id and time."""
        parts = [self.kind, *map(asdict, self.messages), *(quote.text for quote in self.quotes)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def check_messages(kind: str, messages: Sequence[Message]) -> None:
    """Hold a conversation against the rules: perhaps a system turn, then user and assistant by turns.

    Raises:
        InvalidArgument: a rule is broken; `field` names the message.
    """
    if kind not in TURNS:
        raise InvalidArgument(
            "KIND_UNSUPPORTED",
            f"examples of kind {kind or 'unspecified'} cannot be stored; use one of {', '.join(TURNS)}",
            "example.kind",
            kind=kind,
        )
    check_texts(messages)
    roles = [message.role for message in messages]
    turns = roles[1:] if roles[:1] == ["system"] else roles
    fewest, most = TURNS[kind]
    if turns != ["user", "assistant"] * (len(turns) // 2) or not fewest <= len(turns) <= most:
        pairs = "one pair" if most == fewest else "pairs"
        raise InvalidArgument(
            "MESSAGES_INVALID",
            f"an example of kind {kind} is {pairs} of user and assistant messages, after at most one system "
            f"message; this one is {', '.join(roles) or 'empty'}",
            "example.messages",
        )


def check_texts(messages: Sequence[Message]) -> None:
    """Demand that every message says something that can be stored.

    Raises:
        InvalidArgument: one is blank, or holds a NUL character, which Postgres cannot keep.
    """
    for index, message in enumerate(messages):
        if not message.content.strip() or "\0" in message.content + message.reasoning:
            raise InvalidArgument(
                "MESSAGES_INVALID",
                f"message {index} is blank or holds a NUL character; give it a text",
                f"example.messages[{index}].content",
            )


@dataclass(frozen=True)
class Review:
    """What a person changes of an example; what is None stays."""

    messages: Sequence[Message] | None = None
    state: str | None = None
    rejection: Failure | None = None


def revised(example: Example, review: Review) -> Example:
    """The example after a review.

    Raises:
        InvalidArgument: the messages break a rule, or an example is to be kept with a rejection.
    """
    messages = example.messages if review.messages is None else review.messages
    if (review.state or example.state) == "kept":
        if review.rejection:
            raise InvalidArgument(
                "FIELD_INVALID",
                "example.rejection: only a rejected example has one; change the state to REJECTED with it",
                "example.rejection",
            )
        check_messages(example.kind, messages)
        return replace(example, messages=messages, state="kept", rejection=None)
    check_texts(messages)
    reason = review.rejection or example.rejection or rejection_by_hand("", "a person rejected this example")
    return replace(example, messages=messages, state="rejected", rejection=reason)


REPLACED = Failure(
    FailedPrecondition.code, "REPLACED", "its question was regenerated, and the new one took its place"
)


def rejection_by_hand(reason: str, message: str, metadata: Mapping[str, str] | None = None) -> Failure:
    """Why a person rejects an example; an empty reason is REVIEW.

    Raises:
        InvalidArgument: the message is blank, or something cannot be stored.
    """
    metadata = metadata or {}
    if not message.strip() or "\0" in "".join([reason, message, *metadata, *metadata.values()]):
        raise InvalidArgument(
            "FIELD_INVALID",
            "example.rejection.message: say why, without NUL characters",
            "example.rejection.message",
        )
    if not REASON.fullmatch(reason or REVIEW):
        raise InvalidArgument(
            "FIELD_INVALID",
            "example.rejection.reason: value must be UPPER_SNAKE_CASE of at most 63 characters",
            "example.rejection.reason",
        )
    return Failure(FailedPrecondition.code, reason or REVIEW, message, metadata)


def gate(examples: Iterable[Example], firsts: Mapping[str, str]) -> list[Example]:
    """Reject, with the reason, what must not be kept: malformed conversations and exact duplicates.

    Args:
        examples: new examples, in the order in which they are to be stored.
        firsts: ids of kept examples by `question_sha256`.
    """
    known = dict(firsts)
    return [gated(example, known) for example in examples]


def gated(example: Example, known: dict[str, str]) -> Example:
    """One example after the gate; a kept one becomes known."""
    if example.state != "kept":
        return example
    try:
        check_messages(example.kind, example.messages)
    except InvalidArgument as error:
        return rejected(example, error)
    first = known.setdefault(example.question_sha256, example.id)
    return example if first == example.id else rejected(example, duplicate(first))


def rejected(example: Example, error: SishuError) -> Example:
    """The example, rejected for a reason."""
    return replace(example, state="rejected", rejection=Failure.of(error))


def duplicate(first: str) -> AlreadyExists:
    """The reason of an exact duplicate."""
    return AlreadyExists("DUPLICATE", f"example {first} asks the same question", example_id=first)
