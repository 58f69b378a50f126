"""What becomes of examples of train and validation that hold questions of benchmarks, or of the exam."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
import orjson

from services.dataset.benchmarks.leaks import BENCHMARK_LEAK, THRESHOLD, WORDS
from services.dataset.examples.content_texts import asked_text
from services.dataset.leak_checks.finding import AT_ONCE, Guarded, Looked, exam_guard, trained_text
from services.dataset.leak_checks.leak_checks import LeakSource
from services.dataset.versions.options import DatasetOptions
from services.dataset.versions.planning import EXAM, OUT, TRAIN, VALIDATION, Plan
from services.dataset.versions.shards import ROW, Dealer
from services.dataset.versions.split_columns import UNKNOWN, Longs, among
from services.dataset.versions.versions import DatasetVersion
from services.runtime.errors import FailedPrecondition

EXAM_LEAK = "EXAM_LEAK"
"""Why an example is left out that holds words of an exam question."""
BLOCK, DROP = "block", "drop"


def guarded_against(
    plan: Plan, dealer: Dealer, benchmarks: Sequence[Guarded], version: DatasetVersion
) -> list[Guarded]:
    """What the rows of a plan are compared with: benchmarks and, if wished, its exam."""
    if not version.options.exam_leaks:
        return list(benchmarks)
    exam = sorted(looked for row, looked in rows_of(dealer) if plan.sides[row] == EXAM)
    return [*benchmarks, exam_guard(exam, THRESHOLD, WORDS)]


def checked(
    plan: Plan, facts: Longs, dealer: Dealer, guarded: Sequence[Guarded], version: DatasetVersion
) -> tuple[Plan, list[LeakSource]]:
    """A plan without what leaks, and what was found; nothing is looked for where nothing is asked for.

    Args:
        plan: where each row goes.
        facts: the fact of each row.
        dealer: has the rows.
        guarded: what the rows are compared with.
        version: says what becomes of leaks.

    Raises:
        FailedPrecondition: something leaks, and that blocks the version.
    """
    if not guarded:
        return plan, []
    found = leaks_of(dealer, plan, guarded)
    sources = [replace(one.source, leaks=len(rows)) for one, rows in zip(guarded, found, strict=True)]
    for source, rows in zip(sources, found, strict=True):
        plan = without_leaks(plan, facts, rows, source, version)
    return plan, sources


def rows_of(dealer: Dealer) -> Iterator[tuple[int, Looked]]:
    """All rows with their numbers."""
    for batch in dealer.seen():
        columns = [batch.column(name).to_pylist() for name in (ROW, "id", "kind", "content")]
        for row, *values in zip(*columns, strict=True):
            yield row, Looked(*values)


def leaks_of(dealer: Dealer, plan: Plan, guarded: Sequence[Guarded]) -> list[Longs]:
    """By what rows are compared with, the rows of train and validation that leak from it, ascending."""
    found: list[set[int]] = [set() for _ in guarded]
    trained = ((row, one) for row, one in rows_of(dealer) if plan.sides[row] in {TRAIN, VALIDATION})
    while batch := list(islice(trained, AT_ONCE)):
        contents = [orjson.loads(one.content) for _, one in batch]
        asked = [asked_text(one.kind, content) for (_, one), content in zip(batch, contents, strict=True)]
        said = [trained_text(content) for content in contents]
        for rows, one in zip(found, guarded, strict=True):
            rows.update(batch[leak.row][0] for leak in one.guard.find(asked, said))
    return [np.array(sorted(rows), np.int64) for rows in found]


def without_leaks(plan: Plan, facts: Longs, rows: Longs, source: LeakSource, version: DatasetVersion) -> Plan:
    """A plan after what was decided about leaks from one source.

    Raises:
        FailedPrecondition: they block the version.
    """
    action = action_of(source, version.options)
    if action == BLOCK and len(rows):
        raise blocked(len(rows), source, version)
    # Another benchmark may have driven them out already.
    rows = rows[plan.sides[rows] != OUT]
    if action != DROP or not len(rows):
        return plan
    sides = plan.sides.copy()
    sides[rows] = OUT
    reason = reason_of(source)
    dropped = {**plan.dropped, reason: plan.dropped.get(reason, 0) + len(rows)}
    asked = facts[sides == EXAM]
    taught = int(among(asked[asked != UNKNOWN], facts[sides == TRAIN]).sum())
    return Plan(sides, dict(sorted(dropped.items())), taught)


def action_of(source: LeakSource, options: DatasetOptions) -> str:
    """What becomes of leaks from a source."""
    return options.benchmark_leaks if source.benchmark_id else options.exam_leaks


def reason_of(source: LeakSource) -> str:
    """Why an example is left out that leaks from a source."""
    return BENCHMARK_LEAK if source.benchmark_id else EXAM_LEAK


def replay_blocked(count: int, source: LeakSource, replayed: DatasetVersion) -> FailedPrecondition:
    """The error for a version that may not hold the general data that it would."""
    who = f"benchmark {source.name} ({source.benchmark_id})" if source.benchmark_id else "its exam"
    option = "benchmark_leaks" if source.benchmark_id else "exam_leaks"
    return FailedPrecondition(
        reason_of(source),
        f"{count} rows of dataset version {replayed.id} or more, which would be mixed in, hold questions of "
        f"{who}; have them left out ({option} DROP), or name another version",
        benchmark_id=source.benchmark_id,
        dataset_version_id=replayed.id,
        leaks=str(count),
    )


def blocked(count: int, source: LeakSource, version: DatasetVersion) -> FailedPrecondition:
    """The error for a version that may not hold what it would."""
    who = f"benchmark {source.name} ({source.benchmark_id})" if source.benchmark_id else "its exam"
    against = f"--benchmark {source.benchmark_id}" if source.benchmark_id else "--exam"
    option = "benchmark_leaks" if source.benchmark_id else "exam_leaks"
    return FailedPrecondition(
        reason_of(source),
        f"{count} examples that would be trained or validated on hold questions of {who}; see which: `sishu "
        f"leak-check create --project {version.project_id} {against} --wait`; reject them, or have them "
        f"left out ({option} DROP)",
        benchmark_id=source.benchmark_id,
        project_id=version.project_id,
        leaks=str(count),
    )
