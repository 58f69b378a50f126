"""`python -m services.dataset`: serve the dataset room, or work on its queue."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa

from services.dataset.benchmarks.guards import Benchmarks
from services.dataset.benchmarks.making import BenchmarkWorker
from services.dataset.benchmarks.store import BenchmarkStore
from services.dataset.changes.apply_store import ApplyStore
from services.dataset.changes.applying import Applier
from services.dataset.changes.changing import ChangeWorker
from services.dataset.changes.store import ChangeStore
from services.dataset.config import DatasetConfig
from services.dataset.deduplications.finding import DuplicateWorker
from services.dataset.deduplications.store import DeduplicationStore
from services.dataset.diffs.making import DiffWorker
from services.dataset.diffs.store import DiffStore
from services.dataset.exports.exporting import ExportWorker
from services.dataset.exports.store import ExportStore
from services.dataset.imports.file_importing import FileImportWorker
from services.dataset.imports.generation_importing import GenerationImportWorker
from services.dataset.imports.generation_store import GenerationImportStore
from services.dataset.imports.store import ImportStore
from services.dataset.imports.uploads import UploadSweeper
from services.dataset.leak_checks.checking import LeakWorker
from services.dataset.leak_checks.store import LeakCheckStore
from services.dataset.project_store import ProjectStore
from services.dataset.restores.restoring import RestoreWorker
from services.dataset.restores.store import RestoreStore
from services.dataset.service import servicers
from services.dataset.source_marks.marking import MarkWorker
from services.dataset.source_marks.source_marks import SourceMarks
from services.dataset.source_marks.store import SourceMarkStore
from services.dataset.statistics.making import StatisticsWorker
from services.dataset.statistics.store import StatisticsStore
from services.dataset.tokenizers import Tokenizers
from services.dataset.versions.making import VersionWorker
from services.dataset.versions.store import VersionStore
from services.runtime.config import read
from services.runtime.memory import giving_back, keep_freed
from services.runtime.project_data import ProjectData
from services.runtime.room import Built, Parts, Room, run_room
from services.runtime.work_folders import sweep_folders
from services.runtime.worker import Handler


def build(parts: Parts) -> Built:
    """Wire the room."""
    sweep_folders("dataset")
    pool, jobs = parts.pool, parts.jobs
    marks = SourceMarks(parts.client, SourceMarkStore(pool, jobs))
    config, imports = read(DatasetConfig, os.environ), ImportStore(pool, jobs)
    tokenizers = Tokenizers(config.tokenizer_folder)
    generations = GenerationImportWorker(
        jobs, imports, GenerationImportStore(pool), parts.client, marks, tokenizers
    )
    versions = VersionStore(pool, jobs)
    exporter = ExportWorker(jobs, ExportStore(pool, jobs), versions, parts.storage)
    changes = ChangeStore(pool, jobs)
    applier = Applier(parts.client, ApplyStore(changes))
    duplicates = DuplicateWorker(jobs, DeduplicationStore(pool, jobs), parts.client)
    restorer = RestoreWorker(jobs, RestoreStore(pool, jobs), versions, parts.storage)
    benchmark_store = BenchmarkStore(pool, jobs)
    benchmarks = Benchmarks(benchmark_store, parts.storage)
    leaks = LeakWorker(jobs, LeakCheckStore(pool, jobs), benchmarks, versions, parts.storage, parts.client)
    maker = VersionWorker(jobs, versions, parts.storage, benchmarks, parts.client)
    files = FileImportWorker(jobs, imports, parts.storage, tokenizers)
    statistics = StatisticsWorker(
        jobs, StatisticsStore(pool, jobs), versions, parts.storage, parts.client, tokenizers.load
    )
    handlers: dict[str, Handler] = {
        "update_examples": ChangeWorker(jobs, changes, applier).update_examples,
        "import_file": files.import_file,
        "make_benchmark": BenchmarkWorker(jobs, benchmark_store, parts.storage).make_benchmark,
        "find_leaks": leaks.find_leaks,
        "import_generations": generations.import_generations,
        "find_duplicates": duplicates.find_duplicates,
        "apply_deduplication": duplicates.apply_deduplication,
        "mark_sources": MarkWorker(jobs, marks).mark_sources,
        "make_dataset_version": maker.make_version,
        "restore_dataset_version": restorer.restore,
        "make_dataset_statistics": statistics.make_statistics,
        "make_export": exporter.make_export,
        "make_dataset_diff": DiffWorker(jobs, DiffStore(pool, jobs), versions, parts.storage).make_diff,
    }
    return Built(
        servicers=servicers(parts, tokenizers),
        project_data=ProjectData(ProjectStore(pool, jobs).delete, ("datasets",)),
        handlers={kind: giving_back(handler) for kind, handler in handlers.items()},
        background=[UploadSweeper(imports, parts.storage, config.upload_seconds).run],
    )


if __name__ == "__main__":
    keep_freed()
    # Arrow's own allocator gives memory back at once.
    pa.set_memory_pool(pa.system_memory_pool())
    run_room(Room("dataset", Path(__file__).parent, build, concurrency=2))
