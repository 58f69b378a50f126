"""This process as a worker: what it has, and that it lives."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from pathlib import Path

import structlog

from services.runtime.errors import SishuError
from services.runtime.ids import new_id
from services.trainer.config import TrainerConfig
from services.trainer.guarding import AWAY
from services.trainer.leases import Claimant
from services.trainer.workers.devices import Device, devices_of_machine, memory_of_machine
from services.trainer.workers.store import NewWorker, Workers

log = structlog.get_logger()


class ThisWorker:
    """This process, as others see it.

    Args:
        workers: the table.
        config: of the room.
        heartbeat_seconds: silence after which it counts as lost.
        code_version: of its code.
    """

    def __init__(
        self, workers: Workers, config: TrainerConfig, heartbeat_seconds: float, code_version: str
    ) -> None:
        self.workers = workers
        self.claimant = Claimant(new_id(), socket.gethostname(), heartbeat_seconds, config.hold_seconds)
        self.config = config
        self._code_version = code_version
        self._devices: tuple[Device, ...] | None = None
        self._looking = asyncio.Lock()

    async def devices(self) -> tuple[Device, ...]:
        """What it may lease; found out once.

        Raises:
            FailedPrecondition: it has nothing of what it was told to use.
        """
        async with self._looking:
            if self._devices is None:
                config = self.config
                python: Path = config.engine_python
                self._devices = await devices_of_machine(config.device, config.devices, python)
                log.info("devices_found", devices=[device.id for device in self._devices])
            return self._devices

    async def be_seen(self, stop: asyncio.Event) -> None:
        """Be in the table of workers until `stop` is set."""
        try:
            devices = await self.devices()
        except SishuError as error:
            # Shown as a worker without devices; the runs that it is given say why.
            log.error("no_devices", error=error.message)
            devices = ()
        worker = NewWorker(
            self.claimant.worker_id,
            self.claimant.host,
            os.getpid(),
            devices,
            memory_of_machine(),
            self._code_version,
        )
        while not stop.is_set():
            try:
                await self.workers.beat(worker)
                await self.workers.forget_lost()
            except AWAY as error:
                log.warning("worker_not_seen", error=str(error))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self.claimant.seconds / 4)
        with contextlib.suppress(*AWAY):
            await self.workers.leave(worker.id)
