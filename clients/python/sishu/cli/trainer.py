"""`sishu trainer`: the machine that trains, and who trains."""

from __future__ import annotations

from collections.abc import Iterator

import typer

from sishu.cli.context import with_client
from sishu.cli.failures import in_words
from sishu.cli.options import LimitOption
from sishu.cli.output import CONSOLE, as_json, show_fields, show_many
from sishu.cli.run_control import pages
from sishu.cli.settings import SETTINGS
from sishu.cli.tables import WholeTable
from sishu.cli.texts import say
from sishu.client import Client
from sishu.trainer.v1 import trainer_node_pb2 as pb
from sishu.trainer.v1.trainer_node_service_pb2 import (
    GetTrainerNodeRequest,
    ListTrainerNodesRequest,
    ProbeTrainerNodeRequest,
)
from sishu.trainer.v1.worker_pb2 import Worker, WorkerDevice
from sishu.trainer.v1.worker_service_pb2 import ListWorkersRequest

PROBE_SECONDS = 330.0
"""Longer than the service takes at most."""
GIB = 2**30
OUTCOMES = {
    pb.NODE_CHECK_OUTCOME_PASSED: "trainer_passed",
    pb.NODE_CHECK_OUTCOME_FAILED: "trainer_failed",
    pb.NODE_CHECK_OUTCOME_ABSENT: "trainer_absent",
    pb.NODE_CHECK_OUTCOME_ENDED: "trainer_ended",
}

app = typer.Typer(no_args_is_help=True, help=say("trainer"))


@app.command("node", help=say("trainer_node"))
def show_node() -> None:
    """Print what the accelerators say of themselves."""

    async def work(client: Client) -> pb.TrainerNode:
        return (await client.trainer_node.GetTrainerNode(GetTrainerNodeRequest())).trainer_node

    print_node(with_client(work))


@app.command("nodes", help=say("trainer_nodes"))
def list_nodes(limit: LimitOption = 100) -> None:
    """Print what the accelerators of all machines say of themselves."""

    async def work(client: Client) -> list[pb.TrainerNode]:
        request = ListTrainerNodesRequest()
        return await pages(client.trainer_node.ListTrainerNodes, request, "trainer_nodes", limit)

    for node in with_client(work):
        print_node(node)


def print_node(node: pb.TrainerNode) -> None:
    """Print a machine for people, or as JSON."""
    if SETTINGS.json:
        print(as_json(node))
        return
    show_fields(_of_node(node))
    if node.accelerators:
        _show_cards(node)


def _of_node(node: pb.TrainerNode) -> Iterator[tuple[str, str]]:
    yield say("trainer_host"), node.host
    yield say("trainer_tool"), node.tool or say("trainer_no_tool")
    if node.tool:
        told = say("trainer_old") if node.stale else say("trainer_fresh")
        yield say("trainer_age"), told.format(f"{node.age_seconds:.0f}")
    if node.failure_message:
        yield say("trainer_silent"), node.failure_message


def _show_cards(node: pb.TrainerNode) -> None:
    table = WholeTable(box=None, pad_edge=False)
    for name in ("card", "name", "use", "memory", "temperature", "power"):
        table.add_column(say(f"trainer_{name}"))
    for card in node.accelerators:
        table.add_row(
            str(card.index),
            card.name,
            f"{card.utilization:.0%}" if card.HasField("utilization") else "",
            _memory(card),
            f"{card.temperature_celsius:.0f} °C" if card.HasField("temperature_celsius") else "",
            _power(card),
        )
    CONSOLE.print(table, markup=False, highlight=False)


def _memory(card: pb.Accelerator) -> str:
    used = f"{card.memory_used_bytes / GIB:.1f}" if card.HasField("memory_used_bytes") else "?"
    return f"{used} / {card.memory_total_bytes / GIB:.1f} GiB" if card.HasField("memory_total_bytes") else ""


