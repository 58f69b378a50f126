from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from services.inference import preflight
from services.inference.deployments import DeploymentOptions
from services.inference.preflight import PROGRAM_BYTES, check_memory, weight_bytes
from services.runtime.errors import ResourceExhausted


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_file({"a": torch.zeros(1000, 1000, dtype=torch.bfloat16)}, tmp_path / "model-1.safetensors")
    save_file({"b": torch.zeros(1000, 1000, dtype=torch.bfloat16)}, tmp_path / "model-2.safetensors")
    return tmp_path


def test_a_model_larger_than_the_free_memory_is_refused(folder: Path) -> None:
    size = weight_bytes(folder, "")
    assert 4_000_000 <= size < 4_001_000
    check_memory(folder, DeploymentOptions(device="cpu"), size + PROGRAM_BYTES)
    with pytest.raises(ResourceExhausted) as refused:
        check_memory(folder, DeploymentOptions(device="cpu"), size + PROGRAM_BYTES - 1)
    assert refused.value.reason == "OUT_OF_MEMORY"
    assert refused.value.metadata["needed_bytes"] == str(size + PROGRAM_BYTES)


def test_the_precision_decides_how_much_the_same_files_take(folder: Path) -> None:
    size = weight_bytes(folder, "")
    assert weight_bytes(folder, "bf16") == size
    assert weight_bytes(folder, "fp32") == 2 * size
    save_file({"a": torch.zeros(10)}, folder / "model-1.safetensors")
    assert weight_bytes(folder, "bf16") == weight_bytes(folder, "fp32") // 2


def test_a_broken_file_is_left_to_the_engine_and_a_card_to_its_own_memory(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (folder / "model-1.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0not json")
    assert weight_bytes(folder, "fp32") < 3_000_000
    monkeypatch.setattr(preflight, "ACCELERATORS", (tmp_path,))
    check_memory(folder, DeploymentOptions(), 1)
    with pytest.raises(ResourceExhausted):
        check_memory(folder, DeploymentOptions(device="cpu"), 1)
