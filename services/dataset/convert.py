"""Between the contracts of the dataset room and its domain."""

from __future__ import annotations

import uuid
from collections.abc import Container, Iterable, Sequence
from datetime import UTC, datetime

from google.protobuf import json_format
from google.protobuf.field_mask_pb2 import FieldMask

from services.dataset.examples import Example, Lineage, Message, Origin, Quote, Review, rejection_by_hand
from services.dataset.formats import LLAMA_FACTORY, MESSAGES_JSONL, PARQUET
from services.dataset.versions import DatasetOptions, DatasetVersion, DatasetVersionExample, VersionFile
from services.runtime.convert import failure_to_pb, job_to_pb, stored_object, timestamp
from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.runtime.failures import Failure
from services.runtime.ids import new_id
from services.runtime.storage import Link
from sishu.common.v1 import failure_pb2, message_pb2, object_pb2, origin_pb2, text_span_pb2
from sishu.dataset.v1 import dataset_version_pb2, example_pb2
from sishu.generation.v1 import question_pb2

FORMATS = {
    dataset_version_pb2.DATASET_FORMAT_MESSAGES_JSONL: MESSAGES_JSONL,
    dataset_version_pb2.DATASET_FORMAT_LLAMA_FACTORY: LLAMA_FACTORY,
    dataset_version_pb2.DATASET_FORMAT_PARQUET: PARQUET,
}


def example_to_pb(example: Example) -> example_pb2.Example:
    """An example."""
    return example_pb2.Example(
        id=example.id,
        project_id=example.project_id,
        kind=example_pb2.ExampleKind.Value(f"EXAMPLE_KIND_{example.kind.upper()}"),
        messages=map(message_to_pb, example.messages),
        state=example_pb2.ExampleState.Value(f"EXAMPLE_STATE_{example.state.upper()}"),
        rejection=failure_to_pb(example.rejection),
        quotes=map(quote_to_pb, example.quotes),
        lineage=lineage_to_pb(example.lineage),
        create_time=timestamp(example.create_time),
        update_time=timestamp(example.update_time),
        source_gone_time=timestamp(example.source_gone_time) if example.source_gone_time else None,
    )


def message_to_pb(message: Message) -> message_pb2.Message:
    """A turn."""
    return message_pb2.Message(
        role=message_pb2.Role.Value(f"ROLE_{message.role.upper()}"),
        content=message.content,
        reasoning=message.reasoning,
    )


def quote_to_pb(quote: Quote) -> text_span_pb2.Quote:
    """A quote."""
    return text_span_pb2.Quote(
        text=quote.text,
        chunk_id=quote.chunk_id,
        document_id=quote.document_id,
        document_version=quote.document_version,
        span=text_span_pb2.TextSpan(start=quote.start, end=quote.end),
    )


def lineage_to_pb(lineage: Lineage) -> example_pb2.Lineage:
    """A lineage."""
    return example_pb2.Lineage(
        generation_id=lineage.generation_id,
        question_ids=lineage.question_ids,
        chunk_ids=lineage.chunk_ids,
        document_id=lineage.document_id,
        document_version=lineage.document_version,
        question_origin=origin_to_pb(lineage.question_origin),
        answer_origin=origin_to_pb(lineage.answer_origin),
        fact_id=lineage.fact_id,
    )


def origin_to_pb(origin: Origin | None) -> origin_pb2.Origin | None:
    """How a text was made; nothing for nothing."""
    if origin is None:
        return None
    message = origin_pb2.Origin(
        prompt_version=origin.prompt_version,
        provider_id=origin.provider_id,
        model=origin.model,
        usage=message_pb2.TokenUsage(
            prompt_tokens=origin.prompt_tokens,
            completion_tokens=origin.completion_tokens,
            calls=origin.calls,
        ),
    )
    message.parameters.update(dict(origin.parameters))
    return message


def messages_from_pb(messages: Iterable[message_pb2.Message]) -> list[Message]:
    """Turns; a role without a name becomes one that no rule allows."""
    known = message_pb2.Role.values()
    return [
        Message(
            role=message_pb2.Role.Name(each.role).removeprefix("ROLE_").lower() if each.role in known else "",
            content=each.content,
            reasoning=each.reasoning,
        )
        for each in messages
    ]


