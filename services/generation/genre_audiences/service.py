"""Genre-audience pairs over their rpcs: one thin method each."""

from __future__ import annotations

from services.generation.genre_audiences.convert import (
    GENRE_AUDIENCE_FIELDS,
    genre_audience_from_pb,
    genre_audience_to_pb,
    merged_genre_audience,
)
from services.generation.genre_audiences.genre_audiences import (
    GenreAudience,
    NewGenreAudience,
    check_document,
)
from services.generation.genre_audiences.store import GenreAudienceStore
from services.generation.sources.outline_reader import OutlineReader
from services.runtime.interceptors import Context, check_message
from services.runtime.masks import check_mask
from services.runtime.pages import page_request
from sishu.generation.v1 import genre_audience_service_pb2 as pb
from sishu.generation.v1.genre_audience_service_pb2_grpc import GenreAudienceServiceServicer


class GenreAudienceServicer(GenreAudienceServiceServicer):
    """Genre-audience pairs."""

    def __init__(self, store: GenreAudienceStore, outlines: OutlineReader) -> None:
        self._store = store
        self._outlines = outlines

    async def CreateGenreAudience(
        self, request: pb.CreateGenreAudienceRequest, context: Context
    ) -> pb.CreateGenreAudienceResponse:
        stored = await self._store.made_by(request.request_id)
        if stored is None:
            wanted = genre_audience_from_pb(request.genre_audience)
            document = await self._outlines.document(wanted.document_id)
            check_document(wanted.project_id, document.id, document.project_id)
            stored = await self._store.create(wanted, request.request_id)
        return pb.CreateGenreAudienceResponse(genre_audience=genre_audience_to_pb(stored))

    async def GetGenreAudience(
        self, request: pb.GetGenreAudienceRequest, context: Context
    ) -> pb.GetGenreAudienceResponse:
        pair = await self._store.get(request.id)
        return pb.GetGenreAudienceResponse(genre_audience=genre_audience_to_pb(pair))

    async def ListGenreAudiences(
        self, request: pb.ListGenreAudiencesRequest, context: Context
    ) -> pb.ListGenreAudiencesResponse:
        filters = (request.project_id, request.document_id or None)
        page = await self._store.list_page(
            page_request(request.page_size, request.page_token, *filters), *filters
        )
        return pb.ListGenreAudiencesResponse(
            genre_audiences=map(genre_audience_to_pb, page.rows), next_page_token=page.next_token
        )

    async def UpdateGenreAudience(
        self, request: pb.UpdateGenreAudienceRequest, context: Context
    ) -> pb.UpdateGenreAudienceResponse:
        paths = check_mask(request.update_mask, *GENRE_AUDIENCE_FIELDS)

        def change(pair: GenreAudience) -> NewGenreAudience:
            message = merged_genre_audience(pair, request.genre_audience, paths)
            # The rules of a new pair hold for a changed one.
            check_message(pb.CreateGenreAudienceRequest(genre_audience=message))
            return genre_audience_from_pb(message)

        pair = await self._store.update(request.genre_audience.id, change)
        return pb.UpdateGenreAudienceResponse(genre_audience=genre_audience_to_pb(pair))

    async def DeleteGenreAudience(
        self, request: pb.DeleteGenreAudienceRequest, context: Context
    ) -> pb.DeleteGenreAudienceResponse:
        await self._store.delete(request.id)
        return pb.DeleteGenreAudienceResponse()
