"""Between candidates of the generation room and examples."""

from __future__ import annotations

from typing import Any

from services.dataset.examples.convert import (
    exam_item_from_pb,
    failure_from_pb,
    messages_from_pb,
    name_of,
    origin_from_pb,
    quote_from_pb,
)
from services.dataset.examples.examples import Example, Lineage, Message, Preference
from services.dataset.imports.exam_texts import asked, right
from services.dataset.imports.item_convert import gone_time, is_rejected
from services.dataset.imports.question_convert import question_type
from services.runtime.ids import new_id
from sishu.generation.v1 import candidate_pb2, question_pb2


def example_from_candidate(
    candidate: candidate_pb2.Candidate, question: question_pb2.Question | None = None
) -> Example:
    """The example that a candidate makes, with a new id; not through the gate yet.

    Args:
        candidate: the candidate.
        question: that it was made from; nothing where there is none, or it is gone.
    """
    rejection = failure_from_pb(candidate.rejection) if is_rejected(candidate) else None
    return Example(
        id=new_id(),
        project_id=candidate.project_id,
        state="rejected" if rejection else "kept",
        rejection=rejection,
        quotes=list(dict.fromkeys(map(quote_from_pb, candidate.quotes))),
        lineage=lineage_of(candidate, question),
        source_gone_time=gone_time(candidate),
        score=candidate.judgement.score if candidate.HasField("judgement") else None,
        tag_ids=sorted(candidate.tag_ids),
        **said_by(candidate),
    )


def said_by(candidate: candidate_pb2.Candidate) -> dict[str, Any]:
    """Kind of the example, and what it says."""
    match candidate.WhichOneof("content"):
        case "conversation":
            return {"kind": "conversation", "messages": messages_from_pb(candidate.conversation.messages)}
        case "preference_pair":
            pair = candidate.preference_pair
            flaw = name_of(candidate_pb2.PreferenceFlaw, pair.flaw) or ""
            answers = (Message("assistant", pair.chosen), Message("assistant", pair.rejected))
            messages = [Message("user", pair.prompt)]
            return {"kind": "preference", "messages": messages, "preference": Preference(*answers, flaw)}
        case "passage":
            return {"kind": "pretraining", "messages": [Message("assistant", candidate.passage.text)]}
        case _:
            item = exam_item_from_pb(candidate.exam_item)
            messages = [Message("user", asked(item)), Message("assistant", right(item))]
            return {"kind": "exam_item", "messages": messages, "exam_item": item}


def lineage_of(candidate: candidate_pb2.Candidate, question: question_pb2.Question | None) -> Lineage:
    """How a candidate, and the question that it was made from, came to be."""
    asks = question_type(question) if question else ""
    has_origin = question is not None and question.HasField("origin")
    return Lineage(
        generation_id=candidate.generation_id,
        candidate_id=candidate.id,
        question_ids=[candidate.question_id] if candidate.question_id else [],
        chunk_ids=list(candidate.chunk_ids),
        document_id=next(iter(candidate.document_ids), ""),
        document_version=next((quote.document_version for quote in candidate.quotes), 0),
        fact_id=next(iter(candidate.fact_ids), ""),
        heading_path=list(candidate.heading_path),
        question_type=asks or name_of(candidate_pb2.PassageForm, candidate.passage.form) or "",
        question_origin=origin_from_pb(question.origin) if question and has_origin else None,
        answer_origin=origin_from_pb(candidate.origin) if candidate.HasField("origin") else None,
    )
