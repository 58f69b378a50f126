"""Base models on this machine: find or make the folder, and read its facts, off the event loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from services.runtime.base_models import BaseModelInfo, describe_base_model, resolve_base_model

Say = Callable[[str], None]
"""Takes a line for people; is called on the event loop."""


class Abandoned(Exception):
    """Nobody waits for the answer any more."""


async def resolve(source: str, cache: Path, python: Path, say: Say) -> Path:
    """The Hugging Face folder of a base model; it may have to be converted or downloaded first.

    Raises:
        InvalidArgument: there is something, but no usable model.
        NotFound: nothing of that name.
        Unavailable: the hub cannot be reached, or the built-in model is not installed.
        DeadlineExceeded: it took longer than an hour.
    """
    loop = asyncio.get_running_loop()
    abandoned = False

    def progress(line: str) -> None:
        # The thread cannot be cancelled from outside, but it passes here at least every few seconds.
        if abandoned:
            raise Abandoned
        loop.call_soon_threadsafe(say, line)

    try:
        return await asyncio.to_thread(
            resolve_base_model, source, cache, python=str(python), progress=progress
        )
    finally:
        abandoned = True


async def describe(folder: Path) -> BaseModelInfo:
    """Read the facts about a Hugging Face folder; reads all weights once.

    Raises:
        InvalidArgument: no config, no weights, or a damaged header.
    """
    return await asyncio.to_thread(describe_base_model, folder)


async def read_config(folder: Path) -> dict[str, Any]:
    """The content of a Hugging Face folder's config.json, which `describe` has found to be there."""
    content: dict[str, Any] = json.loads(await asyncio.to_thread((folder / "config.json").read_bytes))
    return content