def _power(card: pb.Accelerator) -> str:
    if not card.HasField("power_watts"):
        return ""
    most = f" / {card.power_limit_watts:.0f}" if card.HasField("power_limit_watts") else ""
    return f"{card.power_watts:.0f}{most} W"


@app.command("probe", help=say("trainer_probe"))
def probe() -> None:
    """Try what the engine's Python and the devices can do, and print it with advice."""

    async def work(client: Client) -> pb.NodeProbe:
        request = ProbeTrainerNodeRequest()
        return (await client.trainer_node.ProbeTrainerNode(request, timeout=PROBE_SECONDS)).probe

    print_probe(with_client(work))


def print_probe(found: pb.NodeProbe) -> None:
    """Print a probe for people, or as JSON."""
    if SETTINGS.json:
        print(as_json(found))
        return
    show_fields(_facts(found))
    show_fields(_checks(found))
    for advice in found.advice:
        words = in_words(advice.reason, advice.message, dict(advice.metadata))
        CONSOLE.print(f"• {words}", markup=False, highlight=False, soft_wrap=True)


def _facts(found: pb.NodeProbe) -> Iterator[tuple[str, str]]:
    yield say("trainer_host"), found.host
    yield "python", f"{found.library_versions.get('python', '')} ({found.python})"
    for name, value in (
        (say("trainer_driver"), found.driver_version),
        ("DTK", found.dtk_version),
        ("torch", found.torch_version),
        ("HIP", found.hip_version),
        ("CUDA", found.cuda_version),
    ):
        if value:
            yield name, value
    versions = found.library_versions
    yield say("trainer_libraries"), ", ".join(f"{one} {versions[one]}" for one in versions if one != "python")
    for device in found.devices:
        yield f"{say('trainer_card')} {device.index}", _device(device)
    if found.backends:
        yield say("trainer_backends"), ", ".join(found.backends)
    if found.cpu_gemm_flops:
        yield "GEMM", f"{found.cpu_gemm_flops / 1e9:.0f} GFLOPS, {found.gemm_dtype} (CPU)"
    if found.HasField("gather_speed"):
        yield "all-gather", _gather(found.gather_speed)
    for name, value in sorted(found.environment.items()):
        yield name, value


def _device(device: pb.ProbedDevice) -> str:
    speed = f", GEMM {device.gemm_flops / 1e12:.1f} TFLOPS" if device.gemm_flops else ""
    return f"{device.name}, {device.architecture}, {device.memory_bytes / GIB:.1f} GiB{speed}"


def _gather(speed: pb.GatherSpeed) -> str:
    told = f"{speed.backend} × {speed.ranks}"
    return f"{told}, {speed.bytes_per_second / 1e9:.2f} GB/s" if speed.HasField("bytes_per_second") else told


def _checks(found: pb.NodeProbe) -> Iterator[tuple[str, str]]:
    for check in found.checks:
        outcome = say(OUTCOMES[check.outcome])
        yield check.name, f"{outcome}: {check.message}" if check.message else outcome


@app.command("workers", help=say("trainer_workers"))
def list_workers(limit: LimitOption = 100) -> None:
    """Print the workers, and below their devices."""

    async def work(client: Client) -> list[Worker]:
        return await pages(client.workers.ListWorkers, ListWorkersRequest(), "workers", limit)

    workers = with_client(work)
    show_many(workers, ("id", "host", "process_id", "state", "code_version", "heartbeat_time"))
    if not SETTINGS.json:
        for worker in workers:
            for device in worker.devices:
                line = f"{worker.host} {device_line(device)}"
                CONSOLE.print(line, markup=False, highlight=False, soft_wrap=True)


def device_line(device: WorkerDevice) -> str:
    """A device in a line: what it is, and the run that has it."""
    words = f"{device.id}: {device.name}, {device.memory_bytes / GIB:.1f} GiB"
    return f"{words}, run {device.training_run_id}" if device.training_run_id else words
