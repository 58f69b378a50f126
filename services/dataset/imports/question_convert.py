"""Between questions of the generation room and examples."""

from __future__ import annotations

from services.dataset.examples.convert import failure_from_pb, origin_from_pb, quote_from_pb
from services.dataset.examples.examples import Example, Lineage, Message, Quote
from services.dataset.imports.item_convert import gone_time, is_rejected
from services.runtime.errors import FailedPrecondition
from services.runtime.failures import Failure
from services.runtime.ids import new_id
from sishu.generation.v1 import question_pb2
from sishu.ingest.v1 import chunk_pb2


def needs_passage(question: question_pb2.Question) -> bool:
    """Whether a question is not understood without the chunk that it is about, as those of templates are."""
    return question.type == question_pb2.QUESTION_TYPE_TEMPLATE


def passage_of(chunk: chunk_pb2.Chunk) -> str:
    """What a chunk says, under the head of the table in whose rows it begins."""
    return "\n".join(text for part in (chunk.table_header, chunk.text) if (text := part.strip()))


def example_from_question(question: question_pb2.Question, passage: str | None = None) -> Example:
    """The example that a question and its answer make, with a new id; not through the gate yet.

    Args:
        question: the question.
        passage: what its chunk says, where it is not understood without it; nothing where that is gone.
    """
    rejection = failure_from_pb(question.rejection) if is_rejected(question) else None
    if needs_passage(question) and passage is None:
        rejection = rejection or passage_gone(question)
    asked = question.text if passage is None else f"{passage}\n\n{question.text}"
    messages = [Message("user", asked)]
    if question.answer.text:
        messages.append(Message("assistant", question.answer.text, question.answer.reasoning))
    return Example(
        id=new_id(),
        project_id=question.project_id,
        kind="sft",
        messages=messages,
        state="rejected" if rejection else "kept",
        rejection=rejection,
        quotes=quotes_of(question),
        lineage=lineage_of(question),
        source_gone_time=gone_time(question),
        score=question.judgement.score if question.HasField("judgement") else None,
        tag_ids=sorted(question.tag_ids),
    )


def question_type(question: question_pb2.Question) -> str:
    """What a question asks for; empty where it does not say."""
    name = question_pb2.QuestionType.Name(question.type)
    return name.removeprefix("QUESTION_TYPE_").lower() if question.type else ""


def passage_gone(question: question_pb2.Question) -> Failure:
    """Why the question of a template whose chunk is not there any more makes no good example."""
    chunk_id = next(iter(question.chunk_ids), "")
    message = f"the chunk {chunk_id} is not there any more, and the question is not understood without it"
    return Failure(FailedPrecondition.code, "PASSAGE_GONE", message, {"chunk_id": chunk_id})


def quotes_of(question: question_pb2.Question) -> list[Quote]:
    """The fact that is asked for, then the quotes of the answer, each place once."""
    fact = [question.fact] if question.fact.text else []
    return list(dict.fromkeys(quote_from_pb(quote) for quote in [*fact, *question.answer.quotes]))


def lineage_of(question: question_pb2.Question) -> Lineage:
    """How a question and its answer came to be."""
    return Lineage(
        generation_id=question.generation_id,
        question_ids=[question.id],
        chunk_ids=list(question.chunk_ids),
        document_id=next(iter(question.document_ids), ""),
        document_version=next((quote.document_version for quote in quotes_of(question)), 0),
        fact_id=question.fact_id,
        heading_path=list(question.heading_path),
        question_type=question_type(question),
        question_origin=origin_from_pb(question.origin) if question.HasField("origin") else None,
        answer_origin=origin_from_pb(question.answer.origin) if question.answer.HasField("origin") else None,
    )
