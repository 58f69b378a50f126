"""`sishu conversation create|messages`."""

from __future__ import annotations

from typing import Annotated

import typer

from sishu.cli.context import with_client
from sishu.cli.find_projects import find_project
from sishu.cli.options import IdArgument, LimitOption, ProjectOption
from sishu.cli.output import show_many, show_one
from sishu.cli.run_control import pages
from sishu.cli.texts import say
from sishu.client import Client
from sishu.inference.v1.conversation_pb2 import Conversation, ConversationMessage
from sishu.inference.v1.conversation_service_pb2 import (
    CreateConversationRequest,
    ListConversationMessagesRequest,
)


def create_conversation(
    project: ProjectOption, title: Annotated[str, typer.Option(help=say("conversation_title"))] = ""
) -> None:
    """`sishu conversation create`: begin a conversation that is kept."""

    async def work(client: Client) -> Conversation:
        wanted = Conversation(project_id=(await find_project(client, project)).id, title=title)
        request = CreateConversationRequest(conversation=wanted)
        return (await client.conversations.CreateConversation(request)).conversation

    show_one(with_client(work))


def list_messages(conversation_id: IdArgument, limit: LimitOption = 100) -> None:
    """`sishu conversation messages`: show what was said."""

    async def work(client: Client) -> list[ConversationMessage]:
        request = ListConversationMessagesRequest(conversation_id=conversation_id)
        call = client.conversations.ListConversationMessages
        return await pages(call, request, "conversation_messages", limit)

    show_many(with_client(work), ("message.role", "message.content", "create_time"))
