"""What several ask for at once, looked up together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Gathering(Generic[K, V]):
    """Looks up by one statement what is asked for in the same turn of the event loop.

    Args:
        look_up: finds the values of keys; a key without one is left out.
    """

    def __init__(self, look_up: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._look_up = look_up
        self._asked: dict[K, asyncio.Future[V | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def get(self, key: K) -> V | None:
        """The value of a key, as it is found after this call; nothing where there is none.

        Raises:
            Exception: what the look-up raises.
        """
        loop = asyncio.get_running_loop()
        if not self._asked:
            loop.call_soon(self._begin)
        found = self._asked.get(key)
        if found is None:
            found = self._asked[key] = loop.create_future()
            # Also where nobody waits for it any more.
            found.add_done_callback(asyncio.Future.exception)
        # One that is stopped stops none of the others.
        return await asyncio.shield(found)

    def _begin(self) -> None:
        asked, self._asked = self._asked, {}
        task = asyncio.create_task(self._answer(asked))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, asked: Mapping[K, asyncio.Future[V | None]]) -> None:
        try:
            found = await self._look_up(list(asked))
        except Exception as error:
            for future in asked.values():
                future.set_exception(error)
        else:
            for key, future in asked.items():
                future.set_result(found.get(key))
