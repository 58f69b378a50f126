"""Which devices this machine has, as its worker may lease them."""

from __future__ import annotations

import asyncio
import json
import os
import re
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import structlog

from services.runtime.errors import FailedPrecondition
from services.trainer.engine_process import ROOT

CPU = "cpu"
CUDA = "cuda"
NODES = ("dev/nvidiactl", "dev/kfd", "dev/mkfd", "dev/dxg")
"""What the system shows where an accelerator's driver is loaded."""
ASK_SECONDS = 180.0
CGROUP_LIMITS = ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes")

log = structlog.get_logger()


@dataclass(frozen=True)
class Device:
    """A device that a worker may lease.

    Args:
        id: what it is leased by, the same for all processes of a machine.
        kind: `cpu` or `cuda`.
        name: what its driver calls it.
        memory_bytes: its memory.
        index: what makes it visible to an engine: its number, or its UUID; empty for a CPU.
        variable: the environment variable that takes it.
    """

    id: str
    kind: str
    name: str
    memory_bytes: int
    index: str = ""
    variable: str = ""


def this_cpu() -> Device:
    """The processors of this machine, which are one device."""
    return Device(CPU, CPU, f"{os.cpu_count() or 1} processors", memory_of_machine())


def memory_of_machine(root: Path = Path("/")) -> int:
    """Bytes of memory that this process may have: the machine's, or its control group's."""
    limits = [psutil.virtual_memory().total]
    for name in CGROUP_LIMITS:
        path = root / name
        text = path.read_text().strip() if path.is_file() else ""
        limits += [int(text)] if text.isdigit() else []
    return min(limits)


def may_have_accelerators(root: Path = Path("/")) -> bool:
    """Whether it is worth asking torch, which takes seconds to load."""
    return any((root / name).exists() for name in NODES)


def nodes_of_machine(root: Path = Path("/")) -> int:
    """About how many devices this machine has, without asking anybody; at least 1."""
    graphics = list((root / "dev").glob("nvidia[0-9]*"))
    # Of others, each node of the driver that computes.
    nodes = (root / "sys/class/kfd/kfd/topology/nodes").glob("*/properties")
    compute = [path for path in nodes if re.search(r"^simd_count [1-9]", path.read_text(), re.MULTILINE)]
    return max(1, len(graphics), len(compute))


async def devices_of_machine(wanted: str, numbers: str, python: Path) -> tuple[Device, ...]:
    """The devices that a worker may lease.

    Args:
        wanted: `auto`, `cpu` or `cuda`, as configured.
        numbers: of the accelerators that it may have, such as `0,1`; empty means all that are visible.
        python: Python that has torch.

    Raises:
        FailedPrecondition: there is no accelerator though `cuda` is wanted, or none of these numbers.
    """
    if wanted == CPU or (wanted == "auto" and not may_have_accelerators()):
        return (this_cpu(),)
    found = accelerators(await ask_torch(python), os.environ)
    if not found and wanted == "auto":
        return (this_cpu(),)
    chosen = found if not numbers else tuple(each for each in found if number_of(each) in numbers.split(","))
    if not chosen:
        raise FailedPrecondition(
            "DEVICE_UNAVAILABLE",
            f"torch sees {len(found)} accelerators and may use none of them; check the driver, "
            "SISHU_ENGINE_PYTHON, SISHU_TRAINER_DEVICE and SISHU_TRAINER_DEVICES",
        )
    return chosen


def number_of(device: Device) -> str:
    """The number by which people know an accelerator."""
    return device.name.rpartition("#")[2]


async def ask_torch(python: Path) -> Mapping[str, object]:
    """What torch sees; nothing where it cannot be asked."""
    process = await asyncio.create_subprocess_exec(
        str(python), "-m", "services.trainer.engine.devices", cwd=ROOT, stdin=DEVNULL, stdout=PIPE
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), ASK_SECONDS)
        told = json.loads(out.decode().strip().splitlines()[-1])
    except (TimeoutError, ValueError, IndexError) as error:
        log.warning("devices_unknown", error=str(error) or type(error).__name__)
        return {}
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return told if isinstance(told, dict) else {}


def accelerators(told: Mapping[str, object], environ: Mapping[str, str]) -> tuple[Device, ...]:
    """Devices of what `engine.devices` says.

    A number in it counts what is visible to this process; what makes a device visible to a child is what
    made it visible here.
    """
    variable = "HIP_VISIBLE_DEVICES" if told.get("hip") else "CUDA_VISIBLE_DEVICES"
    visible = next((environ[name] for name in (variable, "CUDA_VISIBLE_DEVICES") if environ.get(name)), "")
    names = [name.strip() for name in visible.split(",")] if visible else []
    listed = told.get("devices")
    devices: list[Device] = []
    for number, each in enumerate(listed if isinstance(listed, Sequence) else ()):
        index = names[number] if number < len(names) else str(number)
        uuid = str(each.get("uuid") or "")
        name = f"{each['name']} #{number}"
        devices.append(Device(uuid or f"{CUDA}:{index}", CUDA, name, each["memory_bytes"], index, variable))
    return tuple(devices)


def environment(devices: Sequence[Device]) -> dict[str, str]:
    """What lets an engine see these devices and no others; nothing for a CPU."""
    chosen = [device for device in devices if device.variable]
    return {chosen[0].variable: ",".join(device.index for device in chosen)} if chosen else {}


def enough(devices: Sequence[Device], count: int) -> int:
    """How many of a worker's devices a run takes that wants so many: processes share a CPU."""
    return 1 if all(device.kind == CPU for device in devices) else count
