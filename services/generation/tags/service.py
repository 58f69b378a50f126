"""Tags over their rpcs: one thin method each."""

from __future__ import annotations

from services.generation.tags.convert import TAG_FIELDS, merged_tag, tag_from_pb, tag_to_pb
from services.generation.tags.store import TagStore
from services.generation.tags.tags import NewTag, Tag
from services.runtime.interceptors import Context, check_message
from services.runtime.masks import check_mask
from services.runtime.pages import page_request
from sishu.generation.v1 import tag_service_pb2 as pb
from sishu.generation.v1.tag_service_pb2_grpc import TagServiceServicer


class TagServicer(TagServiceServicer):
    """Tags."""

    def __init__(self, store: TagStore) -> None:
        self._store = store

    async def CreateTag(self, request: pb.CreateTagRequest, context: Context) -> pb.CreateTagResponse:
        made = await self._store.made_by(request.request_id)
        if made is None:
            made = await self._store.create(tag_from_pb(request.tag), request.request_id)
        return pb.CreateTagResponse(tag=tag_to_pb(await self._store.get(made)))

    async def GetTag(self, request: pb.GetTagRequest, context: Context) -> pb.GetTagResponse:
        return pb.GetTagResponse(tag=tag_to_pb(await self._store.get(request.id)))

    async def ListTags(self, request: pb.ListTagsRequest, context: Context) -> pb.ListTagsResponse:
        wanted = page_request(request.page_size, request.page_token, request.project_id)
        page = await self._store.list_page(wanted, request.project_id)
        return pb.ListTagsResponse(tags=map(tag_to_pb, page.rows), next_page_token=page.next_token)

    async def UpdateTag(self, request: pb.UpdateTagRequest, context: Context) -> pb.UpdateTagResponse:
        paths = check_mask(request.update_mask, *TAG_FIELDS)

        def change(tag: Tag) -> NewTag:
            message = merged_tag(tag, request.tag, paths)
            # The rules of a new tag hold for a changed one.
            check_message(pb.CreateTagRequest(tag=message))
            return tag_from_pb(message)

        await self._store.update(request.tag.id, change, places="places" in paths)
        return pb.UpdateTagResponse(tag=tag_to_pb(await self._store.get(request.tag.id)))

    async def DeleteTag(self, request: pb.DeleteTagRequest, context: Context) -> pb.DeleteTagResponse:
        return pb.DeleteTagResponse(deleted_tags=await self._store.delete(request.id))
