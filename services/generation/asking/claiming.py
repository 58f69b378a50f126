"""Find answers that are kept, and see that of those who ask the same at the same time one pays."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TypeVar

import structlog

from services.generation.asking.call_store import CallStore
from services.generation.calls.answers import KeptAnswer
from services.generation.generations.generations import Generation
from services.runtime.errors import SishuError, Unavailable
from services.runtime.faults import as_sishu_error
from services.runtime.jobs import Item

T = TypeVar("T")

AWAITED = "ANSWER_AWAITED"

log = structlog.get_logger()


class Claimer:
    """Claims for the items of this process what they ask.

    An item that another one's claim puts off holds no claim of its own, as it has come to its end: so no two
    wait for each other.

    Args:
        store: keeps answers and claims.
    """

    def __init__(self, store: CallStore) -> None:
        self._store = store

    async def find(
        self, generation: Generation, item: Item, key: bytes, read: Callable[[KeptAnswer], T | None]
    ) -> T | None:
        """The answer of before; nothing where the item is to ask, as nobody else does.

        Where earlier answers are passed over, an item that is tried again takes what it got itself.

        Args:
            generation: the item's.
            item: who asks.
            key: what.
            read: reads an answer; gives nothing for one that does not validate any more.

        Raises:
            Unavailable: another item asks; the answer is there when this one is handed out again.
        """
        if generation.options.passes_over_kept:
            own = own_key(generation, item, key)
            kept = await self._store.kept(generation.project_id, own) if item.attempt > 1 else None
            return read(kept) if kept else None
        known = await self._store.find_answer(generation.project_id, key, item.id)
        found = read(known.answer) if known.answer else None
        if known.answer and found is None:
            known = await self._store.find_answer(generation.project_id, key, item.id, known.answer)
            found = read(known.answer) if known.answer else None
        if known.is_anothers:
            raise Unavailable(AWAITED, "the same is asked for another item now, whose answer will do")
        return found

    async def give_up(self, generation: Generation, item: Item, key: bytes) -> None:
        """Let others ask what an item came to no answer for."""
        if not key or generation.options.passes_over_kept:
            return
        try:
            await self._store.give_up_claim(generation.project_id, key, item.id)
        except Exception as error:
            # It holds no longer than the item is in work.
            log.warning("claim_not_given_up", error=as_sishu_error(error).message)


def own_key(generation: Generation, item: Item, key: bytes) -> bytes:
    """The key of what an item asks; where earlier answers are passed over, one of the item alone."""
    return hashlib.sha256(key + item.id.encode()).digest() if generation.options.passes_over_kept else key


def is_awaited(error: BaseException) -> bool:
    """Whether an item was put off, as another one asks the same."""
    return isinstance(error, SishuError) and error.reason == AWAITED
