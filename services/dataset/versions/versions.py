"""Dataset versions: immutable sets of examples, split into train and exam."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePosixPath

from services.dataset.copies.grouping import group_near_copies, leaks
from services.dataset.copies.texts import normalise
from services.dataset.exam_split import DUPLICATE, NEAR_COPY, Entry, Split, split
from services.dataset.examples.examples import ExamItem, Example, Lineage, Message, Preference, Quote
from services.runtime.errors import FailedPrecondition, Internal, NotFound
from services.runtime.jobs import Job

PARQUET = "parquet"
"""Format of the shards."""
TRAIN_ONLY = frozenset({"preference", "pretraining"})
"""Kinds of examples that no exam can ask."""


@dataclass(frozen=True)
class DatasetOptions:
    """How a version is made."""

    exam_share: float = 0.2
    """Share of the examples that is held out for the exam, 0 to 0.9."""
    max_exam_items: int = 0
    """Most exam items; 0 means no limit."""
    near_copy_threshold: float = 0.7
    """Jaccard similarity of character 3-grams from which two questions are near copies."""
    seed: int = 0
    """Seed of the split and of the order of the rows."""
    generation_ids: Sequence[str] = ()
    """Only examples of these generations; empty means all."""
    system_prompt: str = ""
    """System message put before every conversation; may be empty."""


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
    def manifest(self) -> VersionFile:
        """The file that names all others; a ready version has one."""
        return next(file for file in self.files if not file.format)

    def check_ready(self) -> None:
        """Demand that the version is complete.

        Raises:
            FailedPrecondition: it is not.
        """
        if self.state != "ready":
            hint = "wait for" if self.state == "making" else "see the failures of"
            raise FailedPrecondition(
                "DATASET_VERSION_NOT_READY",
                f"dataset version {self.id} is {self.state}; {hint} its job {self.job.id}",
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


def entry_of(example: Example) -> Entry:
    """What the split needs to know of an example."""
    return Entry(
        id=example.id,
        digest=example.digest,
        question=example.asks,
        document=example.document_id,
        fact=example.fact,
        exam_only=example.kind == "exam_item",
        train_only=example.kind in TRAIN_ONLY,
    )


def plan(entries: Sequence[Entry], options: DatasetOptions) -> Split:
    """Decide which example goes where; pure work for a thread.

    Raises:
        FailedPrecondition: there is no example.
        Internal: near copies ended up on both sides.
    """
    if not entries:
        raise no_examples()
    kept, duplicates = without_duplicates(entries)
    ordered = sorted(kept, key=lambda entry: (entry.digest, entry.id))
    questions = [entry.question for entry in ordered]
    groups = list(map(int, group_near_copies(questions, options.near_copy_threshold)))
    found = split(ordered, groups, options.exam_share, options.max_exam_items, options.seed)
    found = without_leaks(found, options.near_copy_threshold)
    check_sides(found, dict(zip((entry.id for entry in ordered), groups, strict=True)))
    return replace(found, dropped={**found.dropped, DUPLICATE: duplicates} if duplicates else found.dropped)


def without_duplicates(entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """The newest example of every wording of a question, and the others: generations may ask the same.

    What must never be trained on stays, whoever asks the same; so do preferences and texts.
    """
    newest: dict[str, Entry] = {}
    for entry in sorted(entries, key=lambda entry: entry.id):
        if not entry.exam_only and not entry.train_only:
            newest[normalise(entry.question)] = entry
    first: list[Entry] = []
    rest: list[Entry] = []
    for entry in sorted(entries, key=lambda entry: entry.id):
        own = entry.exam_only or entry.train_only
        stays = own or newest[normalise(entry.question)] is entry
        (first if stays else rest).append(entry)
    return first, rest


def without_leaks(found: Split, threshold: float) -> Split:
    """Leave out of train what is like an exam item after all: pairs that the grouping missed."""
    leaked = set(
        leaks([entry.question for entry in found.exam], [entry.question for entry in found.train], threshold)
    )
    return Split(
        train=[entry for at, entry in enumerate(found.train) if at not in leaked],
        exam=found.exam,
        dropped={
            **found.dropped,
            NEAR_COPY: [*found.dropped[NEAR_COPY], *(found.train[at] for at in sorted(leaked))],
        },
    )


def check_sides(found: Split, groups: Mapping[str, int]) -> None:
    """Make sure that no group of near copies is on both sides.

    Raises:
        Internal: one is.
    """
    both = {groups[entry.id] for entry in found.train} & {groups[entry.id] for entry in found.exam}
    if both:
        raise Internal("NEAR_COPY_ON_BOTH_SIDES", f"{len(both)} groups of near copies are in train and exam")


def no_examples() -> FailedPrecondition:
    """The error for a version of nothing."""
    return FailedPrecondition(
        "NO_EXAMPLES", "no kept example fits; import the examples of a generation first, or drop the filter"
    )


def version_not_found(version_id: str) -> NotFound:
    """The error for a version that is not there."""
    return NotFound(
        "DATASET_VERSION_NOT_FOUND",
        f"there is no dataset version {version_id}",
        dataset_version_id=version_id,
    )
