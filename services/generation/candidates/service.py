"""Candidates over their rpcs: one thin method each."""

from __future__ import annotations

from dataclasses import astuple

from services.generation.candidates.convert import candidate_filter, candidate_to_pb
from services.generation.candidates.store import CandidateStore
from services.runtime.interceptors import Context
from services.runtime.pages import page_request
from sishu.generation.v1 import candidate_service_pb2 as pb
from sishu.generation.v1.candidate_service_pb2_grpc import CandidateServiceServicer


class CandidateServicer(CandidateServiceServicer):
    """Candidates."""

    def __init__(self, store: CandidateStore) -> None:
        self._store = store

    async def GetCandidate(
        self, request: pb.GetCandidateRequest, context: Context
    ) -> pb.GetCandidateResponse:
        return pb.GetCandidateResponse(candidate=candidate_to_pb(await self._store.get(request.id)))

    async def ListCandidates(
        self, request: pb.ListCandidatesRequest, context: Context
    ) -> pb.ListCandidatesResponse:
        wanted = candidate_filter(request)
        page = await self._store.list_page(
            page_request(request.page_size, request.page_token, *astuple(wanted)), wanted
        )
        return pb.ListCandidatesResponse(
            candidates=map(candidate_to_pb, page.rows), next_page_token=page.next_token
        )

    async def DeleteCandidate(
        self, request: pb.DeleteCandidateRequest, context: Context
    ) -> pb.DeleteCandidateResponse:
        await self._store.delete(request.id)
        return pb.DeleteCandidateResponse()
