"""Benchmarks over their rpcs: one thin method each."""

from __future__ import annotations

from services.dataset.benchmarks.convert import benchmark_to_pb, options_from_pb
from services.dataset.benchmarks.store import BenchmarkStore
from services.dataset.imports.imports import check_encoding, check_upload_of
from services.dataset.imports.store import ImportStore
from services.dataset.imports.uploads import check_arrived
from services.runtime.db import first_answer
from services.runtime.interceptors import Context
from services.runtime.jobs import Jobs
from services.runtime.pages import page_request
from services.runtime.storage import Storage
from sishu.dataset.v1 import benchmark_service_pb2 as pb
from sishu.dataset.v1.benchmark_service_pb2_grpc import BenchmarkServiceServicer


class BenchmarkServicer(BenchmarkServiceServicer):
    """Benchmarks."""

    def __init__(self, store: BenchmarkStore, uploads: ImportStore, storage: Storage, jobs: Jobs) -> None:
        self._store = store
        self._uploads = uploads
        self._storage = storage
        self._jobs = jobs

    async def CreateBenchmark(
        self, request: pb.CreateBenchmarkRequest, context: Context
    ) -> pb.CreateBenchmarkResponse:
        wanted = request.benchmark
        found = await first_answer(self._store.pool, "CreateBenchmark", request.request_id)
        if not found:
            options = options_from_pb(wanted.options)
            check_encoding(options.encoding, "benchmark.options.encoding")
            upload = await self._uploads.get_upload(wanted.file.upload_id)
            check_upload_of(upload, wanted.project_id, "benchmark.file.upload_id")
            await check_arrived(self._storage, upload)
            found = await self._store.create(upload, wanted.name.strip(), options, request.request_id)
        return pb.CreateBenchmarkResponse(benchmark=benchmark_to_pb(await self._store.get(found)))

    async def GetBenchmark(
        self, request: pb.GetBenchmarkRequest, context: Context
    ) -> pb.GetBenchmarkResponse:
        return pb.GetBenchmarkResponse(benchmark=benchmark_to_pb(await self._store.get(request.id)))

    async def ListBenchmarks(
        self, request: pb.ListBenchmarksRequest, context: Context
    ) -> pb.ListBenchmarksResponse:
        wanted = page_request(request.page_size, request.page_token, request.project_id)
        page = await self._store.list_page(wanted, request.project_id)
        return pb.ListBenchmarksResponse(
            benchmarks=map(benchmark_to_pb, page.rows), next_page_token=page.next_token
        )

    async def DeleteBenchmark(
        self, request: pb.DeleteBenchmarkRequest, context: Context
    ) -> pb.DeleteBenchmarkResponse:
        benchmark = await self._store.get(request.id)
        await self._jobs.cancel(benchmark.job.id)
        # The row goes last, so that a call that failed in the middle can be repeated.
        await self._storage.delete_prefix(benchmark.prefix)
        await self._store.delete(benchmark)
        return pb.DeleteBenchmarkResponse()
