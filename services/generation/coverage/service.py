"""Coverage over its rpcs: one thin method each."""

from __future__ import annotations

from dataclasses import astuple

from services.generation.coverage.convert import coverage_filter, coverage_to_pb
from services.generation.coverage.ledger import CoverageLedger
from services.generation.sources.marking_store import MarkingStore
from services.runtime.convert import job_to_pb
from services.runtime.interceptors import Context
from services.runtime.pages import page_request
from sishu.generation.v1 import coverage_service_pb2 as pb
from sishu.generation.v1.coverage_service_pb2_grpc import CoverageServiceServicer


class CoverageServicer(CoverageServiceServicer):
    """Coverage."""

    def __init__(self, ledger: CoverageLedger, markings: MarkingStore) -> None:
        self._ledger = ledger
        self._markings = markings

    async def ListCoverage(
        self, request: pb.ListCoverageRequest, context: Context
    ) -> pb.ListCoverageResponse:
        wanted = coverage_filter(request)
        page = await self._ledger.list_page(
            page_request(request.page_size, request.page_token, *astuple(wanted)), wanted
        )
        return pb.ListCoverageResponse(
            coverage=map(coverage_to_pb, page.rows), next_page_token=page.next_token
        )

    async def MarkSources(self, request: pb.MarkSourcesRequest, context: Context) -> pb.MarkSourcesResponse:
        job_id = await self._markings.create(request.project_id, request.request_id)
        # The job first: of one that has ended all is counted.
        job = await self._markings.jobs.get(job_id)
        marks = await self._markings.marked_by(job_id)
        return pb.MarkSourcesResponse(job=job_to_pb(job), marked=marks.marked, unmarked=marks.unmarked)
