"""Examples and entries for tests."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from services.dataset.copies.sketches import sketch
from services.dataset.copies.texts import normalise
from services.dataset.examples.content import content_json, lineage_json
from services.dataset.examples.examples import Example, Lineage, Message, Origin, Quote
from services.dataset.versions.entries import EXAM_ITEM, Coder, Entries, Pairs
from services.dataset.versions.options import DatasetOptions
from services.dataset.versions.planning import Plan, Planner
from services.dataset.versions.shards import SCHEMA
from services.runtime.ids import derived_id
from tests.unit.dataset.one_by_one import Entry


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


def shard_of(examples: Sequence[Example]) -> pa.Table:
    """Examples as a shard of a version has them."""
    rows = [
        {
            "id": one.id,
            "kind": one.kind,
            "content": content_json(one),
            "lineage": lineage_json(one.lineage),
            "score": one.score,
            "labels": list(one.labels),
            "tag_ids": list(one.tag_ids),
            "document_id": one.document_id,
            "question_type": one.lineage.question_type,
            "language": one.language,
            "source": "hand",
            "review_state": one.review_state,
        }
        for one in examples
    ]
    return pa.Table.from_pylist(rows, SCHEMA)


def columns_of(found: Sequence[Entry], seed: int = 0) -> Entries:
    """Entries in columns, by their ids."""
    found = sorted(found, key=lambda one: one.id)
    documents, facts = Coder(), Coder()
    keys = [hashlib.sha256(f"{seed}:{one.digest}".encode()).digest()[:8] for one in found]
    wordings = [hashlib.sha256(normalise(one.question).encode()).digest()[:8] for one in found]
    nothing = Pairs(np.empty(0, np.int64), np.empty(0, np.int64))
    same = np.zeros(len(found), np.int64)
    return Entries(
        places=np.frombuffer(b"".join(keys), ">u8").astype(np.uint64),
        kinds=np.array(
            [EXAM_ITEM if one.exam_only else 2 if one.train_only else 0 for one in found], np.int8
        ),
        wordings=np.frombuffer(b"".join(wordings), np.int64),
        facts=np.array([facts.code(one.fact) for one in found], np.int64),
        characters=np.array([len(one.question) for one in found], np.int64),
        values={
            "document": np.array([documents.code(one.document) for one in found], np.int64),
            "source": same,
            "section": same,
        },
        pairs={"tag": nothing, "label": nothing, "chunk": nothing},
        names={"source": ["hand"], "label": [], "document": list(documents.numbers)},
    )


def planned(found: Sequence[Entry], options: DatasetOptions) -> Plan:
    """The plan of entries, whose rows are by id."""
    entries = columns_of(found, options.seed)
    asked = [one.question for one in sorted(found, key=lambda one: one.id)]
    return Planner(entries, sketch(asked), options).plan()
