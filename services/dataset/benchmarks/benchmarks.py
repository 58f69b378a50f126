"""Benchmarks: questions by which models are judged, from an uploaded file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.dataset.imports.faults import Threshold
from services.dataset.imports.imports import BAD_SHARE, ImportUpload
from services.dataset.imports.readers import ReadOptions
from services.dataset.imports.rows import Fault
from services.dataset.imports.sources import Choice
from services.runtime.errors import AlreadyExists, FailedPrecondition, NotFound
from services.runtime.jobs import Job

FAULTS = 20
"""Bad rows that are kept."""


@dataclass(frozen=True)
class BenchmarkOptions:
    """How rows are read; what is empty is found out.

    Args:
        question: column of the question.
        choices: columns of the choices.
        answer: column of the answer.
        max_bad_share: a larger share of bad rows ends the job.
        splits: to be taken of a dataset folder.
        files: pattern of files to be taken.
        field: key of the list in a JSON object.
        sheet: of a workbook.
        encoding: of texts.
    """

    question: str = ""
    choices: Sequence[str] = ()
    answer: str = ""
    max_bad_share: float = BAD_SHARE
    splits: Sequence[str] = ()
    files: str = ""
    field: str = ""
    sheet: str = ""
    encoding: str = ""

    @property
    def choice(self) -> Choice:
        """What is taken of what holds several things."""
        read = ReadOptions(self.encoding, self.field, self.sheet)
        return Choice((), tuple(self.splits), self.files, read)

    @property
    def threshold(self) -> Threshold:
        """How many bad rows are too many."""
        return Threshold(None, self.max_bad_share)


@dataclass(frozen=True)
class BenchmarkCounts:
    """What became of the rows."""

    rows: int = 0
    characters: int = 0
    bad: int = 0
    bad_by_reason: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class BenchmarkFile:
    """A Parquet file of a benchmark in the bucket."""

    key: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class BenchmarkFiles:
    """The files of a benchmark: its questions, and the signatures of what they ask."""

    questions: BenchmarkFile
    signatures: BenchmarkFile


@dataclass(frozen=True)
class Benchmark:
    """A benchmark, in the making or complete."""

    id: str
    project_id: str
    name: str
    upload: ImportUpload
    options: BenchmarkOptions
    job: Job
    counts: BenchmarkCounts | None
    faults: Sequence[Fault]
    files: BenchmarkFiles | None
    create_time: datetime

    @property
    def prefix(self) -> str:
        """Where its files are in the bucket."""
        return f"datasets/{self.project_id}/benchmarks/{self.id}/"

    @property
    def sha256(self) -> str:
        """Identity of its questions; empty until it is complete."""
        return self.files.questions.sha256 if self.files else ""

    @property
    def ready_files(self) -> BenchmarkFiles:
        """Its files, once they are there.

        Raises:
            FailedPrecondition: they are not.
        """
        if self.files is None:
            raise FailedPrecondition(
                "BENCHMARK_NOT_READY",
                f"benchmark {self.id} ({self.name}) is not ready; {self.job.hint}",
                benchmark_id=self.id,
                job_id=self.job.id,
            )
        return self.files


def benchmark_not_found(benchmark_id: str) -> NotFound:
    """The error for a benchmark that is not there."""
    return NotFound("BENCHMARK_NOT_FOUND", f"there is no benchmark {benchmark_id}", benchmark_id=benchmark_id)


def name_taken(name: str, benchmark_id: str) -> AlreadyExists:
    """The error for a second benchmark of a name."""
    return AlreadyExists(
        "BENCHMARK_NAME_TAKEN",
        f"the project has a benchmark named {name!r}, {benchmark_id}; give this one another name, or delete "
        "that one first",
        "benchmark.name",
        name=name,
        benchmark_id=benchmark_id,
    )
