"""Whether a run will fit, asked before it begins: when it is created, and where it is to run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog

from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.trainer.engine.parallel.zero_config import stage_of
from services.trainer.estimate_store import EstimateStore
from services.trainer.estimating.accelerators import (
    Accelerator,
    UnknownAcceleratorError,
    find_accelerator,
)
from services.trainer.estimating.architectures import (
    Architecture,
    UnknownArchitectureError,
    of_config,
)
from services.trainer.estimating.estimates import DOES_NOT_FIT, Estimate, Hardware, estimate
from services.trainer.estimating.named_models import NAMES, named_model
from services.trainer.estimating.trainings import Rows
from services.trainer.estimating.verdicts import disk_refusal, refusal
from services.trainer.machine import hardware_here
from services.trainer.training_config import TrainingConfig
from services.trainer.training_runs import TrainingRun

BYTES_OF_TOKEN = 2
"""A row has no more tokens than half its bytes, of text in any language and with any usual tokenizer."""
USUAL_BYTES_OF_TOKEN = 4

Look = Callable[[str, Path, Path], Awaitable[Hardware]]

log = structlog.get_logger()


class Preflight:
    """Looks before a run begins.

    Args:
        store: keeps what was estimated.
        accelerator: name of the devices that runs will have; empty where only a worker can tell.
        look: says what a machine can give now, as `hardware_here` does.
    """

    def __init__(self, store: EstimateStore, accelerator: str = "", look: Look = hardware_here) -> None:
        self._store = store
        self._look = look
        self._usual = Hardware(accelerator_of(accelerator)) if accelerator else None

    async def check_new(self, model_id: str, config: TrainingConfig) -> None:
        """Refuse a run that cannot fit on an empty device, where device and model are known.

        Rows are taken to be no longer than a micro-batch, as they are not known yet.

        Raises:
            FailedPrecondition: `MEMORY_SHORT`.
        """
        content = await self._store.config_of(model_id)
        if self._usual is None or content is None or config.ignore_estimate:
            return
        try:
            shape = of_config(content)
        except UnknownArchitectureError:
            return
        check(estimated(config, shape, self._usual, Rows(longest_tokens=config.batch_tokens)))

    async def check_here(self, run: TrainingRun, base: Path, rows: Path, device: str, python: Path) -> str:
        """Hold a run against this machine, and keep the estimate; what to tell people, if anything.

        Raises:
            FailedPrecondition: `MEMORY_SHORT` or `DISK_SHORT`.
        """
        try:
            shape = of_config(json.loads((base / "config.json").read_bytes()))
        except UnknownArchitectureError as error:
            log.warning("run_not_estimated", run_id=run.id, error=str(error))
            return ""
        hardware = await self._look(device, python, rows.parent)
        found = estimated(run.config, shape, hardware, await asyncio.to_thread(rows_in, rows))
        forced = run.config.ignore_estimate
        await self._store.save(run.id, found, forced=forced)
        try:
            check(found)
        except FailedPrecondition as error:
            if not forced:
                raise
            log.warning("estimate_ignored", run_id=run.id, reason=error.reason)
            return error.message
        return ""


def check(found: Estimate) -> None:
    """Refuse what will not fit.

    Raises:
        FailedPrecondition: `MEMORY_SHORT`, with each component and what would fit, or `DISK_SHORT`.
    """
    if found.verdict == DOES_NOT_FIT:
        nearest = {each.field: each.value for each in found.nearest.changes} if found.nearest else {}
        raise FailedPrecondition(
            "MEMORY_SHORT",
            refusal(found),
            "training_run.config",
            needed_bytes=str(round(found.needed)),
            free_bytes=str(round(found.hardware.free)),
            nearest=json.dumps(nearest),
            **{f"{name}_bytes": str(round(value)) for name, value in asdict(found.memory).items()},
        )
    if found.disk_is_short:
        raise FailedPrecondition(
            "DISK_SHORT",
            disk_refusal(found),
            "training_run.config",
            needed_bytes=str(round(found.disk.needed)),
            free_bytes=str(round(found.hardware.disk_free_bytes)),
        )


def estimated(config: TrainingConfig, shape: Architecture, hardware: Hardware, rows: Rows) -> Estimate:
    """The estimate of a run of this config."""
    stage = stage_of(config)
    return estimate(
        config, shape, hardware, rows, stage=stage, epochs=config.epochs, max_steps=config.max_steps
    )


def rows_in(path: Path) -> Rows:
    """What a file of rows allows to say of their tokens before they are tokenized."""
    longest = total = count = 0
    with path.open("rb") as lines:
        for line in lines:
            longest, total, count = max(longest, len(line)), total + len(line), count + 1
    mean = total / count / USUAL_BYTES_OF_TOKEN if count else 0.0
    return Rows(longest // BYTES_OF_TOKEN, mean, count)


def architecture_of(content: Mapping[str, Any] | None, name: str = "") -> Architecture:
    """The shape that a config.json says, or that a well-known name means.

    Raises:
        InvalidArgument: `ARCHITECTURE_UNKNOWN`.
    """
    try:
        found = of_config(content) if content is not None else named_model(name)
    except UnknownArchitectureError as error:
        raise InvalidArgument("ARCHITECTURE_UNKNOWN", str(error), "config_json", why=str(error)) from error
    if found is None:
        raise InvalidArgument(
            "ARCHITECTURE_UNKNOWN",
            f"no model named {name!r} is known; give its config.json, or one of {', '.join(NAMES)}",
            "architecture",
            name=name,
        )
    return found


def accelerator_of(name: str) -> Accelerator:
    """The device of that name.

    Raises:
        InvalidArgument: `ACCELERATOR_UNKNOWN`.
    """
    try:
        return find_accelerator(name)
    except UnknownAcceleratorError as error:
        raise InvalidArgument("ACCELERATOR_UNKNOWN", str(error), "accelerator", name=name) from error
