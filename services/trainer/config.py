"""What the trainer room can be told."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from services.runtime.config import SOME, setting


@dataclass(frozen=True)
class TrainerConfig:
    """Settings of the trainer room beside those that every room has."""

    engine_python: Path = setting("SISHU_ENGINE_PYTHON", Path(sys.executable))
    """Python that has torch; it runs the engine and converts base models."""
    tracker_python: Path = setting("SISHU_TRACKER_PYTHON", Path(sys.executable))
    """Python that has the libraries of experiment trackers."""
    device: str = setting("SISHU_TRAINER_DEVICE", "auto")
    """`auto`, `cpu` or `cuda`: where the engine computes, and which devices of this machine it leases."""
    devices: str = setting("SISHU_TRAINER_DEVICES", "")
    """Accelerators that this worker may lease, by their numbers as torch counts them, such as `0,1`; empty
    means all."""
    memory_bytes: int = setting("SISHU_TRAINER_MEMORY_BYTES", 0, least=0)
    """Most memory of the machine that the processes of an engine may have together; 0 sets no limit."""
    hold_seconds: float = setting("SISHU_TRAINER_HOLD_SECONDS", 259_200.0, least=0)
    """How long free devices are held for a run that needs several and finds too few; 0 holds none."""
    peak_flops: float = setting("SISHU_TRAINER_PEAK_FLOPS", 0.0, least=0)
    """Most bf16 operations a second of one device, for MFU and HFU; 0 takes what is published of its kind."""
    sample_seconds: float = setting("SISHU_TRAINER_SAMPLE_SECONDS", 5.0, least=0.5)
    """Seconds between two looks at the accelerators by hy-smi, rocm-smi, nvidia-smi or NVML."""
    accelerator: str = setting("SISHU_TRAINER_ACCELERATOR", "")
    """Name of the devices that runs will have, such as `K100-AI`, for estimates and for refusing a run when
    it is created; empty leaves that to the worker, which looks at its own."""
    threads: int = setting("SISHU_TRAINER_THREADS", 0, least=0)
    """CPU threads of the engine; 0 leaves the choice to torch."""
    stop_seconds: float = setting("SISHU_TRAINER_STOP_SECONDS", 10.0, least=SOME)
    """How long the engine may take to write a checkpoint when it is stopped; then it is killed."""
    pause_seconds: float = setting("SISHU_TRAINER_PAUSE_SECONDS", 600.0, least=SOME)
    """How long the engine may take to write a checkpoint when its run is paused; then it is killed."""
    patience_seconds: float = setting("SISHU_TRAINER_PATIENCE_SECONDS", 600.0, least=0)
    """How long a finished run waits for Postgres and the bucket before its item is queued again."""
    silence_seconds: float = setting("SISHU_TRAINER_SILENCE_SECONDS", 300.0, least=SOME)
    """How long the engine may write no event, of which it writes one every few seconds; then it is frozen."""
    stall_seconds: float = setting("SISHU_TRAINER_STALL_SECONDS", 1800.0, least=SOME)
    """How long the engine may say nothing but that it lives: no step, no other phase; then it hangs."""
