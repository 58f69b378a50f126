"""Examples: conversations with the place in the source that bears them out, and how they came to be."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.dataset.examples.languages import language_of
from services.runtime.failures import Failure

KINDS = ("sft", "conversation", "preference", "pretraining", "exam_item")
"""What examples are for."""


@dataclass(frozen=True)
class Message:
    """One turn; `role` is system, user or assistant."""

    role: str
    content: str
    reasoning: str = ""


@dataclass(frozen=True)
class Preference:
    """Two answers to the messages of an example, of which one is to be preferred; at least one is there."""

    chosen: Message | None = None
    rejected: Message | None = None
    flaw: str = ""


@dataclass(frozen=True)
class ExamItem:
    """A task of an exam; `correct` counts the choices from 0, `is_true` is for true_false alone."""

    type: str
    text: str
    choices: Sequence[str] = ()
    correct: Sequence[int] = ()
    is_true: bool = False
    answer: str = ""


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
    candidate_id: str = ""
    heading_path: Sequence[str] = ()
    question_type: str = ""
    import_id: str = ""
    import_row: int = 0
    dataset_version_id: str = ""
    """Of the version that it was taken from as general data."""
    dataset_version_position: int = 0

    @property
    def item_id(self) -> str:
        """The candidate, or the first question, that it was imported from; empty for none."""
        return self.candidate_id or next(iter(self.question_ids), "")

    @property
    def last_origin(self) -> Origin:
        """How a model wrote what it wrote last."""
        return self.answer_origin or self.question_origin or Origin()


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
    delete_time: datetime | None = None
    review_state: str = "unreviewed"
    review_count: int = 0
    revision: int = 0
    preference: Preference | None = None
    exam_item: ExamItem | None = None
    score: float | None = None
    labels: Sequence[str] = ()
    tag_ids: Sequence[str] = ()

    @property
    def said(self) -> list[Message]:
        """All turns, the answers of a preference last."""
        return said(self.messages, self.preference)

    @property
    def characters(self) -> int:
        """Characters of all turns, with what was thought before them."""
        return sum(len(message.content) + len(message.reasoning) for message in self.said)

    @property
    def language(self) -> str:
        """The language of its turns: `zh`, `en`, or empty for another or none."""
        return language_of(" ".join(message.content for message in self.said))

    @property
    def question(self) -> str:
        """What the user says, turn by turn."""
        return "\n".join(message.content for message in self.messages if message.role == "user")

    @property
    def asks(self) -> str:
        """By what near copies are known: what the user says, or, of a text, all of it."""
        return self.question or "\n".join(message.content for message in self.messages)

    @property
    def key(self) -> bytes:
        """Equal for exact duplicates, runs of blanks made one space (16 bytes of SHA-256).

        What counts of a conversation is what is asked; of a preference and of a text, all that is said.
        """
        whole = self.kind in {"preference", "pretraining"}
        parts = [self.kind, *(message.content for message in self.said)] if whole else [self.asks]
        return hashlib.sha256(" ".join("\n".join(parts).split()).encode()).digest()[:16]

    @property
    def document_id(self) -> str:
        """The document that it is about; empty when nothing says so."""
        return self.lineage.document_id or next((quote.document_id for quote in self.quotes), "")


def said(messages: Sequence[Message], preference: Preference | None) -> list[Message]:
    """Messages, and the answers of a preference to them."""
    answers = (preference.chosen, preference.rejected) if preference else ()
    return [*messages, *(answer for answer in answers if answer)]
