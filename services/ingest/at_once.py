"""Work that is done at once, and ends as one."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def all_done(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """What all of the work gives, done at once.

    Raises:
        Exception: what one of it raised first; the rest was ended.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return [task.result() for task in tasks]
