"""Looks at the machine's accelerators every few seconds, and keeps what it saw last."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from services.trainer.node.accelerators import Accelerator, UnreadableError
from services.trainer.node.programs import ProgramError, Programs
from services.trainer.node.tools import Tool, find_tools

MISSED = 3
"""After so many intervals without an answer the last one is stale, if no tool is only slow."""
FORGOTTEN_SECONDS = 600.0
"""A stale answer is shown for so long: after that it says nothing about the machine."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Sample:
    """What is known of the accelerators, and how old it is."""

    accelerators: tuple[Accelerator, ...] = ()
    tool: str = ""
    """The tool that answered; empty where none did."""
    time: float = 0.0
    """When it did, Unix time; 0 where none did."""
    age_seconds: float = 0.0
    is_stale: bool = False
    """Whether no answer came for several intervals; then the values are old ones."""
    reason: str = ""
    """Why the newest try gave nothing, as of `ProgramError`; empty where it gave something."""
    message: str = ""
    """The same for people."""
    seconds: float = 0.0
    """How long the newest try took."""


class Sampler:
    """One for a machine.

    Args:
        interval_seconds: between two looks.
        programs: runs the tools, each with a deadline.
        find: the tools on this machine, the best first.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        interval_seconds: float,
        programs: Programs,
        find: Callable[[], Sequence[Tool]] = find_tools,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._interval = interval_seconds
        self._find = find
        self._clock = clock
        self._programs = programs
        self._answered_at = 0.0
        self._last = Sample()
        self.is_looking = False
        """Whether somebody has it look, again and again."""
        self.failures: Counter[str] = Counter()
        """Tries that gave nothing, by reason."""

    @property
    def deadline_seconds(self) -> float:
        """Of one call of a tool."""
        return self._programs.seconds

    @property
    def sample(self) -> Sample:
        """What is known now."""
        if not self._last.tool:
            return self._last
        age = self._clock() - self._answered_at
        longest = max(MISSED * self._interval, 2 * self.deadline_seconds)
        known = replace(self._last, age_seconds=age, is_stale=age > longest)
        return known if age <= FORGOTTEN_SECONDS else replace(known, accelerators=())

    async def run(self, stop: asyncio.Event) -> None:
        """Look, again and again, until `stop` is set; a process that serves and trains looks once."""
        if self.is_looking:
            await stop.wait()
            return
        self.is_looking = True
        while not stop.is_set():
            looking = asyncio.create_task(self.look())
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({looking, stopping}, return_when=asyncio.FIRST_COMPLETED)
            for task in (looking, stopping):
                if not task.done():
                    task.cancel()
            await asyncio.wait({looking, stopping})
            if not looking.cancelled():
                looking.result()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._interval)

    async def look(self) -> Sample:
        """Ask once; returns what is known then."""
        began = self._clock()
        try:
            tool, cards = await self._asked()
        except ProgramError as error:
            self._note_failure(error)
        else:
            if self._last.reason:
                log.info("accelerators_answer", tool=tool, accelerators=len(cards))
            self._answered_at = self._clock()
            self._last = Sample(_with_known(cards, self._last.accelerators), tool, time.time())
        self._last = replace(self._last, seconds=self._clock() - began)
        return self.sample

    def _note_failure(self, error: ProgramError) -> None:
        # A machine that never had a tool has no accelerator, which is no failure.
        if error.reason == "missing" and not self._last.tool:
            return
        self.failures[error.reason] += 1
        if error.reason != self._last.reason:
            log.warning("accelerators_silent", reason=error.reason, error=error.message)
        self._last = replace(self._last, reason=error.reason, message=error.message)

    async def _asked(self) -> tuple[str, list[Accelerator]]:
        """The cards and the tool that told of them.

        Raises:
            ProgramError: none did; that of the first tool.
        """
        tools = await asyncio.to_thread(self._find)
        first: ProgramError | None = None
        for tool in tools:
            try:
                return tool.name, await self._ask(tool)
            except ProgramError as error:
                first = first or error
                if error.reason in {"timeout", "stuck"}:
                    # It is the driver that hangs: the other tools would hang as well.
                    break
        raise first or ProgramError(
            "missing", "none of hy-smi, rocm-smi and nvidia-smi is on the PATH, nor NVML"
        )

    async def _ask(self, tool: Tool) -> list[Accelerator]:
        """Ask in the best way, and in the others where its answer cannot be read.

        Raises:
            ProgramError: none worked; that of the last way.
        """
        last: ProgramError | None = None
        for way in tool.ways:
            try:
                return way.read(await self._programs.output([tool.path, *way.arguments]))
            except UnreadableError as error:
                last = ProgramError("unreadable", f"{tool.name} {' '.join(way.arguments)}: {error}")
            except ProgramError as error:
                if error.reason != "failed":
                    raise
                last = error
        assert last is not None  # noqa: S101  # every tool has a way
        raise last


def _with_known(cards: Sequence[Accelerator], before: Sequence[Accelerator]) -> tuple[Accelerator, ...]:
    """Cards with the name and the size of memory that they said in another way before."""
    known = {card.index: card for card in before}
    return tuple(_filled(card, known.get(card.index)) for card in cards)


def _filled(card: Accelerator, before: Accelerator | None) -> Accelerator:
    if before is None:
        return card
    total = card.memory_total_bytes or before.memory_total_bytes
    used = card.memory_used_bytes
    if used is None and total is not None and card.memory_share is not None:
        used = int(total * card.memory_share)
    return replace(card, name=card.name or before.name, memory_total_bytes=total, memory_used_bytes=used)
