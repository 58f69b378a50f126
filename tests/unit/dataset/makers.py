"""Examples and entries for tests."""

from __future__ import annotations

import hashlib

from services.dataset.exam_split import Entry
from services.dataset.examples.examples import Example, Lineage, Message, Origin, Quote
from services.runtime.ids import derived_id


def sft(question: str, answer: str = "Forty-two.", kind: str = "sft", name: str = "") -> Example:
    """An example of one question; its id hangs on the name, or on the question."""
    return Example(
        id=derived_id("example", name or question),
        project_id=derived_id("project"),
        kind=kind,
        messages=[Message("user", question), Message("assistant", answer)],
        quotes=[Quote("The answer is 42.", derived_id("chunk"), derived_id("document"), 1, 10, 27)],
        lineage=Lineage(
            question_ids=[derived_id("question", question)],
            document_version=1,
            answer_origin=Origin(model="m", parameters={"seed": 7.0}, calls=2),
        ),
    )


def conversation(*texts: str, system: str = "") -> Example:
    """An example of several turns, the user's first."""
    turns = [Message("user" if at % 2 == 0 else "assistant", text) for at, text in enumerate(texts)]
    first = [Message("system", system)] if system else []
    return Example(derived_id(*texts), derived_id("project"), "conversation", [*first, *turns])


def entry(question: str, document: str = "", fact: str = "", *, exam_only: bool = False) -> Entry:
    """An entry whose id and digest hang on the question."""
    digest = hashlib.sha256(question.encode()).hexdigest()
    return Entry(derived_id(question), digest, question, document, fact, exam_only)
