"""What a probe finds, whatever becomes of the program that does it, and what it means in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.trainer.node.accelerators import Accelerator
from services.trainer.node.advice import LOOKS, advise
from services.trainer.node.convert import node_to_pb, probe_to_pb
from services.trainer.node.dcu_environment import VARIABLES, is_dcu_node, run_environment
from services.trainer.node.probing import Check, Probe, Prober, checks_of, driver_version
from services.trainer.node.programs import Programs
from services.trainer.node.sampler import Sample, Sampler
from services.trainer.presets import PRESETS
from sishu.cli.failures import SENTENCES, in_words, needs
from sishu.trainer.v1 import trainer_node_pb2 as pb
from tests.support.fake_smi import HCU_JSON, FakeSmi

CARDS = tuple(
    Accelerator(index, "K100_AI", 0.0, 2 * 2**20, 65520 * 2**20, 2 / 65520, 41.0, 80.0, 400.0)
    for index in range(8)
)
DEVICES = [
    {"index": index, "name": "K100_AI", "memory_bytes": 65520 * 2**20, "architecture": "gfx928"}
    for index in range(8)
]
LIBRARIES = dict.fromkeys(("transformers", "peft", "safetensors", "deepspeed", "flash_attn"), "1")
FOUND: dict[str, dict[str, Any]] = {
    "libraries": {"python": "3.10.12", "dtk": "25.04", "versions": LIBRARIES},
    "torch": {
        "torch": "2.4.1+das.opt2.dtk2504",
        "hip": "6.3.26113",
        "cuda": "",
        "devices": DEVICES,
        "nccl": True,
        "gloo": True,
    },
    "bf16": {"native": True, "error": 0.002},
    "sdpa_flash": {"error": 0.001},
    "sdpa_efficient": {"error": 0.001},
    "sdpa_math": {"error": 0.001},
    "gemm": {"size": 8192, "dtype": "bfloat16", "flops": [98e12] * 8},
    "all_gather": {"backend": "nccl", "ranks": 8, "bytes": 1, "bytes_per_second": 14.8e9},
    "bitsandbytes": {"error": 0.1},
}
NODE = Probe(
    host="node",
    python="/usr/bin/python3",
    checks=tuple(Check(name, "passed", "", found) for name, found in FOUND.items()),
    sample=Sample(CARDS, "hy-smi", 1.0),
    driver="6.3.8",
    time=1.0,
)


def with_check(name: str, outcome: str = "passed", message: str = "", **found: Any) -> Probe:
    """The node, with another end of one check."""
    changed = Check(name, outcome, message, {**FOUND[name], **found} if outcome == "passed" else {})
    return replace(NODE, checks=tuple(changed if one.name == name else one for one in NODE.checks))


def test_of_a_sound_node_there_is_only_a_forecast_and_it_is_that_of_the_presets() -> None:
    (advice,) = advise(NODE)
    assert advice.reason == "ZERO3_FORECAST"
    for name, preset in PRESETS.items():
        assert f"{name} {preset.tokens_per_second:,.0f}" in advice.message


CASES: list[tuple[Probe, str, str]] = [
    (
        with_check("sdpa_math", "ended", "Segmentation fault"),
        "PROBE_ENDED",
        "in sdpa_math (Segmentation fault)",
    ),
    (with_check("torch", "failed", "ImportError: libgalaxyhip"), "TORCH_MISSING", "libgalaxyhip"),
    (with_check("torch", devices=[]), "TORCH_SEES_NO_DEVICE", "hy-smi sees 8 cards, and torch 2.4.1+das"),
    (replace(with_check("torch", devices=[]), sample=Sample()), "NO_ACCELERATOR", "on the CPU"),
    (replace(NODE, is_busy=True), "NODE_BUSY", "a run has the devices"),
    (
        replace(NODE, sample=replace(NODE.sample, reason="timeout", message="hy-smi gave no answer")),
        "TELEMETRY_SILENT",
        "hy-smi gave no answer",
    ),
    (
        replace(NODE, sample=Sample((replace(CARDS[0], memory_share=0.4),), "hy-smi", 1.0)),
        "MEMORY_TAKEN",
        "of card 0 40%",
    ),
    (replace(NODE, driver="6.2.10"), "DRIVER_TOO_OLD", "DTK 25.04 needs driver 6.2.26"),
    (
        with_check("torch", torch="2.4.1+das.opt2.dtk2404"),
        "TORCH_FOR_OTHER_DTK",
        "another release than DTK 25.04",
    ),
    (with_check("bf16", "failed", "ArithmeticError: wrong"), "BF16_WRONG", "--precision fp32"),
    (with_check("bf16", native=False), "BF16_SLOW", "not native"),
    (
        with_check("all_gather", "failed", "TimeoutError: 8 processes"),
        "COLLECTIVE_FAILED",
        "NCCL_P2P_DISABLE=1",
    ),
    (
        with_check("libraries", versions={name: "1" for name in LIBRARIES if name != "peft"}),
        "LIBRARY_MISSING",
        "has no peft",
    ),
    (
        with_check("libraries", versions={name: "1" for name in LIBRARIES if name != "deepspeed"}),
        "DEEPSPEED_MISSING",
        "--deepspeed-stage",
    ),
    (with_check("bitsandbytes", "absent", "not installed"), "BITSANDBYTES_MISSING", "--quantization-bits"),
    (with_check("sdpa_flash", "absent", "No available kernel"), "FLASH_MISSING", "matters little"),
    (with_check("gemm", flops=[50e12] * 8), "GEMM_SLOW", "50 of the 196 TFLOPS"),
    (with_check("gemm", flops=[98e12] * 7 + [60e12]), "CARD_SLOW", "card 7 computes at 61%"),
]


@pytest.mark.parametrize(("probe", "reason", "words"), CASES, ids=[reason for _, reason, _ in CASES])
def test_what_is_wrong_is_said_in_words_of_both_languages(probe: Probe, reason: str, words: str) -> None:
    found = {advice.reason: advice for advice in advise(probe)}
    assert words in found[reason].message
    chinese = in_words(reason, found[reason].message, found[reason].metadata, "zh")
    assert chinese != found[reason].message
    assert all(needs(one) <= found[reason].metadata.keys() for one in SENTENCES[reason])


def test_every_look_has_a_case() -> None:
    seen = {advice.reason for probe, _, _ in CASES for advice in advise(probe)}
    assert seen == {reason for _, reason, _ in CASES} | {"ZERO3_FORECAST"}
    assert len(LOOKS) == 10


def test_of_nothing_nothing_is_said_that_was_not_seen() -> None:
    empty = replace(NODE, checks=(), sample=Sample(), driver="")
    assert advise(empty) == []
    assert probe_to_pb(empty, []).torch_version == ""


def test_a_probe_goes_out_whole() -> None:
    sent = probe_to_pb(NODE, advise(NODE))
    assert (sent.dtk_version, sent.hip_version, sent.driver_version) == ("25.04", "6.3.26113", "6.3.8")
    assert (len(sent.devices), sent.devices[7].architecture, sent.devices[7].gemm_flops) == (
        8,
        "gfx928",
        98e12,
    )
    assert (sent.gather_speed.backend, sent.gather_speed.bytes_per_second) == ("nccl", 14.8e9)
    assert list(sent.backends) == ["nccl", "gloo"]
    assert {one.outcome for one in sent.checks} == {pb.NODE_CHECK_OUTCOME_PASSED}
    assert sent.library_versions["python"] == "3.10.12"
    node = node_to_pb("h", replace(NODE.sample, is_stale=True))
    assert (node.stale, node.accelerators[0].power_watts, len(node.accelerators)) == (True, 80.0, 8)
    bare = node_to_pb("h", Sample((Accelerator(1),), "hy-smi", 1.0)).accelerators[0]
    assert not bare.HasField("utilization")


def line(name: str, state: str, **found: Any) -> str:
    return json.dumps({"check": name, "state": state, **found})


def test_the_check_in_which_the_program_ended_is_named_with_its_last_words() -> None:
    lines = [
        line("torch", "began"),
        "a warning",
        line("torch", "passed", torch="2.4.1"),
        line("bf16", "began"),
        "Segmentation fault",
        '{"check": "bf',
    ]
    first, second = checks_of([*lines[:-1], ""])
    assert (first.outcome, first.found, second.name, second.outcome) == (
        "passed",
        {"torch": "2.4.1"},
        "bf16",
        "ended",
    )
    assert second.message == "Segmentation fault"
    (nothing,) = checks_of(["No module named services"])
    assert (nothing.name, nothing.outcome, nothing.message) == ("start", "ended", "No module named services")


MakeProber = Callable[..., Prober]


@pytest.fixture
def make_prober(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeProber:
    smi = FakeSmi(tmp_path / "bin")
    smi.answer(json=HCU_JSON, fields="HCU[0] : Driver version: 6.3.8\n")
    monkeypatch.setenv("PATH", str(smi.path.parent))
    monkeypatch.setenv("SISHU_S3_SECRET_KEY", "secret")

    def make(script: str, seconds: float = 60) -> Prober:
        python = tmp_path / "python"
        python.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n", encoding="utf-8")
        python.chmod(0o755)
        return Prober(python, "auto", Sampler(5, Programs(60)), {"NCCL_MIN_NCHANNELS": "16"}, seconds)

    return make


async def test_the_engines_python_is_asked_with_what_runs_get(make_prober: MakeProber) -> None:
    said = line("torch", "passed", torch="X", devices=[]).replace(
        "X", "$NCCL_MIN_NCHANNELS$SISHU_S3_SECRET_KEY $*"
    )
    prober = make_prober("cat <<EOF\n" + said + "\nEOF")
    found = await prober.probe(is_busy=False)
    told = "16 -m services.trainer.engine.probe --device auto"
    assert found.found("torch", "torch") == told
    assert (found.driver, found.sample.tool, len(found.sample.accelerators)) == ("6.3.8", "hy-smi", 2)
    assert (await prober.probe(is_busy=True)).found("torch", "torch") == f"{told} --facts"


async def test_of_a_probe_that_hangs_what_it_said_is_kept(make_prober: MakeProber) -> None:
    prober = make_prober(
        f"echo '{line('torch', 'passed')}'\necho '{line('gemm', 'began')}'\nsleep 600", seconds=1.0
    )
    found = await prober.probe(is_busy=False)
    gemm = found.check("gemm")
    assert gemm is not None and gemm.outcome == "ended"
    assert "PROBE_ENDED" in {advice.reason for advice in advise(found)}


async def test_where_no_tool_says_the_driver_none_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert await driver_version(Programs(5)) == ""
    nvidia = FakeSmi(tmp_path / "bin", "nvidia-smi")
    nvidia.answer(csv="550.54.15\n550.54.15\n")
    monkeypatch.setenv("PATH", str(nvidia.path.parent))
    assert await driver_version(Programs(60)) == "550.54.15"


def test_a_run_on_a_dcu_gets_variables_that_the_operator_did_not_set() -> None:
    assert run_environment({}, is_dcu=False) == {}
    assert run_environment({}, is_dcu=True) == VARIABLES
    own = {"HSA_ENABLE_SDMA": "", "NCCL_P2P_LEVEL": "PHB"}
    assert run_environment(own, is_dcu=True).keys() == VARIABLES.keys() - own.keys()


def test_a_dcu_node_is_known_by_its_tool_or_its_toolkit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not is_dcu_node(tmp_path / "dtk")
    FakeSmi(tmp_path)
    assert is_dcu_node(tmp_path / "dtk")
    (tmp_path / "hy-smi").unlink()
    (tmp_path / "dtk").mkdir()
    assert is_dcu_node(tmp_path / "dtk")