def quote_from_pb(quote: text_span_pb2.Quote) -> Quote:
    """A quote."""
    return Quote(
        text=quote.text,
        chunk_id=quote.chunk_id,
        document_id=quote.document_id,
        document_version=quote.document_version,
        start=quote.span.start,
        end=quote.span.end,
    )


def example_from_pb(message: example_pb2.Example) -> Example:
    """An example written by hand, with a new id; fields that are output only are not looked at."""
    return Example(
        id=new_id(),
        project_id=message.project_id,
        kind=example_kind(message.kind) or "",
        messages=messages_from_pb(message.messages),
        quotes=[quote_from_pb(quote) for quote in message.quotes],
    )


def needs_passage(question: question_pb2.Question) -> bool:
    """Whether a question is not understood without the chunk that it is about, as those of templates are."""
    return question.type == question_pb2.QUESTION_TYPE_TEMPLATE


def example_from_question(question: question_pb2.Question, passage: str | None = None) -> Example:
    """The example that a question and its answer make, with a new id; not through the gate yet.

    Args:
        question: the question.
        passage: what its chunk says, where it is not understood without it; nothing where that is gone.
    """
    rejected = question.state == question_pb2.QUESTION_STATE_REJECTED
    rejection = failure_from_pb(question.rejection) if rejected else None
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
    )


def replaced_by(questions: Iterable[question_pb2.Question]) -> list[str]:
    """Ids of questions in whose place others are, by what some questions say of themselves and of others."""
    own = [one.id for one in questions if one.rejection.reason == "REPLACED"]
    others = [
        one.replaces_id
        for one in questions
        if one.replaces_id and one.state == question_pb2.QUESTION_STATE_ANSWERED
    ]
    return own + others


def passage_gone(question: question_pb2.Question) -> Failure:
    """Why the question of a template whose chunk is not there any more makes no good example."""
    chunk_id = next(iter(question.chunk_ids), "")
    message = f"the chunk {chunk_id} is not there any more, and the question is not understood without it"
    return Failure(FailedPrecondition.code, "PASSAGE_GONE", message, {"chunk_id": chunk_id})


def gone_time(question: question_pb2.Question) -> datetime | None:
    """Since when a chunk of a question is gone; nothing while all are there."""
    if not question.HasField("source_gone_time"):
        return None
    return question.source_gone_time.ToDatetime(UTC)


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
        question_origin=origin_from_pb(question.origin) if question.HasField("origin") else None,
        answer_origin=origin_from_pb(question.answer.origin) if question.answer.HasField("origin") else None,
    )


def origin_from_pb(origin: origin_pb2.Origin) -> Origin:
    """How a text was made."""
    return Origin(
        prompt_version=origin.prompt_version,
        provider_id=origin.provider_id,
        model=origin.model,
        parameters=json_format.MessageToDict(origin.parameters),
        prompt_tokens=origin.usage.prompt_tokens,
        completion_tokens=origin.usage.completion_tokens,
        calls=origin.usage.calls,
    )


def failure_from_pb(failure: failure_pb2.Failure) -> Failure:
    """A failure."""
    return Failure(failure.code, failure.reason, failure.message, dict(failure.metadata))


def review_from_pb(example: example_pb2.Example, paths: Container[str]) -> Review:
    """What a person changes of an example: the fields that a mask names.

    Raises:
        InvalidArgument: there is no such state, or the rejection does not say why.
    """
    state = example_state(example.state) if "state" in paths else None
    if "state" in paths and state is None:
        raise InvalidArgument("FIELD_INVALID", "example.state: say which state it gets", "example.state")
    return Review(
        messages=messages_from_pb(example.messages) if "messages" in paths else None,
        state=state,
        rejection=rejection_from_pb(example.rejection) if "rejection" in paths else None,
    )


def rejection_from_pb(failure: failure_pb2.Failure) -> Failure:
    """A person's reason; its code is not looked at.

    Raises:
        InvalidArgument: it does not say why.
    """
    return rejection_by_hand(failure.reason, failure.message, dict(failure.metadata))


def merged(example: Example, wanted: example_pb2.Example, mask: FieldMask) -> example_pb2.Example:
    """The example with the fields that a mask names taken from another."""
    message = example_to_pb(example)
    mask.MergeMessage(wanted, message, replace_message_field=True, replace_repeated_field=True)
    return message


