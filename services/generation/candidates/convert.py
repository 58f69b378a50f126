"""Between the contracts of candidates and their domain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from services.generation.candidates.candidates import (
    Candidate,
    CandidateFilter,
    Content,
    Conversation,
    ExamItem,
    ExampleAnswer,
    ExampleJudgement,
    Message,
    Passage,
    PreferencePair,
)
from services.generation.convert import origin_to_pb, quote_to_pb
from services.generation.generations.option_convert import enum_name, enum_value
from services.generation.questions.convert import judgement_to_pb
from services.runtime.convert import failure_to_pb, timestamp
from sishu.common.v1 import exam_item_pb2, message_pb2
from sishu.generation.v1 import candidate_pb2
from sishu.generation.v1 import candidate_service_pb2 as pb


def candidate_filter(request: pb.ListCandidatesRequest) -> CandidateFilter:
    """Which candidates are listed."""
    return CandidateFilter(
        project_id=request.project_id,
        generation_id=request.generation_id or None,
        chunk_id=request.chunk_id or None,
        kind=enum_name(candidate_pb2.CandidateKind, request.kind),
        state=enum_name(candidate_pb2.CandidateState, request.state),
        tag_id=request.tag_id or None,
        source_gone=request.source_gone,
    )


def candidate_to_pb(candidate: Candidate) -> candidate_pb2.Candidate:
    """A candidate."""
    return candidate_pb2.Candidate(
        id=candidate.id,
        project_id=candidate.project_id,
        generation_id=candidate.generation_id,
        chunk_ids=candidate.chunk_ids,
        document_ids=candidate.document_ids,
        question_id=candidate.question_id or "",
        fact_ids=candidate.fact_ids,
        quotes=map(quote_to_pb, candidate.quotes),
        state=enum_value(candidate_pb2.CandidateState, candidate.state),
        rejection=failure_to_pb(candidate.rejection),
        reasoning=candidate.reasoning,
        origin=origin_to_pb(candidate.call),
        tag_ids=candidate.tag_ids,
        heading_path=candidate.heading_path,
        create_time=timestamp(candidate.create_time),
        replaces_id=candidate.replaces_id or "",
        source_gone_time=timestamp(candidate.source_gone_time) if candidate.source_gone_time else None,
        judgement=judgement_to_pb(candidate.judgement),
        **content_to_pb(candidate.content),
    )


def content_to_pb(content: Content) -> dict[str, Any]:
    """The field that says what a candidate says."""
    match content:
        case Conversation():
            messages = messages_to_pb(content.messages)
            return {"conversation": candidate_pb2.Conversation(messages=messages)}
        case PreferencePair():
            flaw = enum_value(candidate_pb2.PreferenceFlaw, content.flaw)
            return {"preference_pair": candidate_pb2.PreferencePair(**{**vars(content), "flaw": flaw})}
        case Passage():
            form = enum_value(candidate_pb2.PassageForm, content.form)
            return {"passage": candidate_pb2.Passage(form=form, text=content.text)}
        case ExamItem():
            kind = enum_value(exam_item_pb2.ExamItemType, content.type)
            return {"exam_item": exam_item_pb2.ExamItem(**{**vars(content), "type": kind})}
        case ExampleJudgement():
            return {"example_judgement": candidate_pb2.ExampleJudgement(**vars(content))}
        case ExampleAnswer():
            said = {**vars(content), "messages": messages_to_pb(content.messages)}
            return {"example_answer": candidate_pb2.ExampleAnswer(**said)}


def messages_to_pb(messages: Iterable[Message]) -> list[message_pb2.Message]:
    """Turns."""
    return [
        message_pb2.Message(role=message_pb2.Role.Value(f"ROLE_{one.role.upper()}"), content=one.content)
        for one in messages
    ]
