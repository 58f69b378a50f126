"""Candidates: what may become an example, of a kind other than one question with its answer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, ClassVar

from services.generation.gates.gates import rejected
from services.generation.questions.questions import CallRecord, Judgement, text_key
from services.generation.questions.quotes import Quote
from services.runtime.errors import NotFound
from services.runtime.failures import Failure

DOUBLE = rejected("DUPLICATE", "the generation has a candidate that says the same")


@dataclass(frozen=True)
class Message:
    """What one of two says; `role` is `system`, `user` or `assistant`."""

    role: str
    content: str


@dataclass(frozen=True)
class Conversation:
    """Several turns of two."""

    kind: ClassVar[str] = "conversation"
    messages: Sequence[Message]

    @property
    def wording(self) -> str:
        """What two of them that are the same have in common: the questions."""
        return "\n".join(one.content for one in self.messages if one.role == "user")


@dataclass(frozen=True)
class PreferencePair:
    """A question, a good answer and a bad one; `flaw` is `wrong` or `ungrounded`."""

    kind: ClassVar[str] = "preference_pair"
    prompt: str
    chosen: str
    rejected: str
    flaw: str

    @property
    def wording(self) -> str:
        """What two of them that are the same have in common."""
        return f"{self.prompt}\n{self.rejected}"


@dataclass(frozen=True)
class Passage:
    """A text that says in another form what a chunk says."""

    kind: ClassVar[str] = "passage"
    form: str
    text: str

    @property
    def wording(self) -> str:
        """What two of them that are the same have in common."""
        return self.text


@dataclass(frozen=True)
class ExamItem:
    """A task of an exam; `correct` are the places of the right choices."""

    kind: ClassVar[str] = "exam_item"
    type: str
    text: str
    choices: Sequence[str] = ()
    correct: Sequence[int] = ()
    is_true: bool = False
    answer: str = ""

    @property
    def wording(self) -> str:
        """What two of them that are the same have in common."""
        return self.text


@dataclass(frozen=True)
class ExampleJudgement:
    """Which example of the dataset room was judged; what the judge said is the candidate's `judgement`."""

    kind: ClassVar[str] = "example_judgement"
    example_id: str
    example_revision: int

    @property
    def wording(self) -> str:
        """What two of them that are the same have in common: one judgement an example."""
        return self.example_id


@dataclass(frozen=True)
class ExampleAnswer:
    """A new answer to an example of the dataset room, and the messages that it answers."""

    kind: ClassVar[str] = "example_answer"
    example_id: str
    example_revision: int
    messages: Sequence[Message]
    answer: str

    @property
    def wording(self) -> str:
        """What two of them that are the same have in common: one answer an example."""
        return self.example_id


Content = Conversation | PreferencePair | Passage | ExamItem | ExampleJudgement | ExampleAnswer
WITH_MESSAGES: Mapping[str, type[Any]] = {one.kind: one for one in (Conversation, ExampleAnswer)}
CONTENTS: Mapping[str, type[Any]] = {
    **WITH_MESSAGES,
    **{one.kind: one for one in (PreferencePair, Passage, ExamItem, ExampleJudgement)},
}
"""By kind."""


@dataclass(frozen=True)
class NewCandidate:
    """A candidate to store: kept, or rejected with the reason.

    Args:
        fact_ids: the facts that it is about, as `Question.fact_id`.
        quotes: where the chunks say so, verbatim.
        heading_path: titles from the top of the first chunk's document to its section.
        replaces_id: what it is to take the place of.
        judgement: of the judgement of an example, what was said, by the call that makes the candidate.
    """

    id: str
    content: Content
    chunk_ids: Sequence[str]
    document_ids: Sequence[str]
    fact_ids: Sequence[str]
    quotes: Sequence[Quote]
    rejection: Failure | None
    question_id: str | None = None
    heading_path: Sequence[str] = ()
    replaces_id: str | None = None
    judgement: Judgement | None = None


@dataclass(frozen=True)
class Candidate:
    """A stored candidate; `state` is `judging`, `kept` or `rejected`."""

    id: str
    project_id: str
    generation_id: str
    content: Content
    chunk_ids: Sequence[str]
    document_ids: Sequence[str]
    fact_ids: Sequence[str]
    question_id: str | None
    quotes: Sequence[Quote]
    state: str
    rejection: Failure | None
    reasoning: str
    call: CallRecord
    create_time: datetime
    tag_ids: Sequence[str] = ()
    replaces_id: str | None = None
    source_gone_time: datetime | None = None
    judgement: Judgement | None = None
    heading_path: Sequence[str] = ()

    @property
    def size_bytes(self) -> int:
        """About how large it is in an answer."""
        texts = [str(asdict(self.content)), self.reasoning, *(quote.text for quote in self.quotes)]
        texts += [self.judgement.reason] if self.judgement else []
        return sum(len(text.encode()) for text in texts)


@dataclass(frozen=True)
class CandidateFilter:
    """Which candidates of a project are listed; nothing means any."""

    project_id: str
    generation_id: str | None = None
    chunk_id: str | None = None
    kind: str | None = None
    state: str | None = None
    tag_id: str | None = None
    source_gone: bool = False


def stored_content(kind: str, values: Mapping[str, Any]) -> Content:
    """A content as it was stored, `dataclasses.asdict` as JSON."""
    if kind in WITH_MESSAGES:
        values = {**values, "messages": [Message(**one) for one in values["messages"]]}
    made: Content = CONTENTS[kind](**values)
    return made


def content_key(content: Content) -> str:
    """Equal for contents that say the same but for case, signs and spaces; short, however long they are."""
    return hashlib.sha256(text_key(content.wording).encode()).hexdigest()


def candidate_not_found(candidate_id: str) -> NotFound:
    """The error for a candidate that is not there."""
    return NotFound("CANDIDATE_NOT_FOUND", f"there is no candidate {candidate_id}", candidate_id=candidate_id)
