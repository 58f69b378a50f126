"""Between the contracts of filters and facets of examples and their domain."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from services.dataset.examples.convert import name_of, names_of, uuid_text, value_of
from services.dataset.examples.filters import NOTHING, ExampleFilter
from services.dataset.examples.store import FacetCounts
from sishu.dataset.v1 import example_filter_pb2, example_pb2


def filter_from_pb(message: example_filter_pb2.ExampleFilter) -> ExampleFilter:
    """Which examples are meant."""
    return ExampleFilter(
        **{name: names_of(enum, getattr(message, name)) for name, enum in ENUMS.items()},
        generation_ids=[uuid_text(one) for one in message.generation_ids],
        document_ids=[uuid_text(one) for one in message.document_ids],
        heading_path=list(message.heading_path),
        tag_ids=[uuid_text(one) for one in message.tag_ids],
        labels=list(message.labels),
        min_score=message.min_score if message.HasField("min_score") else None,
        max_score=message.max_score if message.HasField("max_score") else None,
        rejection_reasons=list(message.rejection_reasons),
        languages=list(message.languages),
        question_types=list(message.question_types),
        prompt_versions=list(message.prompt_versions),
        models=list(message.models),
        min_characters=message.min_characters if message.HasField("min_characters") else None,
        max_characters=message.max_characters if message.HasField("max_characters") else None,
        create_time_from=moment(message.create_time_from),
        create_time_before=moment(message.create_time_before),
        source_gone=message.source_gone if message.HasField("source_gone") else None,
        example_ids=[uuid_text(one) for one in message.example_ids],
        text=message.text,
        deleted=message.deleted,
        import_ids=[uuid_text(one) for one in message.import_ids],
    )


def filter_to_pb(wanted: ExampleFilter) -> example_filter_pb2.ExampleFilter:
    """A filter, as `filter_from_pb` reads it."""
    said = {name: value for name, value in vars(wanted).items() if value not in NOTHING}
    for name, enum in ENUMS.items():
        said[name] = [value_of(enum, one) for one in getattr(wanted, name)]
    return example_filter_pb2.ExampleFilter(**said)


ENUMS = {
    "states": example_pb2.ExampleState,
    "kinds": example_pb2.ExampleKind,
    "review_states": example_pb2.ReviewState,
}
"""Fields of a filter that name values of an enum."""


def moment(time: Timestamp) -> datetime | None:
    """A time; nothing for none."""
    return time.ToDatetime(UTC) if time.ByteSize() else None


def order_name(order: example_filter_pb2.ExampleOrder.ValueType) -> str:
    """The name of an order; the oldest first unless something else is said."""
    return name_of(example_filter_pb2.ExampleOrder, order) or "oldest"


def facet_name(facet: example_filter_pb2.ExampleFacet.ValueType) -> str:
    """The name of a facet."""
    return name_of(example_filter_pb2.ExampleFacet, facet) or ""


def facet_to_pb(counted: FacetCounts) -> example_filter_pb2.FacetCounts:
    """Counts by the values of a facet."""
    return example_filter_pb2.FacetCounts(
        facet=example_filter_pb2.ExampleFacet.Value(f"EXAMPLE_FACET_{counted.facet.upper()}"),
        counts=[example_filter_pb2.FacetCount(value=value, count=count) for value, count in counted.counts],
    )
