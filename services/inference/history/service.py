"""The service of kept conversations: one thin method an rpc."""

from __future__ import annotations

from services.inference.history.convert import conversation_to_pb, said_to_pb
from services.inference.history.store import ConversationStore
from services.runtime.interceptors import Context
from services.runtime.pages import page_request
from sishu.inference.v1 import conversation_service_pb2 as pb
from sishu.inference.v1.conversation_service_pb2_grpc import ConversationServiceServicer


class ConversationServicer(ConversationServiceServicer):
    """Conversations."""

    def __init__(self, store: ConversationStore) -> None:
        self._store = store

    async def CreateConversation(
        self, request: pb.CreateConversationRequest, context: Context
    ) -> pb.CreateConversationResponse:
        wanted = request.conversation
        made = await self._store.create(wanted.project_id, wanted.title, request.request_id)
        return pb.CreateConversationResponse(conversation=conversation_to_pb(made))

    async def GetConversation(
        self, request: pb.GetConversationRequest, context: Context
    ) -> pb.GetConversationResponse:
        return pb.GetConversationResponse(conversation=conversation_to_pb(await self._store.get(request.id)))

    async def ListConversations(
        self, request: pb.ListConversationsRequest, context: Context
    ) -> pb.ListConversationsResponse:
        wanted = page_request(request.page_size, request.page_token, request.project_id)
        page = await self._store.list_page(wanted, request.project_id)
        return pb.ListConversationsResponse(
            conversations=map(conversation_to_pb, page.rows), next_page_token=page.next_token
        )

    async def ListConversationMessages(
        self, request: pb.ListConversationMessagesRequest, context: Context
    ) -> pb.ListConversationMessagesResponse:
        await self._store.get(request.conversation_id)
        wanted = page_request(request.page_size, request.page_token, request.conversation_id)
        page = await self._store.list_messages(wanted, request.conversation_id)
        return pb.ListConversationMessagesResponse(
            conversation_messages=map(said_to_pb, page.rows), next_page_token=page.next_token
        )

    async def DeleteConversation(
        self, request: pb.DeleteConversationRequest, context: Context
    ) -> pb.DeleteConversationResponse:
        return pb.DeleteConversationResponse(deleted_messages=await self._store.delete(request.id))
