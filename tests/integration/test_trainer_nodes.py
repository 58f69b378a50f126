"""Machines that train tell the service of their cards: fresh, silent, and gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from prometheus_client import CollectorRegistry

from services.runtime.db import Pool
from services.runtime.pages import page_request
from services.trainer.node.accelerators import Accelerator
from services.trainer.node.device_metrics import DeviceMetrics
from services.trainer.node.programs import Programs
from services.trainer.node.reports import NodeReports
from services.trainer.node.sampler import Sample, Sampler
from services.trainer.node.service import TrainerNodeServicer
from sishu.trainer.v1 import trainer_node_service_pb2 as pb
from tests.integration.stores import Stores

CARD = Accelerator(0, "K100_AI", 0.125, 2**30, 2**36, 1 / 64, 60.0, 113.0, 400.0)


class Fixed(Sampler):
    """One that always has seen the same."""

    def __init__(self, sample: Sample) -> None:
        super().__init__(5.0, Programs(1.0))
        self._seen = sample

    @property
    def sample(self) -> Sample:
        return self._seen


@pytest_asyncio.fixture
async def pool(stores: Stores) -> AsyncIterator[Pool]:
    async with stores.pool("trainer") as pool:
        yield pool


async def test_a_worker_elsewhere_is_seen_in_metrics_and_lists_and_becomes_stale(pool: Pool) -> None:
    here = NodeReports(pool, "service", Fixed(Sample()), 0.05, 30.0)
    there = NodeReports(pool, "node", Fixed(Sample((CARD,), "hy-smi", 1.7e9, 2.0)), 0.05, 30.0)
    registry = CollectorRegistry()
    registry.register(DeviceMetrics("service", here.sampler, lambda: here.others))
    stop = asyncio.Event()
    tasks = [asyncio.create_task(work(stop)) for work in (there.keep_telling, here.keep_listening)]
    async with asyncio.timeout(20):
        while "node" not in here.others:
            await asyncio.sleep(0.02)
    stop.set()
    await asyncio.gather(*tasks)

    def value(what: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"sishu_trainer_device_{what}", {"host": "node", **labels})

    assert value("power_watts", device="0") == 113
    assert value("info", device="0", name="K100_AI", tool="hy-smi") == 1
    assert (value("sample_stale"), value("sample_timestamp_seconds")) == (0, 1.7e9)
    assert registry.get_sample_value("sishu_trainer_device_sample_stale", {"host": "service"}) == 0

    await pool.execute("UPDATE node_samples SET report_time = now() - interval '1 minute'")
    await here.listen()
    assert (value("sample_stale"), value("power_watts", device="0")) == (1, 113)
    assert 61 < here.others["node"].age_seconds < 120
    assert here.others["node"].reason == "silent"
    await pool.execute("UPDATE node_samples SET report_time = now() - interval '1 hour'")
    await here.listen()
    assert (value("sample_stale"), value("power_watts", device="0")) == (1, None)
    await there.tell()
    await here.listen()
    assert (value("sample_stale"), value("power_watts", device="0")) == (0, 113)
    await pool.execute("UPDATE node_samples SET report_time = now() - interval '2 days'")
    await here.listen()
    assert here.others == {}


async def test_machines_are_listed_by_name_and_this_one_as_it_is_now(pool: Pool) -> None:
    sampler = Fixed(Sample((CARD,), "hy-smi", 1.7e9))
    for host in ("b", "a"):
        await NodeReports(pool, host, sampler, 5.0, 30.0).tell()
    now = Fixed(Sample((CARD, CARD), "rocm-smi", 1.8e9))
    now.is_looking = True
    reports = NodeReports(pool, "b", now, 5.0, 30.0)
    nothing: Any = None  # this rpc needs neither
    servicer = TrainerNodeServicer(pool, now, nothing, reports)
    first = await servicer.ListTrainerNodes(pb.ListTrainerNodesRequest(page_size=1), nothing)
    rest = await servicer.ListTrainerNodes(
        pb.ListTrainerNodesRequest(page_token=first.next_page_token), nothing
    )
    told = [
        (one.host, one.tool, len(one.accelerators)) for one in (*first.trainer_nodes, *rest.trainer_nodes)
    ]
    assert told == [("a", "hy-smi", 1), ("b", "rocm-smi", 2)]
    assert (await reports.list(page_request(9, ""))).next_token == ""
