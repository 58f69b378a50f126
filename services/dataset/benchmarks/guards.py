"""Benchmarks as others of the room use them: whether they are there, and what finds their questions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from services.dataset.benchmarks.benchmarks import Benchmark
from services.dataset.benchmarks.files import guard_of, read_questions, read_signatures
from services.dataset.benchmarks.items import Item
from services.dataset.benchmarks.leaks import THRESHOLD, WORDS, LeakGuard
from services.dataset.benchmarks.store import BenchmarkStore
from services.runtime.errors import InvalidArgument
from services.runtime.storage import Storage


class Loaded(NamedTuple):
    """A benchmark with its questions, and what finds them."""

    benchmark: Benchmark
    items: Sequence[Item]
    guard: LeakGuard


class Benchmarks:
    """The benchmarks of projects."""

    def __init__(self, store: BenchmarkStore, storage: Storage) -> None:
        self._store = store
        self._storage = storage

    async def check_ready(self, project_id: str, benchmark_ids: Sequence[str], field: str) -> None:
        """Demand that benchmarks are complete, and of a project.

        Raises:
            NotFound: there is none.
            InvalidArgument: one is of another project.
            FailedPrecondition: one is not complete.
        """
        for benchmark_id in benchmark_ids:
            benchmark = await self._store.get(benchmark_id)
            if benchmark.project_id != project_id:
                raise InvalidArgument(
                    "PROJECT_MISMATCH",
                    f"benchmark {benchmark.id} belongs to project {benchmark.project_id}",
                    field,
                    benchmark_id=benchmark.id,
                    project_id=benchmark.project_id,
                )
            _ = benchmark.ready_files

    async def guard(
        self, benchmark_id: str, folder: Path, threshold: float = THRESHOLD, words: int = WORDS
    ) -> Loaded:
        """What finds the questions of a benchmark.

        Args:
            benchmark_id: which.
            folder: where its files may lie meanwhile.
            threshold: how alike near copies are.
            words: words of a run.

        Raises:
            NotFound: there is no such benchmark.
            FailedPrecondition: it is not complete.
        """
        benchmark = await self._store.get(benchmark_id)
        files = benchmark.ready_files
        questions, signatures = folder / f"{benchmark_id}-questions", folder / f"{benchmark_id}-signatures"
        await self._storage.get_file(files.questions.key, questions)
        await self._storage.get_file(files.signatures.key, signatures)
        items, guard = await asyncio.to_thread(loaded, questions, signatures, threshold, words)
        return Loaded(benchmark, items, guard)


def loaded(questions: Path, signatures: Path, threshold: float, words: int) -> tuple[list[Item], LeakGuard]:
    """The questions in files, and what finds them."""
    items = read_questions(questions)
    return items, guard_of(items, threshold, words, read_signatures(signatures))
