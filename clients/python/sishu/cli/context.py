"""What every command needs: the state directory, a connected client, and one way to run and to fail."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from services.local.status import status
from services.runtime.auth import read_token
from services.runtime.config import ROOMS, to_path
from sishu.cli.settings import SETTINGS, interruptible
from sishu.cli.texts import say
from sishu.client import Client
from sishu.errors import ApiError

T = TypeVar("T")

PATIENCE_SECONDS = 30.0
"""A room that died is started again within this time."""


def environment() -> Mapping[str, str]:
    """The variables that say where the rooms are: the shell's, else those of the running stack.

    Raises:
        ApiError: neither says it.
    """
    if all(os.environ.get(f"SISHU_{room.upper()}_ADDRESS") for room in ROOMS):
        return os.environ
    state = status(SETTINGS.home)
    if not state.running:
        raise ApiError("FAILED_PRECONDITION", "STACK_NOT_RUNNING", say("not_running"))
    return {**state.environment, **os.environ}


@asynccontextmanager
async def connected() -> AsyncIterator[Client]:
    """A client of the running rooms."""
    found = environment()
    addresses = {room: found[f"SISHU_{room.upper()}_ADDRESS"] for room in ROOMS}
    token_file = found.get("SISHU_TOKEN_FILE")
    token = read_token(to_path(token_file), "127.0.0.1") if token_file else ""
    async with Client(addresses, token, patience=PATIENCE_SECONDS) as client:
        yield client


def with_client(work: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
    """Run a piece of asynchronous work with a client."""

    async def run() -> T:
        async with connected() as client:
            return await work(client)

    with interruptible():
        return asyncio.run(run())
