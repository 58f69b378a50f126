"""Dataset versions: immutable sets of examples, split into train, validation and exam."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath

from services.dataset.embedding import EmbeddingCost
from services.dataset.examples.examples import ExamItem, Lineage, Message, Preference, Quote
from services.dataset.versions.options import DatasetOptions
from services.runtime.errors import FailedPrecondition, NotFound
from services.runtime.jobs import Job

SPLITS = ("train", "validation", "exam")
"""The sides of a version."""
PARQUET = "parquet"
"""Format of the shards."""


@dataclass(frozen=True)
class VersionFile:
    """A file of a version in the bucket; the manifest belongs to no format and no side: both are empty."""

    name: str
    format: str
    split: str
    key: str
    size_bytes: int
    sha256: str
    rows: int = 0
    """Of a shard."""

    @property
    def file_name(self) -> str:
        """Its name without a folder."""
        return PurePosixPath(self.name).name


@dataclass(frozen=True)
class Replayed:
    """What of another version was mixed into train.

    Args:
        dataset_version_id: that version.
        content_sha256: identity of its content.
        available: rows that its train has.
        wanted: rows that make the share.
        taken: rows that were taken.
        left_out: rows that were looked at and passed over, by reason.
        source_counts: rows that were taken, by the source that they have there.
    """

    dataset_version_id: str
    content_sha256: str
    available: int
    wanted: int
    taken: int
    left_out: Mapping[str, int]
    source_counts: Mapping[str, int]


@dataclass(frozen=True)
class DatasetVersion:
    """A version, in the making or complete."""

    id: str
    project_id: str
    number: int
    parent_id: str
    options: DatasetOptions
    job: Job
    split_counts: Mapping[str, int]
    dropped_counts: Mapping[str, int]
    content_sha256: str
    files: Sequence[VersionFile]
    create_time: datetime
    coverage: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Different documents, sections, tags and facts: `total`, and by split."""
    source_counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Examples by source and split."""
    tags: Sequence[str] = ()
    leak_counts: Mapping[str, int] = field(default_factory=dict)
    """Examples of train and validation that leak, by the id of a benchmark, or `exam`."""
    replayed: Replayed | None = None
    """General data of another version."""
    spent: EmbeddingCost | None = None
    """What it cost to compare meanings with questions."""

    @property
    def prefix(self) -> str:
        """Where its files are in the bucket."""
        return f"datasets/{self.project_id}/{self.id}/"

    @property
    def state(self) -> str:
        """`ready` once it has its content; else `failed` when its job has ended, else `making`."""
        if self.content_sha256:
            return "ready"
        return "failed" if self.job.ended else "making"

    @property
    def shards(self) -> list[VersionFile]:
        """The files that hold its examples, in order."""
        return [file for file in self.files if file.format == PARQUET]

    @property
    def manifest(self) -> VersionFile:
        """The file that names all others; a ready version has one."""
        return next(file for file in self.files if not file.format)

    def check_ready(self) -> None:
        """Demand that the version is complete.

        Raises:
            FailedPrecondition: it is not.
        """
        if self.state != "ready":
            raise FailedPrecondition(
                "DATASET_VERSION_NOT_READY",
                f"dataset version {self.id} is {self.state}; {self.job.hint}",
                dataset_version_id=self.id,
                job_id=self.job.id,
            )


@dataclass(frozen=True)
class DatasetVersionExample:
    """An example as a version holds it; `position` counts from 0 in its split."""

    example_id: str
    split: str
    position: int
    kind: str
    messages: Sequence[Message]
    quotes: Sequence[Quote]
    lineage: Lineage
    preference: Preference | None = None
    exam_item: ExamItem | None = None


def version_not_found(version_id: str) -> NotFound:
    """The error for a version that is not there."""
    return NotFound(
        "DATASET_VERSION_NOT_FOUND",
        f"there is no dataset version {version_id}",
        dataset_version_id=version_id,
    )
