"""Statistics of a dataset version as they are kept, in JSON beside the manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from services.dataset.versions.versions import DatasetVersion
from services.runtime.errors import FailedPrecondition, NotFound
from services.runtime.jobs import Job

Counts = Mapping[str, int]
"""Examples by split."""


@dataclass(frozen=True)
class StatisticsOptions:
    """How statistics are computed."""

    near_copy_threshold: float
    """Jaccard similarity of character 3-grams from which two questions are near copies."""
    samples: int = 12
    seed: int = 0
    """Of the samples."""
    tokenizer: str = ""
    """As a request names it; empty for none."""


@dataclass(frozen=True)
class Value:
    """A value of a facet; `name` is what people call it, where that is something else."""

    value: str
    counts: Counts
    name: str = ""

    @property
    def total(self) -> int:
        """Examples that have it."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class Facet:
    """Counts by the values of a facet; `more` different ones are not listed, `without` examples have none."""

    facet: str
    values: Sequence[Value]
    more: int
    without: int


@dataclass(frozen=True)
class Covered:
    """What of a document the examples are about; the name is empty where the project has it no more."""

    document_id: str
    name: str
    counts: Counts
    chunks: int = 0
    chunks_used: int = 0
    sections: int = 0
    sections_used: int = 0
    unused_sections: Sequence[str] = ()

    @property
    def examples(self) -> int:
        """Examples about it."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class Copies:
    """Examples that ask alike."""

    threshold: float
    duplicates: int
    near_copies: int
    groups: int
    largest_group: int
    crossing_groups: int


@dataclass(frozen=True)
class Turn:
    """A turn of a sample, cut off where it is long; `role` is one of `Message`, or `chosen` or `rejected`."""

    role: str
    content: str


@dataclass(frozen=True)
class Sample:
    """An example that was drawn."""

    example_id: str
    split: str
    kind: str
    turns: Sequence[Turn]
    quote: str
    document_id: str
    score: float | None


@dataclass(frozen=True)
class Figures:
    """All that is computed; `lengths` are as `profile.as_json` gives them."""

    split_counts: Counts
    lengths: Mapping[str, Mapping[str, Any]]
    facets: Sequence[Facet]
    mean_score: float | None
    documents: Sequence[Covered]
    more_documents: int
    all_documents: Covered
    copies: Copies
    samples: Sequence[Sample]

    @property
    def examples(self) -> int:
        """All examples of the version."""
        return sum(self.split_counts.values())

    def facet(self, name: str) -> Facet:
        """One facet; an empty one where there is none."""
        return next((each for each in self.facets if each.facet == name), Facet(name, (), 0, self.examples))

    def as_json(self) -> dict[str, Any]:
        """As it is kept."""
        return asdict(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Figures:
        """From what was kept."""
        return cls(
            **{
                **values,
                "facets": [
                    Facet(**{**each, "values": [Value(**one) for one in each["values"]]})
                    for each in values["facets"]
                ],
                "documents": [Covered(**each) for each in values["documents"]],
                "all_documents": Covered(**values["all_documents"]),
                "copies": Copies(**values["copies"]),
                "samples": [
                    Sample(**{**each, "turns": [Turn(**turn) for turn in each["turns"]]})
                    for each in values["samples"]
                ],
            }
        )


@dataclass(frozen=True)
class DatasetStatistics:
    """Statistics of a version, in the making or complete; `key` is where the figures are in the bucket."""

    id: str
    project_id: str
    version_id: str
    options: StatisticsOptions
    job: Job
    key: str
    create_time: datetime
    figures: Figures | None = field(default=None, compare=False)

    def check_ready(self) -> None:
        """Demand that they are complete.

        Raises:
            FailedPrecondition: they are not.
        """
        if not self.key:
            raise FailedPrecondition(
                "DATASET_STATISTICS_NOT_READY",
                f"dataset version {self.version_id} has no such statistics yet; {self.job.hint}",
                dataset_version_id=self.version_id,
                job_id=self.job.id,
            )


def statistics_not_found(version: DatasetVersion) -> NotFound:
    """The error for statistics that nobody asked for."""
    return NotFound(
        "DATASET_STATISTICS_NOT_FOUND",
        f"nobody asked for such statistics of dataset version {version.id}; "
        "`sishu dataset statistics` computes them",
        dataset_version_id=version.id,
    )
