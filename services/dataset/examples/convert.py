"""Between the contracts of examples and their domain."""

from __future__ import annotations

import uuid
from collections.abc import Container, Iterable
from typing import Any

from google.protobuf import json_format
from google.protobuf.field_mask_pb2 import FieldMask

from services.dataset.examples.edits import Edit, rejection_by_hand
from services.dataset.examples.examples import (
    ExamItem,
    Example,
    Lineage,
    Message,
    Origin,
    Preference,
    Quote,
)
from services.runtime.convert import failure_to_pb, timestamp
from services.runtime.errors import InvalidArgument
from services.runtime.failures import Failure
from services.runtime.ids import new_id
from services.runtime.interceptors import check_message
from sishu.common.v1 import exam_item_pb2, failure_pb2, message_pb2, origin_pb2, text_span_pb2
from sishu.dataset.v1 import example_pb2, example_service_pb2


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
        preference=preference_to_pb(example.preference),
        exam_item=exam_item_to_pb(example.exam_item),
        score=example.score,
        labels=example.labels,
        tag_ids=example.tag_ids,
        language=example.language,
        characters=example.characters,
        delete_time=timestamp(example.delete_time),
        review_state=example_pb2.ReviewState.Value(f"REVIEW_STATE_{example.review_state.upper()}"),
        review_count=example.review_count,
        revision=example.revision,
    )


def preference_to_pb(preference: Preference | None) -> example_pb2.Preference | None:
    """Two answers; nothing for nothing."""
    if preference is None:
        return None
    chosen, rejected = preference.chosen, preference.rejected
    return example_pb2.Preference(
        chosen=message_to_pb(chosen) if chosen else None,
        rejected=message_to_pb(rejected) if rejected else None,
        flaw=preference.flaw,
    )


def exam_item_to_pb(item: ExamItem | None) -> exam_item_pb2.ExamItem | None:
    """A task; nothing for nothing."""
    if item is None:
        return None
    kind = exam_item_pb2.ExamItemType.Value(f"EXAM_ITEM_TYPE_{item.type.upper()}")
    return exam_item_pb2.ExamItem(**{**vars(item), "type": kind})


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
        candidate_id=lineage.candidate_id,
        heading_path=lineage.heading_path,
        question_type=lineage.question_type,
        import_id=lineage.import_id,
        import_row=lineage.import_row,
        dataset_version_id=lineage.dataset_version_id,
        dataset_version_position=lineage.dataset_version_position,
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
        preference=preference_from_pb(message.preference) if message.HasField("preference") else None,
        exam_item=exam_item_from_pb(message.exam_item) if message.HasField("exam_item") else None,
        score=message.score if message.HasField("score") else None,
        labels=words(message.labels),
        tag_ids=words(uuid_text(tag_id) for tag_id in message.tag_ids),
    )


def preference_from_pb(message: example_pb2.Preference) -> Preference:
    """Two answers."""
    chosen = messages_from_pb([message.chosen])[0] if message.HasField("chosen") else None
    rejected = messages_from_pb([message.rejected])[0] if message.HasField("rejected") else None
    return Preference(chosen, rejected, message.flaw)


def exam_item_from_pb(message: exam_item_pb2.ExamItem) -> ExamItem:
    """A task.

    Raises:
        InvalidArgument: it has no type.
    """
    kind = name_of(exam_item_pb2.ExamItemType, message.type)
    if kind is None:
        field = "example.exam_item.type"
        raise InvalidArgument("EXAM_ITEM_INVALID", f"{field}: say how it is answered", field)
    return ExamItem(
        kind, message.text, list(message.choices), list(message.correct), message.is_true, message.answer
    )


def words(values: Iterable[str]) -> list[str]:
    """Words, each once, in order."""
    return sorted(set(values))


def uuid_text(value: str) -> str:
    """A UUID as it is stored."""
    return str(uuid.UUID(value))


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


def edit_from_pb(example: example_pb2.Example, paths: Container[str]) -> Edit:
    """What a person changes of an example: the fields that a mask names.

    Raises:
        InvalidArgument: there is no such state, or the rejection does not say why.
    """
    state = example_state(example.state) if "state" in paths else None
    if "state" in paths and state is None:
        raise InvalidArgument("FIELD_INVALID", "example.state: say which state it gets", "example.state")
    return Edit(
        messages=messages_from_pb(example.messages) if "messages" in paths else None,
        preference=preference_from_pb(example.preference) if "preference" in paths else None,
        exam_item=exam_item_from_pb(example.exam_item) if "exam_item" in paths else None,
        score=example.score if "score" in paths else None,
        labels=words(example.labels) if "labels" in paths else None,
        tag_ids=words(map(uuid_text, example.tag_ids)) if "tag_ids" in paths else None,
        state=state,
        rejection=rejection_from_pb(example.rejection) if "rejection" in paths else None,
    )


def rejection_from_pb(failure: failure_pb2.Failure) -> Failure:
    """A person's reason; its code is not looked at.

    Raises:
        InvalidArgument: it does not say why.
    """
    return rejection_by_hand(failure.reason, failure.message, dict(failure.metadata))


def check_merged(example: Example, wanted: example_pb2.Example, mask: FieldMask) -> None:
    """Hold an example, the fields that a mask names taken from another, against the rules of the contract.

    Raises:
        InvalidArgument: one is broken; the field is named as one of the request: `example.messages[0].role`.
    """
    message = example_to_pb(example)
    mask.MergeMessage(wanted, message, replace_message_field=True, replace_repeated_field=True)
    check_message(example_service_pb2.CreateExampleRequest(example=message))


def example_kind(kind: example_pb2.ExampleKind.ValueType) -> str | None:
    """The stored name of a kind; nothing for unspecified."""
    return name_of(example_pb2.ExampleKind, kind)


def example_state(state: example_pb2.ExampleState.ValueType) -> str | None:
    """The stored name of a state; nothing for unspecified.

    Raises:
        InvalidArgument: there is no such state.
    """
    if state not in example_pb2.ExampleState.values():
        raise InvalidArgument("FIELD_INVALID", f"example.state: there is no state {state}", "example.state")
    return name_of(example_pb2.ExampleState, state)


def name_of(enum: Any, value: int) -> str | None:
    """The stored name of a value of an enum; nothing for unspecified."""
    return str(enum.Name(value)).removeprefix(prefix_of(enum)).lower() if value else None


def names_of(enum: Any, values: Iterable[int]) -> list[str]:
    """The stored names of values of an enum, unspecified ones aside."""
    return [name for value in values if (name := name_of(enum, value))]


def value_of(enum: Any, name: str) -> Any:
    """The value of an enum that has a stored name; unspecified for none."""
    return enum.Value(prefix_of(enum) + (name or "unspecified").upper())


def prefix_of(enum: Any) -> str:
    """How the names of all values of an enum begin."""
    return str(enum.DESCRIPTOR.values_by_number[0].name.removesuffix("UNSPECIFIED"))
