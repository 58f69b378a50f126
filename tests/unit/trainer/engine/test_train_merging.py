from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from services.trainer.engine import merge_plan, merging, releases
from services.trainer.engine.errors import BaseModelError, MergeError
from services.trainer.engine.merge import main
from services.trainer.engine.merging import TOLERANCES, merge
from tests.unit.trainer.engine.tiny import adapters

# peft 0.21 asks transformers 5.23 by a name that transformers is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")


def write_adapter_of(base: Path, folder: Path, **options: object) -> Path:
    """An adapter, made by peft, that matters."""
    torch.manual_seed(3)
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM", **options)  # type: ignore[arg-type]
    adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    with torch.no_grad():
        for name, weight in adapters(adapted).items():
            if "lora_B" in name:
                weight.copy_(torch.randn(weight.shape) * 0.1)
            if "magnitude" in name:
                weight.mul_(1 + 0.2 * torch.rand(weight.shape))
    adapted.save_pretrained(str(folder))
    return folder


@pytest.fixture
def adapter(base_model: Path, tmp_path: Path) -> Path:
    return write_adapter_of(base_model, tmp_path / "adapter")


@torch.no_grad()
def logits_of(folder: Path, adapter: Path | None = None) -> torch.Tensor:
    causal = AutoModelForCausalLM.from_pretrained(folder, **{releases.dtype_option(): torch.float32})
    network = PeftModel.from_pretrained(causal, adapter) if adapter else causal
    found: torch.Tensor = network(input_ids=torch.arange(40)[None]).logits
    return found


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_merged_model_computes_what_base_and_adapter_compute(
    base_model: Path, adapter: Path, tmp_path: Path, precision: str
) -> None:
    done = merge(base_model, adapter, tmp_path / "merged", precision)
    assert done.files == 1
    assert done.logit_error <= TOLERANCES[precision]
    assert done.adapter_effect > 0.1
    wanted, found = logits_of(base_model, adapter), logits_of(tmp_path / "merged")
    assert float((found - wanted).norm() / wanted.norm()) <= TOLERANCES[precision]
    kinds = {tensor.dtype for tensor in load_file(tmp_path / "merged" / "model.safetensors").values()}
    assert kinds == {merging.DTYPES[precision]}
    templates = [
        AutoTokenizer.from_pretrained(path).chat_template for path in (base_model, tmp_path / "merged")
    ]
    assert templates[0] == templates[1]
    told = (tmp_path / "merged" / "Modelfile").read_text(encoding="utf-8")
    assert told.startswith(
        'FROM .\nTEMPLATE """{{ range .Messages }}{{ if eq .Role "system" }}<|im_start|>system\n'
    )
    assert told.endswith('PARAMETER stop "<|im_end|>"\nPARAMETER num_ctx 512\n')


@pytest.mark.parametrize("options", [{"use_rslora": True}, {"use_dora": True}])
def test_other_kinds_of_lora_are_merged_by_their_own_formula(
    base_model: Path, tmp_path: Path, options: dict[str, object]
) -> None:
    folder = write_adapter_of(base_model, tmp_path / "adapter", **options)
    done = merge(base_model, folder, tmp_path / "merged", "fp32")
    assert done.logit_error < 1e-5
    assert done.adapter_effect > 0.1


def test_shards_keep_to_their_size_and_none_is_lost(base_model: Path, adapter: Path, tmp_path: Path) -> None:
    most = 40_000
    done = merge(base_model, adapter, tmp_path / "merged", "fp32", most)
    files = sorted((tmp_path / "merged").glob("*.safetensors"))
    assert done.files == len(files) > 3
    names: list[str] = []
    for path in files:
        tensors = load_file(path)
        assert path.stat().st_size <= most or len(tensors) == 1
        names += tensors
    index = json.loads((tmp_path / "merged" / "model.safetensors.index.json").read_bytes())
    with safe_open(base_model / "model.safetensors", framework="pt") as source:
        assert sorted(names) == sorted(source.keys()) == sorted(index["weight_map"])
    again = merge(tmp_path / "merged", adapter, tmp_path / "twice", "fp32")
    assert again.logit_error < 1e-4


def test_a_merge_that_is_not_right_is_not_there(
    base_model: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge_plan.Update, "applied", lambda _, weight: weight)
    with pytest.raises(MergeError, match="logits differ by"):
        merge(base_model, adapter, tmp_path / "merged", "bf16")
    assert not list(tmp_path.glob("*merged*"))
    (tmp_path / "merged").mkdir()
    with pytest.raises(MergeError, match="is there already"):
        merge(base_model, adapter, tmp_path / "merged")


def test_what_does_not_fit_is_refused(base_model: Path, adapter: Path, tmp_path: Path) -> None:
    weights = load_file(adapter / "adapter_model.safetensors")
    renamed = {name.replace("layers.1.", "layers.7."): tensor for name, tensor in weights.items()}
    save_file(renamed, adapter / "adapter_model.safetensors")
    with pytest.raises(BaseModelError, match=r"no tensor model\.layers\.7\."):
        merge(base_model, adapter, tmp_path / "merged")
    config = json.loads((adapter / "adapter_config.json").read_bytes())
    (adapter / "adapter_config.json").write_text(json.dumps({**config, "peft_type": "IA3"}))
    with pytest.raises(BaseModelError, match="peft_type is IA3"):
        merge(base_model, adapter, tmp_path / "merged")


def test_the_command_says_what_it_did(
    base_model: Path, adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(base_model), str(adapter), str(tmp_path / "merged"), "--precision", "fp32"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["files"] == 1
    assert main(words) == 1
    assert "is there already" in capsys.readouterr().err
