"""What several ask for at once is looked up together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from services.runtime.gathering import Gathering


class Shelf:
    """Numbers by name; notes what was asked."""

    def __init__(self, **numbers: int) -> None:
        self.numbers = numbers
        self.asked: list[list[str]] = []
        self.may = asyncio.Event()
        self.may.set()

    async def look_up(self, names: Sequence[str]) -> dict[str, int]:
        self.asked.append(list(names))
        await self.may.wait()
        return {name: self.numbers[name] for name in names if name in self.numbers}


async def test_what_is_asked_for_in_one_turn_is_one_look_up_and_each_gets_its_own() -> None:
    shelf = Shelf(a=1, b=2)
    gathering = Gathering(shelf.look_up)
    assert await asyncio.gather(*map(gathering.get, ["a", "b", "c", "a"])) == [1, 2, None, 1]
    assert shelf.asked == [["a", "b", "c"]]


async def test_what_is_asked_for_after_a_look_up_began_is_looked_up_anew() -> None:
    shelf = Shelf(a=1)
    gathering = Gathering(shelf.look_up)
    shelf.may.clear()
    first = asyncio.create_task(gathering.get("a"))
    while not shelf.asked:
        await asyncio.sleep(0)
    second = asyncio.create_task(gathering.get("a"))
    await asyncio.sleep(0)
    shelf.may.set()
    assert (await first, await second) == (1, 1)
    assert shelf.asked == [["a"], ["a"]]


async def test_one_who_is_stopped_stops_no_other() -> None:
    shelf = Shelf(a=1)
    gathering = Gathering(shelf.look_up)
    shelf.may.clear()
    stopped, other = (asyncio.create_task(gathering.get("a")) for _ in range(2))
    while not shelf.asked:
        await asyncio.sleep(0)
    stopped.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopped
    shelf.may.set()
    assert await other == 1


async def test_a_failure_is_told_to_all_and_ends_with_them() -> None:
    async def fail(_: Sequence[str]) -> dict[str, int]:
        raise ConnectionError("gone")

    gathering = Gathering(fail)
    ends = await asyncio.gather(*map(gathering.get, "ab"), return_exceptions=True)
    assert [str(end) for end in ends] == ["gone", "gone"]