def example_kind(kind: example_pb2.ExampleKind.ValueType) -> str | None:
    """The stored name of a kind; nothing for unspecified."""
    return None if kind == 0 else example_pb2.ExampleKind.Name(kind).removeprefix("EXAMPLE_KIND_").lower()


def example_state(state: example_pb2.ExampleState.ValueType) -> str | None:
    """The stored name of a state; nothing for unspecified.

    Raises:
        InvalidArgument: there is no such state.
    """
    if state not in example_pb2.ExampleState.values():
        raise InvalidArgument("FIELD_INVALID", f"example.state: there is no state {state}", "example.state")
    return None if state == 0 else example_pb2.ExampleState.Name(state).removeprefix("EXAMPLE_STATE_").lower()


def version_to_pb(version: DatasetVersion) -> dataset_version_pb2.DatasetVersion:
    """A dataset version."""
    return dataset_version_pb2.DatasetVersion(
        id=version.id,
        project_id=version.project_id,
        number=version.number,
        parent_id=version.parent_id,
        options=options_to_pb(version.options),
        state=dataset_version_pb2.DatasetVersionState.Value(f"DATASET_VERSION_STATE_{version.state.upper()}"),
        job=job_to_pb(version.job),
        split_counts=version.split_counts,
        dropped_counts=version.dropped_counts,
        content_sha256=version.content_sha256,
        create_time=timestamp(version.create_time),
    )


def member_to_pb(member: DatasetVersionExample) -> dataset_version_pb2.DatasetVersionExample:
    """An example as a version holds it."""
    return dataset_version_pb2.DatasetVersionExample(
        example_id=member.example_id,
        split=dataset_version_pb2.DatasetSplit.Value(f"DATASET_SPLIT_{member.split.upper()}"),
        position=member.position,
        kind=example_pb2.ExampleKind.Value(f"EXAMPLE_KIND_{member.kind.upper()}"),
        messages=map(message_to_pb, member.messages),
        quotes=map(quote_to_pb, member.quotes),
        lineage=lineage_to_pb(member.lineage),
    )


def split_name(split: dataset_version_pb2.DatasetSplit.ValueType) -> str | None:
    """The stored name of a split; nothing for unspecified."""
    name = dataset_version_pb2.DatasetSplit.Name(split)
    return None if split == 0 else name.removeprefix("DATASET_SPLIT_").lower()


def options_to_pb(options: DatasetOptions) -> dataset_version_pb2.DatasetOptions:
    """How a version is made."""
    return dataset_version_pb2.DatasetOptions(
        exam_share=options.exam_share,
        max_exam_items=options.max_exam_items,
        near_copy_threshold=options.near_copy_threshold,
        seed=options.seed,
        generation_ids=options.generation_ids,
        system_prompt=options.system_prompt,
    )


def options_from_pb(message: dataset_version_pb2.DatasetOptions) -> DatasetOptions:
    """How a version is to be made, with the defaults where nothing was said.

    Raises:
        InvalidArgument: the system prompt cannot be stored.
    """
    if "\0" in message.system_prompt:
        raise InvalidArgument(
            "FIELD_INVALID",
            "dataset_version.options.system_prompt: NUL characters cannot be stored",
            "dataset_version.options.system_prompt",
        )
    usual = DatasetOptions()
    return DatasetOptions(
        exam_share=message.exam_share if message.HasField("exam_share") else usual.exam_share,
        max_exam_items=message.max_exam_items,
        near_copy_threshold=message.near_copy_threshold
        if message.HasField("near_copy_threshold")
        else usual.near_copy_threshold,
        seed=message.seed if message.HasField("seed") else usual.seed,
        generation_ids=sorted({str(uuid.UUID(each)) for each in message.generation_ids}),
        system_prompt=message.system_prompt,
    )


def file_to_pb(file: VersionFile, link: Link) -> object_pb2.StoredObject:
    """A file of a version with a link to read it."""
    return stored_object(file.file_name, file.key, file.size_bytes, file.sha256, link)


def files_in(
    files: Sequence[VersionFile], wanted: dataset_version_pb2.DatasetFormat.ValueType, split: str | None
) -> list[VersionFile]:
    """The files of a format, of one split or of all; LLaMA-Factory gets one split at a time."""
    name = FORMATS[wanted]
    split = split or ("train" if name == LLAMA_FACTORY else None)
    return [file for file in files if file.format == name and (not split or file.split == split)]
