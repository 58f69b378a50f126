"""Between the contracts of questions and their domain."""

from __future__ import annotations

from services.generation.convert import origin_to_pb, quote_to_pb
from services.generation.generations.option_convert import enum_name, enum_value
from services.generation.questions.questions import Answer, Judgement, Question, QuestionFilter
from services.runtime.convert import failure_to_pb, timestamp
from sishu.generation.v1 import judgement_pb2, question_pb2
from sishu.generation.v1 import question_service_pb2 as pb


def question_filter(request: pb.ListQuestionsRequest) -> QuestionFilter:
    """Which questions are listed."""
    return QuestionFilter(
        project_id=request.project_id,
        generation_id=request.generation_id or None,
        chunk_id=request.chunk_id or None,
        state=enum_name(question_pb2.QuestionState, request.state),
        tag_id=request.tag_id or None,
        genre_audience_id=request.genre_audience_id or None,
        type=enum_name(question_pb2.QuestionType, request.type),
        question_template_id=request.question_template_id or None,
        document_id=request.document_id or None,
        source_gone=request.source_gone,
    )


def answer_to_pb(answer: Answer | None) -> question_pb2.Answer | None:
    """An answer; nothing for nothing."""
    if answer is None:
        return None
    return question_pb2.Answer(
        text=answer.text,
        quotes=map(quote_to_pb, answer.quotes),
        reasoning=answer.reasoning,
        origin=origin_to_pb(answer.call),
    )


def judgement_to_pb(judgement: Judgement | None) -> judgement_pb2.Judgement | None:
    """What a judge says; nothing for nothing."""
    if judgement is None:
        return None
    said = {name: value for name, value in vars(judgement).items() if name != "call"}
    return judgement_pb2.Judgement(**said, origin=origin_to_pb(judgement.call))


def question_to_pb(question: Question) -> question_pb2.Question:
    """A question with its answer."""
    return question_pb2.Question(
        id=question.id,
        project_id=question.project_id,
        generation_id=question.generation_id,
        chunk_ids=question.chunk_ids,
        document_ids=question.document_ids,
        text=question.text,
        fact=quote_to_pb(question.fact) if question.fact else None,
        fact_id=question.fact_id,
        form=question.form,
        state=enum_value(question_pb2.QuestionState, question.state),
        rejection=failure_to_pb(question.rejection),
        answer=answer_to_pb(question.answer),
        origin=origin_to_pb(question.call),
        create_time=timestamp(question.create_time),
        heading_path=question.heading_path,
        tag_ids=question.tag_ids,
        genre_audience_id=question.genre_audience_id or "",
        judgement=judgement_to_pb(question.judgement),
        type=enum_value(question_pb2.QuestionType, question.type),
        question_template_id=question.question_template_id or "",
        linked_facts=map(quote_to_pb, question.linked_facts),
        replaces_id=question.replaces_id or "",
        source_gone_time=timestamp(question.source_gone_time) if question.source_gone_time else None,
        known=question.known,
    )
