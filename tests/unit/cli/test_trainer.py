"""What `sishu trainer` prints."""

from __future__ import annotations

import json

import pytest

from sishu.cli.output import CONSOLE
from sishu.cli.settings import SETTINGS
from sishu.cli.trainer import print_node, print_probe
from sishu.trainer.v1 import trainer_node_pb2 as pb

GIB = 2**30
CARDS = [
    pb.Accelerator(
        index=0,
        name="K100_AI",
        utilization=0.125,
        memory_used_bytes=32 * GIB,
        memory_total_bytes=64 * GIB,
        temperature_celsius=60,
        power_watts=113,
        power_limit_watts=400,
    ),
    pb.Accelerator(index=1),
]
PROBE = pb.NodeProbe(
    host="node",
    python="/opt/python",
    driver_version="6.3.8",
    dtk_version="25.04",
    torch_version="2.4.1",
    library_versions={"python": "3.10.12", "peft": "0.15.1"},
    devices=[pb.ProbedDevice(name="K100_AI", architecture="gfx928", memory_bytes=64 * GIB, gemm_flops=98e12)],
    gather_speed=pb.GatherSpeed(backend="nccl", ranks=8, bytes_per_second=14.8e9),
    checks=[
        pb.NodeCheck(name="bf16", outcome=pb.NODE_CHECK_OUTCOME_PASSED),
        pb.NodeCheck(name="flash_attn", outcome=pb.NODE_CHECK_OUTCOME_ABSENT, message="not installed"),
    ],
    advice=[pb.NodeAdvice(reason="NODE_BUSY", message="a run has the devices")],
    backends=["nccl", "gloo"],
    environment={"NCCL_MIN_NCHANNELS": "16"},
)


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CONSOLE, "width", 200)


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_a_node_is_a_table_of_its_cards_and_says_when_they_are_old(
    capsys: pytest.CaptureFixture[str],
) -> None:
    node = pb.TrainerNode(host="node", tool="hy-smi", age_seconds=20.4, stale=True, accelerators=CARDS)
    node.failure_message = "hy-smi gave no answer"
    print_node(node)
    printed = lines(capsys)
    assert "seen 20 s ago: old values, as nobody answers" in printed
    assert "trouble hy-smi gave no answer" in printed
    assert "0 K100_AI 12% 32.0 / 64.0 GiB 60 °C 113 / 400 W" in printed
    assert "1" in printed


def test_a_node_without_a_tool_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    print_node(pb.TrainerNode(host="node"))
    assert "told by nobody: there is no hy-smi, rocm-smi, nvidia-smi or NVML" in lines(capsys)


def test_a_probe_is_facts_checks_and_advice(capsys: pytest.CaptureFixture[str]) -> None:
    print_probe(PROBE)
    printed = lines(capsys)
    for line in (
        "python 3.10.12 (/opt/python)",
        "driver 6.3.8",
        "DTK 25.04",
        "packages peft 0.15.1",
        "card 0 K100_AI, gfx928, 64.0 GiB, GEMM 98.0 TFLOPS",
        "collectives nccl, gloo",
        "all-gather nccl × 8, 14.80 GB/s",
        "NCCL_MIN_NCHANNELS 16",
        "bf16 works",
        "flash_attn absent: not installed",
        "• a run has the devices",
    ):
        assert line in printed


def test_programs_get_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SETTINGS, "json", True)
    print_probe(PROBE)
    print_node(pb.TrainerNode(host="node"))
    probe, node = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (probe["dtk_version"], node["host"]) == ("25.04", "node")
