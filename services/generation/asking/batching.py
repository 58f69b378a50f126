"""Have the first call of an item made in a batch: the item is put off until the answer is there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from services.generation.asking.claiming import own_key
from services.generation.calls.batch_store import BatchStore, Request, in_batch
from services.generation.calls.chain import Chain
from services.generation.calls.llm import Llm, Opening
from services.generation.calls.replies import Reply
from services.generation.generations.generations import Generation
from services.generation.providers.providers import Endpoint
from services.runtime.errors import Unavailable
from services.runtime.jobs import Item

FIRST_WAIT_SECONDS = 60.0
LONGEST_WAIT_SECONDS = 3600.0
"""An item is hastened when its answer comes; this is for what is missed."""
PENDING = "BATCH_PENDING"


class Batcher:
    """Batches, as items see them.

    Args:
        store: where calls wait, and answers.
        llm: knows how servers are asked.
    """

    def __init__(self, store: BatchStore, llm: Llm) -> None:
        self._store = store
        self._llm = llm

    def opening(
        self,
        item: Item,
        generation: Generation,
        endpoints: Sequence[Endpoint],
        key: bytes,
        sampling: Mapping[str, Any],
    ) -> Opening | None:
        """What gives the first reply of an item's chain; nothing where the generation makes no batches.

        A pilot makes none: its forecast is waited for.
        It raises `BATCH_PENDING` while there is no reply, and gives nothing where the item is to call singly.
        """
        if not generation.options.batch or generation.options.pilot_chunks:
            return None
        return partial(self._reply, item, generation, endpoints, own_key(generation, item, key), sampling)

    async def is_asked(self, item: Item, generation: Generation, key: bytes) -> bool:
        """Whether the first call of an item needs no deciding any more: a batch has it, or had it."""
        own = own_key(generation, item, key)
        standing = await self._store.find(item.id, generation.id, generation.project_id, own)
        return standing is not None

    async def used(self, item: Item, generation: Generation) -> None:
        """Note that an item came to nothing with its reply, so that its next try does not begin with it."""
        if generation.options.batch:
            await self._store.give_up(item.id)

    async def _reply(
        self,
        item: Item,
        generation: Generation,
        endpoints: Sequence[Endpoint],
        key: bytes,
        sampling: Mapping[str, Any],
        chain: Chain[Any],
    ) -> Reply | None:
        # What is handed in is paid, whoever takes no more by now.
        standing = await self._store.find(item.id, generation.id, generation.project_id, key)
        if standing is None:
            refusing = await self._store.refusing(endpoints)
            taking = [one for one in endpoints if one.id not in refusing]
            if not taking:
                return None
            # Of a pool, all of them have about as many.
            endpoint = taking[int.from_bytes(key[:8]) % len(taking)]
            body = await self._llm.body(endpoint, chain.messages, chain.schema, sampling)
            wanted = Request(item.id, generation.id, generation.project_id, key, json.dumps(body))
            standing = await self._store.request(endpoint, wanted)
        if standing.is_anothers:
            # That one's answer will be kept, where this one finds it.
            await self._store.wait(item.id, generation.project_id, key)
            raise pending(endpoints[0], FIRST_WAIT_SECONDS, handed_in=standing.handed_in)
        if standing.state == "open":
            longer = 8 ** min(item.attempt - 1, 2)
            seconds = min(FIRST_WAIT_SECONDS * longer, LONGEST_WAIT_SECONDS)
            raise pending(endpoints[0], seconds, handed_in=standing.handed_in)
        return standing.reply


def pending(endpoint: Endpoint, seconds: float, *, handed_in: bool) -> Unavailable:
    """The error of an item whose call is in a batch, or will be."""
    message = f"calls are gathered for a batch of {endpoint.base_url} (model {endpoint.model})"
    if handed_in:
        message = in_batch(endpoint.base_url, endpoint.model)
    return Unavailable(PENDING, message, retry_after_seconds=str(seconds))
