"""The tables `conversations` and `conversation_messages`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from services.inference.history.conversations import Conversation, Said, changed, check_length, not_found
from services.inference.store import SQL
from services.runtime.db import Pool, claim_request, forget_requests, transaction
from services.runtime.ids import new_id
from services.runtime.pages import Page, PageRequest, page_of


class ConversationStore:
    """Keeps conversations."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def create(self, project_id: str, title: str, request_id: str) -> Conversation:
        """A new conversation, or what the request id made before."""
        async with transaction(self._pool) as connection:
            new = new_id()
            made = await claim_request(connection, "CreateConversation", request_id, new)
            if made == new:
                await connection.execute(SQL.insert_conversation, new, project_id, title)
        return await self.get(made)

    async def get(self, conversation_id: str) -> Conversation:
        """One conversation.

        Raises:
            NotFound: there is none.
        """
        row = await self._pool.fetchrow(SQL.get_conversation, conversation_id)
        if row is None:
            raise not_found(conversation_id)
        return Conversation(**row)

    async def list_page(self, page: PageRequest, project_id: str) -> Page[Conversation]:
        """Conversations of a project, newest first."""
        after = page.after[0] if page.after else None
        rows = await self._pool.fetch(SQL.list_conversations, project_id, after, page.limit)
        return page_of([Conversation(**row) for row in rows], page, lambda one: (one.id,))

    async def list_messages(self, page: PageRequest, conversation_id: str) -> Page[Said]:
        """What was said in a conversation, in its order."""
        after = int(page.after[0]) if page.after else -1
        rows = await self._pool.fetch(SQL.list_conversation_messages, conversation_id, after, page.limit)
        found = [Said(**{**row, "deployment_id": row["deployment_id"] or ""}) for row in rows]
        return page_of(found, page, lambda one: (one.position,), lambda one: one.size_bytes)

    async def messages(self, conversation_id: str) -> list[Mapping[str, Any]]:
        """All messages of a conversation, as the OpenAI protocol writes them."""
        return [row["message"] for row in await self._pool.fetch(SQL.conversation_messages, conversation_id)]

    async def append(
        self,
        conversation_id: str,
        known: int,
        messages: Sequence[Mapping[str, Any]],
        deployment_id: str,
    ) -> None:
        """Keep a question and its answer, all or nothing.

        Args:
            conversation_id: of the conversation.
            known: number of messages that the answer went on from.
            messages: what is new; the last is the answer.
            deployment_id: of who answered.

        Raises:
            NotFound: it is gone.
            Aborted: somebody else went on with it meanwhile.
            FailedPrecondition: it would be too long.
        """
        async with transaction(self._pool) as connection:
            count = await connection.fetchval(SQL.lock_conversation, conversation_id)
            if count is None:
                raise not_found(conversation_id)
            if count != known:
                raise changed(conversation_id)
            check_length(conversation_id, known + len(messages))
            said = {known + len(messages) - 1: deployment_id}
            await connection.executemany(
                SQL.insert_conversation_message,
                [
                    (conversation_id, position, dict(message), said.get(position))
                    for position, message in enumerate(messages, start=known)
                ],
            )
            await connection.execute(SQL.lengthen_conversation, conversation_id, len(messages))

    async def delete(self, conversation_id: str) -> int:
        """Delete a conversation; return how many messages it had.

        Raises:
            NotFound: there is none.
        """
        async with transaction(self._pool) as connection:
            count = await connection.fetchval(SQL.delete_conversation, conversation_id)
            if count is None:
                raise not_found(conversation_id)
            await forget_requests(connection, conversation_id)
            return int(count)
