"""Between the contract of conversations and their domain."""

from __future__ import annotations

from services.inference.history.conversations import Conversation, Said
from services.runtime.convert import timestamp
from sishu.common.v1 import message_pb2
from sishu.inference.v1 import chat_pb2, conversation_pb2


def conversation_to_pb(conversation: Conversation) -> conversation_pb2.Conversation:
    """A conversation."""
    return conversation_pb2.Conversation(
        id=conversation.id,
        project_id=conversation.project_id,
        title=conversation.title,
        message_count=conversation.message_count,
        create_time=timestamp(conversation.create_time),
        update_time=timestamp(conversation.update_time),
    )


def said_to_pb(said: Said) -> conversation_pb2.ConversationMessage:
    """A message of a conversation."""
    message = said.message
    calls = [
        chat_pb2.ToolCall(
            key=call["id"], name=call["function"]["name"], arguments=call["function"]["arguments"]
        )
        for call in message.get("tool_calls", ())
    ]
    return conversation_pb2.ConversationMessage(
        message=chat_pb2.ChatMessage(
            role=message_pb2.Role.Value(f"ROLE_{message['role'].upper()}"),
            content=message["content"],
            reasoning=message.get("reasoning_content", ""),
            tool_calls=calls,
            tool_call_key=message.get("tool_call_id", ""),
        ),
        deployment_id=said.deployment_id,
        create_time=timestamp(said.create_time),
    )
