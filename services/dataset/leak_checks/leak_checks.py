"""Leak checks: which examples are looked at, what they are compared with, and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from services.dataset.benchmarks.leaks import THRESHOLD, WORDS
from services.dataset.benchmarks.meanings import SIMILARITY
from services.dataset.examples.filters import ExampleFilter, filter_json, filter_of
from services.runtime.errors import FailedPrecondition, InvalidArgument, NotFound
from services.runtime.jobs import Job


@dataclass(frozen=True)
class LeakOptions:
    """When an example holds a question."""

    threshold: float = THRESHOLD
    """Jaccard similarity of character 3-grams from which what is asked is a near copy, above 0, to 1."""
    words: int = WORDS
    """Words of a run that tells of a leak."""
    embedding_provider_id: str = ""
    """Who says what texts mean; empty where meaning is not compared."""
    meaning_similarity: float = SIMILARITY
    """Cosine of embeddings from which what is asked means the same, above 0, to 1."""


@dataclass(frozen=True)
class LeakWishes:
    """What a check is to do.

    Args:
        filter: which examples of the project.
        version_id: of a version whose examples are looked at in place of those.
        benchmark_ids: what they are compared with.
        against_exam: whether they are compared with exam examples, too.
        options: when an example holds a question.
    """

    filter: ExampleFilter = field(default_factory=ExampleFilter)
    version_id: str = ""
    benchmark_ids: Sequence[str] = ()
    against_exam: bool = False
    options: LeakOptions = field(default_factory=LeakOptions)

    def check(self) -> None:
        """Demand that there is something to compare with.

        Raises:
            InvalidArgument: there is nothing.
        """
        if not self.benchmark_ids and not self.against_exam:
            raise InvalidArgument(
                "LEAK_SOURCE_MISSING",
                "the check names nothing to compare with; name benchmarks (benchmark_ids), exam examples "
                "(against_exam), or both",
                "leak_check.benchmark_ids",
            )


@dataclass(frozen=True)
class LeakCounts:
    """What a check found, and what embeddings cost."""

    examples: int = 0
    leaking_examples: int = 0
    shared_words: int = 0
    near_copies: int = 0
    meaning: int = 0
    embedded: int = 0
    embedding_tokens: int = 0
    embedding_cost: float = 0.0
    embedding_currency: str = ""


@dataclass(frozen=True)
class LeakSource:
    """Something that examples were compared with; without a benchmark it is exam examples."""

    benchmark_id: str
    name: str
    sha256: str
    rows: int
    leaks: int = 0


@dataclass(frozen=True)
class LeaksFile:
    """The Parquet file of the leaks in the bucket."""

    key: str
    size_bytes: int


@dataclass(frozen=True)
class LeakCheck:
    """A check, at work or complete."""

    id: str
    project_id: str
    wanted: LeakWishes
    job: Job
    counts: LeakCounts | None
    sources: Sequence[LeakSource]
    file: LeaksFile | None
    create_time: datetime

    @property
    def prefix(self) -> str:
        """Where its file is in the bucket."""
        return f"datasets/{self.project_id}/leak_checks/{self.id}/"

    @property
    def ready_file(self) -> LeaksFile:
        """The file, once it is there.

        Raises:
            FailedPrecondition: it is not.
        """
        if self.file is None:
            raise FailedPrecondition(
                "LEAK_CHECK_NOT_READY",
                f"leak check {self.id} has not found out yet; {self.job.hint}",
                leak_check_id=self.id,
                job_id=self.job.id,
            )
        return self.file


@dataclass(frozen=True)
class FoundLeak:
    """An example that holds a question; where that is one of a benchmark, it has a file and a row."""

    example_id: str
    split: str
    benchmark_id: str
    file: str
    row: int
    exam_example_id: str
    question: str
    ways: Sequence[str]
    similarity: float
    shared_words: str
    meaning_similarity: float = 0.0

    @property
    def size_bytes(self) -> int:
        """About how many bytes it takes in an answer."""
        return len(self.question.encode()) + len(self.shared_words.encode()) + len(self.file.encode()) + 150


def wishes_json(wanted: LeakWishes) -> dict[str, Any]:
    """What a check is to do, as JSON values."""
    return {
        **vars(wanted),
        "benchmark_ids": list(wanted.benchmark_ids),
        "filter": filter_json(wanted.filter),
        "options": asdict(wanted.options),
    }


def wishes_of(values: dict[str, Any]) -> LeakWishes:
    """What a check is to do, from its JSON values."""
    rest = {"filter": filter_of(values["filter"]), "options": LeakOptions(**values["options"])}
    return LeakWishes(**{**values, **rest})


def leak_check_not_found(leak_check_id: str) -> NotFound:
    """The error for a check that is not there."""
    return NotFound(
        "LEAK_CHECK_NOT_FOUND", f"there is no leak check {leak_check_id}", leak_check_id=leak_check_id
    )
