"""Between the contract of diffs and their domain."""

from __future__ import annotations

from services.dataset.diffs.diffs import DatasetChange, DatasetDiff
from services.dataset.examples.convert import name_of
from services.dataset.versions.convert import split_to_pb
from services.runtime.convert import job_to_pb, timestamp
from sishu.dataset.v1 import dataset_diff_pb2 as pb


def diff_to_pb(diff: DatasetDiff) -> pb.DatasetDiff:
    """A diff."""
    return pb.DatasetDiff(
        id=diff.id,
        project_id=diff.project_id,
        base_version_id=diff.base_id,
        dataset_version_id=diff.version_id,
        job=job_to_pb(diff.job),
        ready=diff.file is not None,
        change_counts=diff.counts,
        create_time=timestamp(diff.create_time),
    )


def change_to_pb(change: DatasetChange) -> pb.DatasetChange:
    """A change."""
    return pb.DatasetChange(
        example_id=change.example_id,
        kind=pb.DatasetChangeKind.Value(f"DATASET_CHANGE_KIND_{change.change.upper()}"),
        base_split=split_to_pb(change.base_split),
        split=split_to_pb(change.split),
    )


def change_name(kind: pb.DatasetChangeKind.ValueType) -> str | None:
    """The name of a change; nothing for unspecified."""
    return name_of(pb.DatasetChangeKind, kind)
