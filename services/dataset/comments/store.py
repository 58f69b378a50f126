"""Comments on examples: the statements of `comments.sql`, behind functions."""

from __future__ import annotations

from pathlib import Path

from services.dataset.comments.comments import Comment, comment_not_found
from services.dataset.examples.store import example_not_found
from services.runtime.db import Pool, claim_request, forget_requests, transaction
from services.runtime.ids import new_id
from services.runtime.pages import Page, PageRequest, page_of
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "comments.sql")


class CommentStore:
    """The table `example_comments`."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def create(self, example_id: str, author: str, text: str, request_id: str) -> Comment:
        """Add a comment. A request id gives its first one.

        Raises:
            NotFound: there is no such example.
        """
        async with transaction(self.pool) as connection:
            new = new_id()
            comment_id = await claim_request(connection, "CreateExampleComment", request_id, new)
            if comment_id == new and not await connection.fetchval(
                SQL.insert_comment, new, example_id, author, text
            ):
                raise example_not_found(example_id)
        return await self.get(comment_id)

    async def get(self, comment_id: str) -> Comment:
        """One comment.

        Raises:
            NotFound: there is none.
        """
        row = await self.pool.fetchrow(SQL.get_comment, comment_id)
        if row is None:
            raise comment_not_found(comment_id)
        return Comment(**row)

    async def list_page(self, page: PageRequest, example_id: str) -> Page[Comment]:
        """The comments on an example, oldest first.

        Raises:
            NotFound: there is no such example.
        """
        if not await self.pool.fetchval(SQL.is_there, example_id):
            raise example_not_found(example_id)
        after = page.after[0] if page.after else None
        rows = await self.pool.fetch(SQL.list_comments, example_id, after, page.limit)
        comments = [Comment(**row) for row in rows]
        return page_of(comments, page, lambda one: (one.id,), lambda one: len(one.text.encode()))

    async def delete(self, comment_id: str) -> None:
        """Delete a comment.

        Raises:
            NotFound: there is none.
        """
        async with transaction(self.pool) as connection:
            if await connection.execute(SQL.delete_comment, comment_id) == "DELETE 0":
                raise comment_not_found(comment_id)
            await forget_requests(connection, comment_id)
