"""Counters of tokens for the server: a tokenizer is loaded off the loop, and not waited for too long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import structlog

from services.ingest.tokens import allowed_tokenizer, count_tokens, load_tokenizer, tokens_by
from services.runtime.errors import InvalidArgument

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LOAD_SECONDS = 10.0
"""Longest wait for a tokenizer, which may come from the hub."""

Count: TypeAlias = Callable[[str], int]
"""Says how many tokens a text has."""

log = structlog.get_logger()


class TokenCounters:
    """Counters of named tokenizers, or of the estimate where one cannot be had in time.

    Args:
        folder: what names may name of this machine.
        seconds: longest wait; a slow tokenizer goes on being loaded, for who asks next.
    """

    def __init__(self, folder: str, seconds: float = LOAD_SECONDS) -> None:
        self._folder = folder
        self._seconds = seconds
        self._loading: dict[str, asyncio.Task[Tokenizer]] = {}

    async def counter(self, name: str) -> Count:
        """The counter of a tokenizer, which may be on the workers' machines only."""
        if not name:
            return count_tokens
        try:
            loaded = await asyncio.wait_for(asyncio.shield(self._load(name)), self._seconds)
        except (InvalidArgument, TimeoutError) as error:
            log.warning("tokens_estimated", tokenizer=name, error=str(error) or "not loaded in time")
            return count_tokens
        return lambda text: tokens_by(loaded, text)

    def _load(self, name: str) -> asyncio.Task[Tokenizer]:
        """Load a tokenizer, once for all who ask meanwhile."""
        if name not in self._loading:
            task = asyncio.create_task(load(name, self._folder))
            self._loading[name] = task
            task.add_done_callback(lambda _: self._end(name))
        return self._loading[name]

    def _end(self, name: str) -> None:
        task = self._loading.pop(name)
        if not task.cancelled():
            # Whoever asked may be gone, and an exception that nobody takes is an error of its own.
            task.exception()


async def load(name: str, folder: str) -> Tokenizer:
    """A tokenizer that requests may name, without holding up the loop.

    Raises:
        InvalidArgument: it cannot be had.
    """
    return await asyncio.to_thread(load_tokenizer, allowed_tokenizer(name, folder))
