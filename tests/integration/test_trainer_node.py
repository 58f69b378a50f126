"""The machine that trains, as its room tells of it, with a tool on the PATH that answers, hangs and recovers."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from services.runtime.ids import new_id
from services.trainer.leases import Claimant, Lease
from sishu.client import Client
from sishu.trainer.v1 import trainer_node_pb2 as pb
from sishu.trainer.v1.trainer_node_service_pb2 import (
    GetTrainerNodeRequest,
    ListTrainerNodesRequest,
    ProbeTrainerNodeRequest,
)
from tests.integration.conftest import StartRoom
from tests.integration.processes import eventually
from tests.integration.stores import HOST, Room, Stores
from tests.support.fake_smi import HCU_JSON, FakeSmi

pytestmark = [pytest.mark.full, pytest.mark.timeout(3600)]

WAIT_SECONDS = 600.0
# Answers after a hang, which is torch's own trouble and no part of what is shown here.
PYTHON = """#!/bin/sh
echo '{{"check": "torch", "state": "passed", "torch": "2.4.1", "devices": []}}'
echo '{{"check": "gemm", "state": "began"}}'
echo "asked $*, $NCCL_MIN_NCHANNELS channels"
"""

StartNode = Callable[[], Awaitable[Room]]


@pytest.fixture
def smi(tmp_path: Path) -> FakeSmi:
    smi = FakeSmi(tmp_path / "bin")
    smi.answer(json=HCU_JSON, fields="HCU[0] : Driver version: 6.3.8\n")
    return smi


@pytest.fixture
def start_node(start_room: StartRoom, smi: FakeSmi, tmp_path: Path) -> StartNode:
    python = tmp_path / "python"
    python.write_text(PYTHON.format(), encoding="utf-8")
    python.chmod(0o755)

    async def start() -> Room:
        path = f"{smi.path.parent}{os.pathsep}{os.environ['PATH']}"
        variables = {"PATH": path, "SISHU_ENGINE_PYTHON": str(python), "SISHU_TRAINER_SAMPLE_SECONDS": "0.5"}
        return await start_room("trainer", env=variables)

    return start


async def node_of(client: Client) -> pb.TrainerNode:
    return (await client.trainer_node.GetTrainerNode(GetTrainerNodeRequest())).trainer_node


async def until(client: Client, check: Callable[[pb.TrainerNode], bool]) -> pb.TrainerNode:
    async def there() -> bool:
        return check(await node_of(client))

    await eventually(there, WAIT_SECONDS)
    return await node_of(client)


async def metrics_of(room: Room) -> dict[str, str]:
    async with httpx.AsyncClient(trust_env=False) as http:
        text = (await http.get(f"http://{HOST}:{room.metrics_port}/metrics")).text
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))


async def test_a_hanging_tool_leaves_its_last_values_and_says_so(
    start_node: StartNode, own_client: Client, smi: FakeSmi
) -> None:
    room = await start_node()
    node = await until(own_client, lambda node: bool(node.accelerators))
    assert (node.host, node.tool, node.accelerators[0].name) == (socket.gethostname(), "hy-smi", "K100_AI")
    smi.pause(600)
    node = await until(own_client, lambda node: node.stale and bool(node.failure_reason))
    assert (node.failure_reason, node.accelerators[0].power_watts) == ("timeout", 113)
    values = await metrics_of(room)
    host = f'host="{socket.gethostname()}"'
    assert values[f"sishu_trainer_device_sample_stale{{{host}}}"] == "1.0"
    assert values[f'sishu_trainer_device_utilization_ratio{{device="0",{host}}}'] == "0.125"
    assert float(values[f'sishu_trainer_device_sample_failures_total{{{host},reason="timeout"}}']) > 0
    nodes = await own_client.trainer_node.ListTrainerNodes(ListTrainerNodesRequest())
    assert [(one.host, one.stale) for one in nodes.trainer_nodes] == [(socket.gethostname(), True)]
    smi.pause(0)
    node = await until(own_client, lambda node: not node.stale and not node.failure_reason)
    assert node.age_seconds < WAIT_SECONDS


async def test_a_probe_asks_the_engines_python_and_spares_devices_that_a_run_has(
    start_node: StartNode, own_client: Client, stores: Stores
) -> None:
    await start_node()
    probe = (await own_client.trainer_node.ProbeTrainerNode(ProbeTrainerNodeRequest())).probe
    assert (probe.driver_version, probe.torch_version, probe.busy) == ("6.3.8", "2.4.1", False)
    assert probe.checks[-1].name == "gemm"
    assert probe.checks[-1].message.endswith("--device auto, 16 channels")
    assert probe.environment["NCCL_MIN_NCHANNELS"] == "16"
    assert {"PROBE_ENDED", "TORCH_SEES_NO_DEVICE"} <= {one.reason for one in probe.advice}
    async with stores.pool("trainer") as pool:
        lease = Lease(pool, Claimant(new_id(), socket.gethostname(), 600.0), new_id())
        assert await lease.take(("cuda",), 1)
    probe = (await own_client.trainer_node.ProbeTrainerNode(ProbeTrainerNodeRequest())).probe
    assert probe.busy
    assert probe.checks[-1].message.endswith("--device auto --facts, 16 channels")
    assert "NODE_BUSY" in {one.reason for one in probe.advice}
