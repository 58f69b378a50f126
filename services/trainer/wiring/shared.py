"""What the room's server and its worker share."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from services.runtime.config import read
from services.runtime.room import Parts
from services.trainer.config import TrainerConfig
from services.trainer.estimate_store import EstimateStore
from services.trainer.metrics import TrainerMetrics
from services.trainer.node.dcu_environment import is_dcu_node, run_environment
from services.trainer.node.programs import Programs
from services.trainer.node.reports import NodeReports
from services.trainer.node.sampler import Sampler
from services.trainer.preflight import Preflight
from services.trainer.registry.cards import Cards
from services.trainer.registry.store import RegistryStore
from services.trainer.store import Store
from services.trainer.workers.store import Workers

SMI_SECONDS = 4.0
"""A tool of a driver that says nothing for so long hangs; the slowest call of all takes one."""


@dataclass(frozen=True)
class Shared:
    """The parts that both need."""

    parts: Parts
    config: TrainerConfig
    store: Store
    registry: RegistryStore
    cards: Cards
    estimates: EstimateStore
    preflight: Preflight
    workers: Workers
    metrics: TrainerMetrics
    sampler: Sampler
    reports: NodeReports
    environment: Mapping[str, str]
    """Variables that engines get beside those of this process."""

    @property
    def home(self) -> Path:
        """State folder of this machine."""
        return self.parts.config.home


def shared(parts: Parts) -> Shared:
    """Make them."""
    config = read(TrainerConfig, os.environ)
    store, estimates = Store(parts.pool, parts.jobs), EstimateStore(parts.pool)
    registry = RegistryStore(store)
    sampler, silence = Sampler(config.sample_seconds, Programs(SMI_SECONDS)), parts.config.heartbeat_seconds
    return Shared(
        parts=parts,
        config=config,
        store=store,
        registry=registry,
        cards=Cards(store, registry, parts.client),
        estimates=estimates,
        preflight=Preflight(estimates, config.accelerator),
        workers=Workers(parts.pool, parts.config.heartbeat_seconds),
        metrics=TrainerMetrics(parts.metrics.registry, config.peak_flops),
        sampler=sampler,
        reports=NodeReports(parts.pool, socket.gethostname(), sampler, config.sample_seconds, silence),
        environment=run_environment(os.environ, is_dcu=config.device != "cpu" and is_dcu_node()),
    )
