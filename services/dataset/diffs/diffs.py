"""Diffs: what changed from one dataset version, the base, to another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from services.dataset.diffs.comparing import CHANGES
from services.runtime.errors import FailedPrecondition
from services.runtime.jobs import Job


@dataclass(frozen=True)
class ChangesFile:
    """The Parquet file of the changes in the bucket."""

    key: str
    size_bytes: int


@dataclass(frozen=True)
class DatasetDiff:
    """A diff, in the making or complete."""

    id: str
    project_id: str
    base_id: str
    version_id: str
    job: Job
    counts: Mapping[str, int]
    file: ChangesFile | None
    create_time: datetime

    @property
    def ready_file(self) -> ChangesFile:
        """The file, once it is there.

        Raises:
            FailedPrecondition: it is not.
        """
        if self.file is None:
            raise FailedPrecondition(
                "DATASET_DIFF_NOT_READY",
                f"dataset diff {self.id} is not ready; {self.job.hint}",
                dataset_diff_id=self.id,
                job_id=self.job.id,
            )
        return self.file

    def rows(self, change: str | None) -> tuple[int, int]:
        """First row, and the row after the last, of a change in the file; of all for none."""
        if change is None:
            return 0, sum(self.counts.values())
        start = sum(self.counts.get(each, 0) for each in CHANGES[: CHANGES.index(change)])
        return start, start + self.counts.get(change, 0)


@dataclass(frozen=True)
class DatasetChange:
    """What became of an example; the splits are empty where it is not."""

    example_id: str
    change: str
    base_split: str
    split: str
