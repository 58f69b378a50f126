"""Devices that are held for runs which wait for several; else narrow runs would pass them for ever."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True)
class Wait:
    """A run that waits for several devices of a machine.

    Args:
        run_id: the run; ids sort by age.
        devices: those of which it may have any.
        count: how many it needs.
        since: when it was first refused.
    """

    run_id: str
    devices: Sequence[str]
    count: int
    since: datetime


@dataclass(frozen=True)
class Shortage:
    """Why a run did not get its devices.

    Args:
        host: the machine.
        needed: how many it needs.
        free: how many of those that it may have are in no other run's hands.
        held: how many of these are held for older runs, by run.
        until: when the run's own hold ends; none where nothing is held for it.
    """

    host: str
    needed: int
    free: int
    held: Mapping[str, int]
    until: datetime | None = None

    def __str__(self) -> str:
        """For people."""
        words = f"{_devices(self.needed)} needed on {self.host}, {self.free} free"
        if self.held:
            holders = " and ".join(f"{count} for run {run_id}" for run_id, count in self.held.items())
            words += f"; held for older runs that wait for several: {holders}"
        if self.until:
            until = f"{self.until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
            words += f"; what becomes free is held for this run until {until}"
        return words


def _devices(count: int) -> str:
    return f"{count} device is" if count == 1 else f"{count} devices are"


def held_for(run_id: str, waits: Iterable[Wait], taken: Collection[str]) -> dict[str, str]:
    """Free devices of a machine that a run may not have, each with the older run that it is held for.

    The oldest run comes first, and each holds as many as it needs; a run that needs one holds none, as it
    cannot be passed by runs that need fewer.

    Args:
        run_id: the run that asks.
        waits: runs that wait for devices of this machine.
        taken: devices that runs have.
    """
    held: dict[str, str] = {}
    for wait in sorted(waits, key=lambda one: one.run_id):
        if wait.run_id >= run_id:
            break
        free = [device for device in wait.devices if device not in taken and device not in held]
        held.update(dict.fromkeys(free[: wait.count], wait.run_id))
    return held


def shortage_of(
    host: str, candidates: Sequence[str], count: int, taken: Collection[str], held: Mapping[str, str]
) -> Shortage:
    """What to say to a run that may have some devices and got none."""
    free = [device for device in candidates if device not in taken]
    holders = [held[device] for device in free if device in held]
    return Shortage(host, count, len(free), dict(Counter(holders)))


def ends(since: datetime, seconds: float) -> datetime:
    """When a hold ends that began at some time."""
    return since + timedelta(seconds=seconds)
