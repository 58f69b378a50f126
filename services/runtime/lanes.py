"""Which items a worker takes, so that a project whose work is slow does not fill it while others wait.

Every project with something to do has one of 16 lanes, for itself while they are not more. PgQueuer knows the
items of a kind and lane under a name of their own, so that a worker can leave those of a lane in the queue.
While several lanes are active, none takes more than its share of the slots, but where enough of them are
spare.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

LANES = "0123456789abcdef"


def entrypoint(kind: str, lane: str) -> str:
    """PgQueuer's name for the items of a kind in a lane."""
    return f"{kind}/{lane}"


def lane_of(name: str) -> str:
    """The lane in PgQueuer's name for items."""
    return name[-1]


class Lanes:
    """The slots of a worker.

    Args:
        slots: items in work at once.
        ahead: how many items one look into the queue takes at most.
    """

    def __init__(self, slots: int, ahead: int) -> None:
        self._slots = slots
        self._ahead = ahead
        self._in_hand: Counter[str] = Counter()
        self._in_work: Counter[str] = Counter()
        self._waiting: defaultdict[str, deque[asyncio.Future[None]]] = defaultdict(deque)
        self._queued: frozenset[str] = frozenset()
        self._left: Counter[str] = Counter()

    @property
    def busy(self) -> bool:
        """Whether so few slots are spare that it matters who gets them."""
        return self._in_hand.total() > self._slots - 2 * self._ahead

    @property
    def supplied(self) -> bool:
        """Whether more than half of the slots have something to do."""
        return 2 * self._in_hand.total() > self._slots

    def is_open(self, lane: str) -> bool:
        """Whether items of a lane may be taken out of the queue now."""
        return not self.busy or self._in_hand[lane] < self._share(lane)

    async def look(self, queued: Callable[[], Awaitable[Iterable[str]]]) -> None:
        """Learn which lanes have items in the queue.

        A lane that lets go of an item counts as active until a look that began later sees none of it.
        """
        before = self._left.copy()
        self._queued = frozenset(await queued())
        for lane, count in before.items():
            if self._left[lane] == count:
                del self._left[lane]

    def excess(self) -> dict[str, int]:
        """How many items of which lanes hold slots that a lane below its share waits for."""
        if self._in_work.total() < self._slots:
            return {}
        unserved = {lane for lane, count in self._in_hand.items() if count > self._in_work[lane]}
        hungry = {lane for lane in self._queued | unserved if self._in_work[lane] < self._share(lane)}
        over = {
            lane: count - math.ceil(self._share(lane))
            for lane, count in self._in_work.items()
            if hungry - {lane}
        }
        return {lane: count for lane, count in over.items() if count > 0}

    @asynccontextmanager
    async def slot(self, lane: str) -> AsyncIterator[None]:
        """Hold an item of a lane; the body runs once a slot is free. Lanes with fewer come first."""
        self._in_hand[lane] += 1
        try:
            await self._enter(lane)
            try:
                yield
            finally:
                self._leave(lane)
        finally:
            self._in_hand[lane] -= 1
            self._left[lane] += 1

    def _share(self, lane: str) -> float:
        in_hand = {held for held, count in self._in_hand.items() if count}
        active = self._queued | in_hand | self._left.keys() | {lane}
        return self._slots / len(active) if len(active) > 1 else math.inf

    async def _enter(self, lane: str) -> None:
        if self._in_work.total() < self._slots:
            self._in_work[lane] += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[lane].append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._leave(lane)
            raise

    def _leave(self, lane: str) -> None:
        self._in_work[lane] -= 1
        while waiting := [one for one, turns in self._waiting.items() if turns]:
            fewest = min(waiting, key=lambda one: self._in_work[one])
            turn = self._waiting[fewest].popleft()
            # Those that were cancelled stay until it would be their turn.
            if not turn.cancelled():
                self._in_work[fewest] += 1
                turn.set_result(None)
                return
