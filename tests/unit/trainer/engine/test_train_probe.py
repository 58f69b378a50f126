"""The engine's own part of a probe, on the CPU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from services.trainer.engine import probe, probe_peers

CPU = torch.device("cpu")


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_facts_use_no_device(capsys: pytest.CaptureFixture[str]) -> None:
    assert probe.main(["--facts"]) == 0
    lines = told(capsys)
    assert [(one["check"], one["state"]) for one in lines] == [
        ("libraries", "began"),
        ("libraries", "passed"),
        ("torch", "began"),
        ("torch", "passed"),
    ]
    assert lines[-1]["torch"] == torch.__version__


def test_bf16_and_attention_are_held_against_fp32() -> None:
    assert probe.bf16(CPU)["error"] < 0.01
    assert probe.sdpa(CPU, "math")["error"] < 1e-3


def test_what_is_missing_is_absent_and_what_fails_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(probe.Absent, match="not installed"):
        probe._imported("no_such_package_anywhere")

    def fails() -> dict[str, object]:
        raise RuntimeError("HIP error: invalid device function\nmore")

    monkeypatch.setattr(probe, "_on_device", lambda _: [("bf16", fails)])
    assert probe.main([]) == 0
    assert told(capsys)[-1] == {
        "check": "bf16",
        "state": "failed",
        "message": "RuntimeError: HIP error: invalid device function",
    }


def test_a_product_that_is_wrong_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.half)
    with pytest.raises(ArithmeticError, match="1e30 x 1e6 is inf"):
        probe.bf16(CPU)


def test_a_rate_of_products_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "GEMM_SECONDS", 0.01)
    monkeypatch.setattr(probe, "GEMM_SIZES", {"cpu": 64})
    found = probe.gemm(CPU)
    assert (found["size"], len(found["flops"])) == (64, 1)
    assert found["flops"][0] > 1e6


def test_the_toolkits_release_is_read_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROCM_PATH", raising=False)
    assert probe.dtk_version((str(tmp_path / "none"),)) == ""
    (tmp_path / ".dtk_version").write_text("25.04.1\n")
    assert probe.dtk_version((str(tmp_path / ".dtk_version"),)) == "25.04.1"
    monkeypatch.setenv("ROCM_PATH", str(tmp_path))
    assert probe.dtk_version(()) == "25.04.1"


@pytest.mark.full
def test_two_processes_gather_by_gloo() -> None:
    found = probe_peers.meet("gloo", 2)
    assert (found["backend"], found["ranks"], found["bytes"]) == ("gloo", 2, 4 * 2**20)
    assert found["bytes_per_second"] > 1e5


@pytest.mark.full
def test_a_meeting_that_fails_or_hangs_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match=r"process . of 2 ended with"):
        probe_peers.meet("no such backend", 2)
    monkeypatch.setattr(probe_peers, "SECONDS", 0.5)
    with pytest.raises(TimeoutError, match="did not gather"):
        probe_peers.meet("gloo", 2)
