"""What this machine can give to a training now: memory of its processor or devices, and disk."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import structlog

from services.trainer.engine_process import ROOT
from services.trainer.estimating.accelerators import (
    Accelerator,
    UnknownAcceleratorError,
    find_accelerator,
)
from services.trainer.estimating.estimates import Hardware

DEVICE_FILES = ("/dev/nvidia0", "/dev/kfd", "/dev/mkfd")
"""Of a GPU or DCU; without one of them torch, which takes seconds to import, need not be asked."""
LOOK_SECONDS = 120.0
_GROUP = Path("/sys/fs/cgroup")
_LIMITS = (
    (_GROUP / "memory.max", _GROUP / "memory.current", "inactive_file"),
    (
        _GROUP / "memory" / "memory.limit_in_bytes",
        _GROUP / "memory" / "memory.usage_in_bytes",
        "total_inactive_file",
    ),
)
"""Limit of a group (cgroups 2 and 1), what it has, and what `memory.stat` calls that can be dropped of it."""

log = structlog.get_logger()


async def hardware_here(device: str, python: Path, work: Path) -> Hardware:
    """The devices of this machine, with what is free on them and on the disk of a folder.

    Args:
        device: `auto`, `cpu` or `cuda`, as the engine takes it.
        python: that has torch.
        work: folder on the disk that a run writes to.
    """
    disk = float(shutil.disk_usage(work).free)
    found = await _torch_devices(python) if _may_have(device) else []
    if found:
        # All do the same, so the fullest one decides.
        least = min(found, key=lambda each: int(each["free_bytes"]))
        known = _known(str(least["name"]), float(least["total_bytes"]))
        return Hardware(known, float(least["free_bytes"]), disk, native_bf16=bool(least["bf16"]))
    return Hardware(find_accelerator("CPU"), free_of_machine(), disk, native_bf16=cpu_computes_bf16())


def _may_have(device: str) -> bool:
    return device == "cuda" or (device == "auto" and any(Path(each).exists() for each in DEVICE_FILES))


def free_of_machine() -> float:
    """Bytes that the processes here can still get: of the machine, and of the group that limits them."""
    return float(min(psutil.virtual_memory().available, *_of_groups()))


def _of_groups() -> list[float]:
    """What the group of processes that this one is in may still take, files that can be dropped left out."""
    return [_left(limit, used, inactive) for limit, used, inactive in _LIMITS if _is_number(limit)]


def _left(limit: Path, used: Path, inactive: str) -> float:
    statistics = dict(line.split() for line in _text(limit.with_name("memory.stat")).splitlines())
    return float(_text(limit)) - float(_text(used) or 0) + float(statistics.get(inactive, 0))


def _is_number(path: Path) -> bool:
    # Without a limit the file says `max`, or is not there.
    return _text(path).strip().isdigit()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""


def cpu_computes_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor multiplies bf16, which the engine then takes (its `model` says the same)."""
    try:
        flags = cpuinfo.read_text(encoding="utf-8").split()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _known(name: str, memory_bytes: float) -> Accelerator:
    """The table's device of that name, or one of which nothing but its memory is known."""
    try:
        return replace(find_accelerator(name), memory_bytes=memory_bytes)
    except UnknownAcceleratorError:
        log.warning("accelerator_unknown", name=name)
        like = find_accelerator("A100")
        sources = {"peak": "unconfirmed: not in the table, taken as an A100's"}
        return replace(like, name=name, memory_bytes=memory_bytes, sources=sources)


async def _torch_devices(python: Path) -> list[dict[str, Any]]:
    """What torch says of its devices; nothing where it cannot be asked."""
    child = await asyncio.create_subprocess_exec(
        str(python),
        "-m",
        "services.trainer.engine.device_memory",
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        output, _ = await asyncio.wait_for(child.communicate(), LOOK_SECONDS)
        found: list[dict[str, Any]] = json.loads(output.decode().strip().splitlines()[-1])
    except (TimeoutError, ValueError, IndexError) as error:
        log.warning("devices_not_seen", error=str(error))
        return []
    else:
        return found
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
