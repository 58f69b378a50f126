"""Deduplications: which examples are compared, how, and what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.dataset.examples.filters import ExampleFilter
from services.runtime.errors import FailedPrecondition, NotFound
from services.runtime.jobs import Job

ASKED, SAID = "asked", "said"
"""What is compared: what is asked, or all that is said."""
DUPLICATE_KINDS = ("exact", "near_copy", "meaning_copy")
"""How a duplicate is like its keeper: it says the same, nearly the same, or means the same."""
SHOWN = 100
"""Duplicates that are shown with a cluster."""


@dataclass(frozen=True)
class DeduplicationOptions:
    """When examples say the same."""

    compared_by: str = ASKED
    threshold: float = 0.8
    """Jaccard similarity of character 3-grams from which two texts are near copies, above 0, to 1."""
    embedding_provider_id: str = ""
    """Who says what texts mean; nothing where meaning is not compared."""
    meaning_similarity: float = 0.95
    """Cosine of embeddings from which two texts mean the same, above 0, to 1."""


@dataclass(frozen=True)
class DeduplicationCounts:
    """What a search found, and what embeddings cost: examples compared, clusters, those beside keepers."""

    examples: int = 0
    clusters: int = 0
    duplicates: int = 0
    near_copies: int = 0
    meaning_copies: int = 0
    embedded: int = 0
    embedding_tokens: int = 0
    embedding_cost: float = 0.0
    embedding_currency: str = ""


@dataclass(frozen=True)
class Deduplication:
    """A search for examples that say the same, and how far it was applied."""

    id: str
    project_id: str
    filter: ExampleFilter
    options: DeduplicationOptions
    job: Job
    counts: DeduplicationCounts | None
    apply_job: Job | None
    rejected: int
    skipped: int
    create_time: datetime

    @property
    def job_ids(self) -> list[str]:
        """Its jobs."""
        return [job.id for job in (self.job, self.apply_job) if job]

    def check_ready(self) -> None:
        """Demand that the search has ended well.

        Raises:
            FailedPrecondition: it has not.
        """
        if self.counts is None:
            raise FailedPrecondition(
                "DEDUPLICATION_NOT_READY",
                f"deduplication {self.id} has not found out yet; {self.job.hint}",
                deduplication_id=self.id,
                job_id=self.job.id,
            )


@dataclass(frozen=True)
class Duplicate:
    """An example beside the keeper of its cluster."""

    example_id: str
    similarity: float
    kind: str
    """One of `DUPLICATE_KINDS`."""


@dataclass(frozen=True)
class DuplicateCluster:
    """An example to be kept with those that say the same, the first of them."""

    number: int
    keeper_id: str
    size: int
    duplicates: Sequence[Duplicate] = field(default_factory=list)


def rank(state: str, score: float | None) -> tuple[bool, float]:
    """Of two examples the one with the higher rank is kept, of equals the older one.

    A kept one goes before any rejected one: else applying would reject the last that is kept.
    """
    return state == "kept", -1.0 if score is None else score


def deduplication_not_found(deduplication_id: str) -> NotFound:
    """The error for a search that is not there."""
    metadata: Mapping[str, str] = {"deduplication_id": deduplication_id}
    return NotFound("DEDUPLICATION_NOT_FOUND", f"there is no deduplication {deduplication_id}", **metadata)
