"""Most operations of half numbers a second of a device, by the name that its driver gives it."""

from __future__ import annotations

from services.trainer.estimating.accelerators import UnknownAcceleratorError, find_accelerator


def peak_flops(name: str) -> float:
    """Of a device; 0 where we do not know it, and of a processor, whose peak hangs on its cores."""
    try:
        device = find_accelerator(name)
    except UnknownAcceleratorError:
        return 0.0
    return 0.0 if device.is_cpu else device.peaks.get("bf16", device.peaks.get("fp16", 0.0))
