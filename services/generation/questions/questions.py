"""Questions, their answers, and how a language model made them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.generation.genre_audiences.genre_audiences import Voice
from services.generation.questions.quotes import Quote
from services.runtime.failures import Failure

NO_LETTER = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class CallRecord:
    """How a model was asked and what that cost; `calls` counts re-asks as well.

    Args:
        cost: by the price at that time, in `currency`; 0 and empty where there is none.
        chunk_id: what it was about.
        failure: reason of the failure of calls that led to no result; empty beside a result.
        cached: what the earlier call had used whose answer this is; nothing for one that was paid.
    """

    id: str
    prompt_version: str
    provider_id: str
    model: str
    parameters: Mapping[str, Any]
    prompt_tokens: int
    completion_tokens: int
    calls: int
    seconds: float
    cost: float = 0.0
    currency: str = ""
    chunk_id: str | None = None
    failure: str = ""
    cached: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Answer:
    """What a model answered."""

    text: str
    quotes: Sequence[Quote]
    reasoning: str
    call: CallRecord


@dataclass(frozen=True)
class Judgement:
    """What a judge says, and how it was asked; see `sishu.generation.v1.Judgement`."""

    score: float
    answerable: bool
    faithful: bool
    self_contained: bool
    reason: str
    call: CallRecord


@dataclass(frozen=True)
class Question:
    """Something to ask.

    Args:
        chunk_ids: the chunks that it was written from, the fact's first.
        heading_path: titles from the top of the first chunk's document to its section.
        tag_ids: the tags that it is linked to.
        genre_audience_id: the pair in whose voice it is.
        type: one of `kinds.QUESTION_TYPES`, or `template`.
        question_template_id: the template whose question it is.
        linked_facts: the other facts that an answer needs, of the chunks after the first.
        replaces_id: the question in whose place it was written.
        source_gone_time: since when one of its chunks is known to be in no current version of its document.
        known: whether the model that is to learn knew the fact; nothing where it was not asked.
    """

    id: str
    project_id: str
    generation_id: str
    chunk_ids: Sequence[str]
    document_ids: Sequence[str]
    text: str
    fact: Quote | None
    form: int
    state: str
    rejection: Failure | None
    answer: Answer | None
    call: CallRecord
    create_time: datetime
    heading_path: Sequence[str] = ()
    tag_ids: Sequence[str] = ()
    genre_audience_id: str | None = None
    judgement: Judgement | None = None
    type: str = "fact"
    question_template_id: str | None = None
    linked_facts: Sequence[Quote] = ()
    replaces_id: str | None = None
    source_gone_time: datetime | None = None
    known: bool | None = None

    @property
    def fact_id(self) -> str:
        """Id of the fact, the same for all questions that ask for it; empty where it asks for none."""
        return self.fact.place_id if self.fact else ""

    @property
    def size_bytes(self) -> int:
        """About how large it is in an answer."""
        quotes = [*([self.fact] if self.fact else []), *self.linked_facts]
        texts = [self.text, *self.heading_path, *self.tag_ids]
        if self.answer:
            quotes += self.answer.quotes
            texts += [self.answer.text, self.answer.reasoning]
        if self.judgement:
            texts.append(self.judgement.reason)
        return sum(len(text.encode()) for text in [*texts, *(quote.text for quote in quotes)])


@dataclass(frozen=True)
class OpenQuestion:
    """A question that waits for an answer, as far as whoever answers it needs it."""

    id: str
    generation_id: str
    text: str
    chunk_id: str
    voice: Voice | None = None
    replaces_id: str | None = None


@dataclass(frozen=True)
class NewQuestion:
    """A question to store: open, or rejected with the reason."""

    id: str
    text: str
    chunk_ids: Sequence[str]
    document_ids: Sequence[str]
    fact: Quote | None
    form: int
    rejection: Failure | None
    heading_path: Sequence[str] = ()
    genre_audience_id: str | None = None
    type: str = "fact"
    question_template_id: str | None = None
    linked_facts: Sequence[Quote] = ()
    replaces_id: str | None = None
    known: bool | None = None


@dataclass(frozen=True)
class QuestionFilter:
    """Which questions of a project are listed; nothing means any."""

    project_id: str
    generation_id: str | None = None
    chunk_id: str | None = None
    state: str | None = None
    tag_id: str | None = None
    genre_audience_id: str | None = None
    type: str | None = None
    question_template_id: str | None = None
    document_id: str | None = None
    source_gone: bool = False


def text_key(text: str) -> str:
    """The wording of a question without case, signs and spaces: equal for questions that ask the same way."""
    return NO_LETTER.sub("", unicodedata.normalize("NFKC", text).casefold())
