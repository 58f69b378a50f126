"""The services of the dataset room."""

from __future__ import annotations

from services.dataset.benchmarks.guards import Benchmarks
from services.dataset.benchmarks.service import BenchmarkServicer
from services.dataset.benchmarks.store import BenchmarkStore
from services.dataset.changes.apply_store import ApplyStore
from services.dataset.changes.applying import Applier
from services.dataset.changes.revision_store import RevisionStore
from services.dataset.changes.service import ExampleChangeServicer
from services.dataset.changes.store import ChangeStore
from services.dataset.comments.store import CommentStore
from services.dataset.deduplications.service import DeduplicationServicer
from services.dataset.deduplications.store import DeduplicationStore
from services.dataset.diffs.store import DiffStore
from services.dataset.examples.service import ExampleServicer
from services.dataset.examples.store import ExampleStore
from services.dataset.exports.service import ExportServicer
from services.dataset.exports.store import ExportStore
from services.dataset.imports.service import ImportServicer
from services.dataset.imports.store import ImportStore
from services.dataset.leak_checks.service import LeakCheckServicer
from services.dataset.leak_checks.store import LeakCheckStore
from services.dataset.reviews.service import ReviewServicer
from services.dataset.reviews.store import ReviewStore
from services.dataset.source_marks.store import SourceMarkStore
from services.dataset.statistics.service import StatisticsServicer
from services.dataset.statistics.store import StatisticsStore
from services.dataset.tokenizers import Tokenizers
from services.dataset.versions.service import DatasetServicer
from services.dataset.versions.store import VersionStore
from services.runtime.room import Parts
from services.runtime.server import Servicer
from sishu.dataset.v1.benchmark_service_pb2_grpc import add_BenchmarkServiceServicer_to_server
from sishu.dataset.v1.dataset_service_pb2_grpc import add_DatasetServiceServicer_to_server
from sishu.dataset.v1.deduplication_service_pb2_grpc import add_DeduplicationServiceServicer_to_server
from sishu.dataset.v1.example_change_service_pb2_grpc import add_ExampleChangeServiceServicer_to_server
from sishu.dataset.v1.example_service_pb2_grpc import add_ExampleServiceServicer_to_server
from sishu.dataset.v1.export_service_pb2_grpc import add_ExportServiceServicer_to_server
from sishu.dataset.v1.import_service_pb2_grpc import add_ImportServiceServicer_to_server
from sishu.dataset.v1.leak_check_service_pb2_grpc import add_LeakCheckServiceServicer_to_server
from sishu.dataset.v1.review_service_pb2_grpc import add_ReviewServiceServicer_to_server
from sishu.dataset.v1.statistics_service_pb2_grpc import add_StatisticsServiceServicer_to_server

PACKAGE = "sishu.dataset.v1"


def servicers(parts: Parts, tokenizers: Tokenizers) -> list[Servicer]:
    """The services of the room."""
    pool, jobs = parts.pool, parts.jobs
    examples = ExampleServicer(
        ExampleStore(pool),
        RevisionStore(pool),
        CommentStore(pool),
        SourceMarkStore(pool, jobs),
        jobs,
        parts.client,
    )
    imports = ImportServicer(ImportStore(pool, jobs), parts.storage, parts.client, tokenizers)
    versions, export_store = VersionStore(pool, jobs), ExportStore(pool, jobs)
    benchmark_store = BenchmarkStore(pool, jobs)
    known_benchmarks = Benchmarks(benchmark_store, parts.storage)
    datasets = DatasetServicer(
        versions,
        export_store,
        DiffStore(pool, jobs),
        parts.storage,
        jobs,
        parts.client,
        known_benchmarks,
    )
    exports = ExportServicer(export_store, versions, parts.storage, jobs)
    change_store = ChangeStore(pool, jobs)
    applier = Applier(parts.client, ApplyStore(change_store))
    changes = ExampleChangeServicer(RevisionStore(pool), change_store, applier)
    reviews = ReviewServicer(ReviewStore(pool), ExampleStore(pool))
    deduplications = DeduplicationServicer(DeduplicationStore(pool, jobs), jobs, parts.client)
    benchmarks = BenchmarkServicer(benchmark_store, ImportStore(pool, jobs), parts.storage, jobs)
    leak_checks = LeakCheckServicer(
        LeakCheckStore(pool, jobs),
        known_benchmarks,
        versions,
        parts.storage,
        jobs,
        parts.client,
    )
    statistics = StatisticsServicer(
        StatisticsStore(pool, jobs), versions, parts.storage, parts.client, tokenizers
    )
    return [
        Servicer(f"{PACKAGE}.ExampleService", add_ExampleServiceServicer_to_server, examples),
        Servicer(f"{PACKAGE}.ExampleChangeService", add_ExampleChangeServiceServicer_to_server, changes),
        Servicer(f"{PACKAGE}.ReviewService", add_ReviewServiceServicer_to_server, reviews),
        Servicer(f"{PACKAGE}.ImportService", add_ImportServiceServicer_to_server, imports),
        Servicer(f"{PACKAGE}.DatasetService", add_DatasetServiceServicer_to_server, datasets),
        Servicer(f"{PACKAGE}.StatisticsService", add_StatisticsServiceServicer_to_server, statistics),
        Servicer(f"{PACKAGE}.ExportService", add_ExportServiceServicer_to_server, exports),
        Servicer(
            f"{PACKAGE}.DeduplicationService", add_DeduplicationServiceServicer_to_server, deduplications
        ),
        Servicer(f"{PACKAGE}.BenchmarkService", add_BenchmarkServiceServicer_to_server, benchmarks),
        Servicer(f"{PACKAGE}.LeakCheckService", add_LeakCheckServiceServicer_to_server, leak_checks),
    ]
