"""Between the contracts of dataset versions and their domain."""

from __future__ import annotations

from services.dataset.examples.convert import (
    exam_item_to_pb,
    lineage_to_pb,
    message_to_pb,
    name_of,
    preference_to_pb,
    quote_to_pb,
    value_of,
)
from services.dataset.versions.options_convert import options_to_pb
from services.dataset.versions.versions import DatasetVersion, DatasetVersionExample
from services.runtime.convert import job_to_pb, timestamp
from sishu.dataset.v1 import dataset_version_pb2, example_pb2


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
        coverage=[
            dataset_version_pb2.DatasetCoverage(
                facet=facet,
                total=counts["total"],
                split_counts={side: count for side, count in counts.items() if side != "total"},
            )
            for facet, counts in version.coverage.items()
        ],
        source_counts=[
            dataset_version_pb2.SourceCount(source=source, split_counts=counts)
            for source, counts in version.source_counts.items()
        ],
        tags=version.tags,
        leak_counts=version.leak_counts,
        replayed=dataset_version_pb2.Replayed(**vars(version.replayed)) if version.replayed else None,
        leak_embedding_cost=dataset_version_pb2.EmbeddingCost(**vars(version.spent))
        if version.spent
        else None,
    )


def member_to_pb(member: DatasetVersionExample) -> dataset_version_pb2.DatasetVersionExample:
    """An example as a version holds it."""
    return dataset_version_pb2.DatasetVersionExample(
        example_id=member.example_id,
        split=split_to_pb(member.split),
        position=member.position,
        kind=example_pb2.ExampleKind.Value(f"EXAMPLE_KIND_{member.kind.upper()}"),
        messages=map(message_to_pb, member.messages),
        quotes=map(quote_to_pb, member.quotes),
        lineage=lineage_to_pb(member.lineage),
        preference=preference_to_pb(member.preference),
        exam_item=exam_item_to_pb(member.exam_item),
    )


def split_to_pb(split: str) -> dataset_version_pb2.DatasetSplit.ValueType:
    """A split; unspecified for none."""
    found: dataset_version_pb2.DatasetSplit.ValueType = value_of(dataset_version_pb2.DatasetSplit, split)
    return found


def split_name(split: dataset_version_pb2.DatasetSplit.ValueType) -> str | None:
    """The stored name of a split; nothing for unspecified."""
    return name_of(dataset_version_pb2.DatasetSplit, split)
