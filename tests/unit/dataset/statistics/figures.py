"""A version and what it is like, for tests of the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from services.dataset.examples.examples import Example, Lineage
from services.dataset.statistics.covering import Known, covered, sum_of
from services.dataset.statistics.statistics import DatasetStatistics, Figures, StatisticsOptions
from services.dataset.statistics.studying import Study
from services.dataset.versions.options import DatasetOptions
from services.dataset.versions.versions import DatasetVersion
from services.runtime.ids import derived_id
from services.runtime.jobs import Job
from tests.unit.dataset.makers import sft, shard_of

NASTY = '<script>alert(1)</script> & "<b>\'</b>"'
TAGS = {derived_id("tag", name): name for name in ("Returns", "Warranty", "Safety", NASTY)}
MADE = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)


def example(number: int, document: str, **fields: Any) -> Example:
    """An example about one of the chunks of a document, some longer than others."""
    made = sft(
        f"What does rule {number:05d} of {document} say? " + "?" * (number % 7),
        "It says so. " * (1 + number % 40),
    )
    path = ("Guide", f"Part {number % 3}")
    lineage = Lineage(
        document_id=derived_id(document),
        chunk_ids=[derived_id(document, str(number % 8))],
        heading_path=path,
        question_type=("fact", "multi_hop", "reasoning")[number % 3],
    )
    tags = [list(TAGS)[number % len(TAGS)]]
    scored = {
        "score": float(number % 6) if number % 5 else None,
        "tag_ids": tags,
        "labels": [NASTY] if number % 9 == 0 else [],
    }
    return replace(made, lineage=lineage, **{**scored, **fields})


def shards(folder: Path, examples: Mapping[str, Sequence[Example]]) -> Iterator[tuple[str, Path]]:
    """Examples as the shards of a version, a file for each split."""
    for split, mine in examples.items():
        path = folder / f"{split}.parquet"
        pq.write_table(shard_of(mine), path)
        yield split, path


def studied(folder: Path, examples: Mapping[str, Sequence[Example]], **options: Any) -> Study:
    """A study of examples."""
    study = Study(StatisticsOptions(**{"near_copy_threshold": 0.9, **options}))
    study.read(shards(folder, examples))
    return study


def known(document: str, chunks: int = 10) -> Known:
    """A document of the project."""
    sections = [("Guide",), *(("Guide", f"Part {part}") for part in range(4)), ("Annex",), ("Annex", NASTY)]
    return Known(
        derived_id(document), document, [derived_id(document, str(each)) for each in range(chunks)], sections
    )


def figures_of(study: Study, documents: Sequence[Known]) -> Figures:
    """All that a study has found."""
    found = covered(documents, study.documents)
    return Figures(
        split_counts=dict(study.split_counts),
        lengths=study.lengths(),
        facets=study.facets(TAGS),
        mean_score=study.mean_score(),
        documents=found,
        more_documents=0,
        all_documents=sum_of(found),
        copies=study.copies(),
        samples=study.samples(),
    )


def job() -> Job:
    """A job that has ended."""
    return None  # type: ignore[return-value]  # the page does not look at it


def version(**fields: Any) -> DatasetVersion:
    """A version."""
    values = {
        "id": derived_id("version"),
        "project_id": derived_id("project"),
        "number": 3,
        "parent_id": "",
        "options": DatasetOptions(system_prompt=NASTY),
        "job": job(),
        "split_counts": {},
        "dropped_counts": {"DUPLICATE": 12, "NEAR_COPY": 104},
        "content_sha256": "ab" * 32,
        "files": (),
        "create_time": MADE,
        "tags": ("prod",),
    }
    return DatasetVersion(**{**values, **fields})


def statistics(figures: Figures) -> DatasetStatistics:
    """Statistics that are ready."""
    return DatasetStatistics(
        derived_id("statistics"),
        derived_id("project"),
        derived_id("version"),
        StatisticsOptions(0.9),
        job(),
        "key",
        MADE,
        figures,
    )
