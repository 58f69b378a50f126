"""What a step cost beside its seconds: operations, waiting, memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from services.trainer.engine.state import Run


def costs(run: Run, tokens: int, supervised: int, computed: int) -> dict[str, Any]:
    """What the event of a step says of its cost.

    Args:
        run: the run, after the step.
        tokens: real tokens of the step.
        supervised: those of them that are learned.
        computed: tokens that were computed, padding included.
    """
    return {
        "data_wait_seconds": round(run.objective.take_wait(), 6),
        "memory": memory_now(run.model.device),
        **_operations(run, tokens, supervised, computed),
    }


def _operations(run: Run, tokens: int, supervised: int, computed: int) -> dict[str, int]:
    if run.products is None:
        return {}
    at = supervised if run.model.head_at_labels else computed
    hardware = run.products.hardware_flops(computed, at, recomputes=run.model.recomputes_activations)
    return {"model_flops": run.products.model_flops(tokens), "hardware_flops": hardware}


def memory_now(device: torch.device) -> dict[str, int]:
    """Bytes in use: of an accelerator what torch allocated and reserved, else the process's resident set."""
    if device.type == "cuda":
        return {
            "allocated": torch.cuda.memory_allocated(device),
            "reserved": torch.cuda.memory_reserved(device),
            "total": torch.cuda.get_device_properties(device).total_memory,
        }
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    size = os.sysconf("SC_PAGE_SIZE")
    return {"allocated": pages * size, "total": os.sysconf("SC_PHYS_PAGES") * size}


def device_name(device: torch.device) -> str:
    """What the driver calls a device; `cpu` of a CPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
