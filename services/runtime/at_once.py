"""Calls that need not wait for each other, some of them at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

Value = TypeVar("Value")
Result = TypeVar("Result")

READS_AT_ONCE = 16
"""What one item reads from another room at a time: many items do so at once."""


async def each_of(
    values: Iterable[Value], call: Callable[[Value], Awaitable[Result]], at_once: int = READS_AT_ONCE
) -> list[Result]:
    """Call something with each of some values, so many at a time; the results, in the order of the values.

    The first error that a call raises is raised, and the calls in flight are cancelled.
    """
    wanted = list(values)
    if len(wanted) == 1:
        return [await call(wanted[0])]
    places, found = iter(range(len(wanted))), dict[int, Result]()

    async def work() -> None:
        for place in places:
            found[place] = await call(wanted[place])

    tasks = [asyncio.create_task(work()) for _ in range(min(at_once, len(wanted)))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [found[place] for place in range(len(wanted))]
