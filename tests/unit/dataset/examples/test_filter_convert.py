"""Filters between contract and domain: nothing of a filter is lost on the way."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.json_format import MessageToDict

from services.dataset.examples.filter_convert import filter_from_pb, filter_to_pb
from services.dataset.versions.options import DatasetOptions
from services.dataset.versions.options_convert import options_to_pb
from services.runtime.convert import timestamp
from services.runtime.ids import new_id
from sishu.dataset.v1 import example_pb2
from sishu.dataset.v1.example_filter_pb2 import ExampleFilter

EVERY = ExampleFilter(
    states=[example_pb2.EXAMPLE_STATE_KEPT],
    kinds=[example_pb2.EXAMPLE_KIND_SFT, example_pb2.EXAMPLE_KIND_EXAM_ITEM],
    generation_ids=[new_id()],
    document_ids=[new_id()],
    heading_path=["Birds", "Herons"],
    tag_ids=[new_id(), new_id()],
    labels=["bird"],
    min_score=0.0,
    max_score=4.5,
    rejection_reasons=["DUPLICATE"],
    languages=["zh", ""],
    question_types=["fact"],
    prompt_versions=["answer.en@1"],
    models=["mock"],
    min_characters=0,
    max_characters=90,
    create_time_from=timestamp(datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)),
    create_time_before=timestamp(datetime(2027, 1, 2, tzinfo=UTC)),
    source_gone=False,
    example_ids=[new_id()],
    text="heron",
    deleted=True,
    review_states=[example_pb2.REVIEW_STATE_ACCEPTED, example_pb2.REVIEW_STATE_DISPUTED],
    import_ids=[new_id()],
)


def test_a_filter_comes_back_as_it_was() -> None:
    assert {field.name for field, _ in EVERY.ListFields()} == set(ExampleFilter.DESCRIPTOR.fields_by_name)
    assert MessageToDict(filter_to_pb(filter_from_pb(EVERY))) == MessageToDict(EVERY)
    assert filter_to_pb(filter_from_pb(ExampleFilter())) == ExampleFilter()


def test_a_version_tells_of_its_whole_filter() -> None:
    told = options_to_pb(DatasetOptions(filter=filter_from_pb(EVERY))).filter
    assert MessageToDict(told) == MessageToDict(EVERY)
