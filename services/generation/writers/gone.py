"""What becomes of an item whose chunk or question is deleted before its turn comes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from services.generation.gates.judgement_store import reject_without_chunk
from services.generation.gates.judging import UNANSWERED
from services.generation.regeneration.regeneration import CHUNK_GONE, QUESTION_GONE
from services.generation.writers.desk import Desk
from services.runtime.errors import NotFound
from services.runtime.failures import Failure
from services.runtime.jobs import Item
from sishu.errors import ApiError

Handler = Callable[[Item], Awaitable[None]]
GONE = {"CHUNK_NOT_FOUND": CHUNK_GONE, "QUESTION_NOT_FOUND": QUESTION_GONE}
"""Why an item is skipped, by the reason of the error that says so."""


def passing_over_gone(desk: Desk, handlers: Mapping[str, Handler]) -> Mapping[str, Handler]:
    """Handlers that skip an item whose chunk or question is gone, with the reason, in place of failing.

    To delete a document while something is written about it is no fault, and to try again would not help. A
    question that waits for its answer is rejected: it would wait for ever.
    """

    def skipping(handler: Handler) -> Handler:
        async def handled(item: Item) -> None:
            try:
                await handler(item)
            except (ApiError, NotFound) as error:
                if error.reason not in GONE:
                    raise
                await skip(desk, item, GONE[error.reason])

        return handled

    return {kind: skipping(handler) for kind, handler in handlers.items()}


async def skip(desk: Desk, item: Item, why: Failure) -> None:
    """End an item without what it is about."""
    async with desk.jobs.finish(item, skipped=why) as connection:
        if item.kind == "write_answer" and item.resource_id:
            await reject_without_chunk(connection, item.resource_id, UNANSWERED)
