"""Whether a model can fit into this machine's memory at all, before minutes are spent on loading it."""

from __future__ import annotations

import json
from pathlib import Path

import psutil

from services.inference.deployments import DeploymentOptions
from services.runtime.errors import ResourceExhausted

ACCELERATORS = (Path("/dev/kfd"), Path("/dev/nvidia0"))
"""What is there where a DCU, or another card, may hold the model instead."""
PROGRAM_BYTES = 300 << 20
"""What the engine takes beside the weights."""
HALVES = frozenset({"BF16", "F16"})
LARGEST_HEADER_BYTES = 100 << 20


def check_memory(model: Path, options: DeploymentOptions, available: int | None = None) -> None:
    """Refuse a model whose weights alone are larger than the free memory.

    It is the least that loading takes, so that nothing is refused that would fit. Nothing is said of the
    memory of accelerators, which only the engine's Python sees.

    Args:
        model: folder of the weights.
        options: how they are to be loaded.
        available: free memory in bytes; unset asks the system.

    Raises:
        ResourceExhausted: they cannot fit.
    """
    if options.device != "cpu" and any(path.exists() for path in ACCELERATORS):
        return
    needed = weight_bytes(model, options.precision) + PROGRAM_BYTES
    free = psutil.virtual_memory().available if available is None else available
    if needed > free:
        raise ResourceExhausted(
            "OUT_OF_MEMORY",
            f"the model needs {needed / 2**30:.1f} GiB of memory at least, {free / 2**30:.1f} GiB are free: "
            "delete another deployment, load adapters as shared, or use a smaller model",
            needed_bytes=str(needed),
            free_bytes=str(free),
        )


def weight_bytes(model: Path, precision: str) -> int:
    """Bytes of a folder's weights in memory, at the least."""
    files = list(model.glob("*.safetensors"))
    size = sum(path.stat().st_size for path in files)
    doubles = precision == "fp32" and any(stored_in_halves(path) for path in files[:1])
    halves = precision == "bf16" and not any(stored_in_halves(path) for path in files[:1])
    return size * 2 if doubles else size // 2 if halves else size


def stored_in_halves(path: Path) -> bool:
    """Whether the first tensor of a safetensors file has two bytes a number; a broken file says no."""
    try:
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(min(length, LARGEST_HEADER_BYTES)))
        return next(value["dtype"] for name, value in header.items() if name != "__metadata__") in HALVES
    except (OSError, ValueError, AttributeError, KeyError, TypeError, StopIteration):
        # The engine says better what is wrong with it.
        return False
