"""Go on with a conversation: what was said before is asked too, question and answer are kept at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from services.inference.deployments import Deployment
from services.inference.history.conversations import check_length, check_project
from services.inference.history.store import ConversationStore
from services.inference.upstream import Piece


class Talk:
    """A conversation that a deployment goes on with; made by `begin`."""

    def __init__(
        self, store: ConversationStore, conversation_id: str, deployment: Deployment, before: Sequence[Any]
    ) -> None:
        self._store = store
        self._id = conversation_id
        self._deployment = deployment
        self._before = before

    @classmethod
    async def begin(cls, store: ConversationStore, conversation_id: str, deployment: Deployment) -> Talk:
        """Read what was said.

        Raises:
            NotFound: there is no such conversation.
            InvalidArgument: it belongs to another project.
        """
        check_project(await store.get(conversation_id), deployment.project_id)
        return cls(store, conversation_id, deployment, await store.messages(conversation_id))

    def messages(self, new: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """All that the model is asked.

        Raises:
            FailedPrecondition: no answer to it could be kept.
        """
        check_length(self._id, len(self._before) + len(new) + 1)
        return [*self._before, *new]

    async def kept(
        self, pieces: AsyncIterator[Piece], new: Sequence[Mapping[str, Any]]
    ) -> AsyncIterator[Piece]:
        """Hand an answer on, and keep it with its question just before its last piece."""
        found: list[Piece] = []
        async for piece in pieces:
            found.append(piece)
            if piece.finish_reason:
                answer = answer_of(found)
                await self._store.append(self._id, len(self._before), [*new, answer], self._deployment.id)
            yield piece


def answer_of(pieces: Sequence[Piece]) -> dict[str, Any]:
    """The message that pieces make, as the OpenAI protocol writes it."""
    message: dict[str, Any] = {"role": "assistant", "content": "".join(piece.content for piece in pieces)}
    reasoning = "".join(piece.reasoning for piece in pieces)
    calls = [call for piece in pieces for call in piece.calls]
    if reasoning:
        message["reasoning_content"] = reasoning
    if calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in calls
        ]
    return message
