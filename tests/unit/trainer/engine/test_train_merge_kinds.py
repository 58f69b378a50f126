"""Adapters of every kind that peft makes of layers, merged or refused, against what peft itself computes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel

from services.trainer.engine import merge_plan, merging, releases, shards
from services.trainer.engine.errors import BaseModelError, DeviceError, DiskFullError, MergeError
from services.trainer.engine.merge import main
from services.trainer.engine.merging import device_of, merge
from tests.support.small_disks import mounted
from tests.unit.trainer.engine.tiny import adapters

pytestmark = [
    # peft 0.21 asks transformers 5.23 by a name that transformers is about to drop.
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning"),
    # It also warns of what is tied, which is what these tests are about.
    pytest.mark.filterwarnings("ignore::UserWarning:peft"),
]


def write_adapter(base: Path, folder: Path, **options: Any) -> Path:
    """An adapter of peft whose every weight matters."""
    torch.manual_seed(3)
    config = LoraConfig(**{"r": 4, "lora_alpha": 8, "task_type": "CAUSAL_LM", **options})
    adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    with torch.no_grad():
        for weight in adapters(adapted).values():
            weight.add_(torch.randn(weight.shape) * 0.1)
    adapted.save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="session")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose layers keep their weights the other way round, and whose head is its embeddings."""
    folder = tmp_path_factory.mktemp("models") / "tiny-gpt2"
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=300, n_positions=128, n_embd=32, n_layer=2, n_head=2, initializer_range=0.2
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


@pytest.fixture
def bases(base_model: Path, gpt2: Path) -> dict[str, Path]:
    return {"llama": base_model, "gpt2": gpt2}


@torch.no_grad()
def logits_of(folder: Path, adapter: Path | None = None) -> torch.Tensor:
    causal = AutoModelForCausalLM.from_pretrained(folder, **{releases.dtype_option(): torch.float32})
    network = PeftModel.from_pretrained(causal, adapter) if adapter else causal
    found: torch.Tensor = network.eval()(input_ids=torch.arange(40)[None]).logits
    return found


LLAMA = ["q_proj", "v_proj", "down_proj"]
GPT2 = ["c_attn", "c_proj", "c_fc"]
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "rank_pattern": ("llama", {"target_modules": LLAMA, "rank_pattern": {"layers.1.self_attn.q_proj": 2}}),
    "alpha_pattern": ("llama", {"target_modules": LLAMA, "alpha_pattern": {"v_proj": 32}}),
    "patterns and rsLoRA": (
        "llama",
        {
            "target_modules": LLAMA,
            "rank_pattern": {"q_proj": 2},
            "alpha_pattern": {r"layers\.0\..*q_proj": 64},
            "use_rslora": True,
        },
    ),
    "modules_to_save": (
        "llama",
        {"target_modules": LLAMA, "modules_to_save": ["lm_head", "input_layernorm"]},
    ),
    "head": ("llama", {"target_modules": [*LLAMA, "lm_head"]}),
    "embeddings": ("llama", {"target_modules": [*LLAMA, "embed_tokens"]}),
    "DoRA of embeddings": ("llama", {"target_modules": [*LLAMA, "embed_tokens"], "use_dora": True}),
    "Conv1D": ("gpt2", {"target_modules": GPT2, "fan_in_fan_out": True}),
    "Conv1D and DoRA": ("gpt2", {"target_modules": GPT2, "fan_in_fan_out": True, "use_dora": True}),
    "biases": ("gpt2", {"target_modules": GPT2, "fan_in_fan_out": True, "bias": "all"}),
    "LoRA's own biases": ("gpt2", {"target_modules": GPT2, "fan_in_fan_out": True, "lora_bias": True}),
    "tied head": ("gpt2", {"target_modules": [*GPT2, "lm_head"], "fan_in_fan_out": True}),
    "tied embeddings": ("gpt2", {"target_modules": [*GPT2, "wte"], "fan_in_fan_out": True}),
    "tied head saved": (
        "gpt2",
        {"target_modules": GPT2, "fan_in_fan_out": True, "modules_to_save": ["lm_head"]},
    ),
    "both saved": (
        "gpt2",
        {"target_modules": GPT2, "fan_in_fan_out": True, "modules_to_save": ["wte", "lm_head"]},
    ),
}


OFTEN = {"patterns and rsLoRA", "modules_to_save", "Conv1D and DoRA", "tied head"}
"""What the others do too, taken together."""


@pytest.mark.parametrize(
    "kind", [kind if kind in OFTEN else pytest.param(kind, marks=pytest.mark.full) for kind in KINDS]
)
def test_a_kind_is_merged_as_peft_computes_it(bases: dict[str, Path], tmp_path: Path, kind: str) -> None:
    name, options = KINDS[kind]
    adapter = write_adapter(bases[name], tmp_path / "adapter", **options)
    done = merge(bases[name], adapter, tmp_path / "merged", "fp32")
    assert done.logit_error < 1e-5
    assert done.exact_error < 1e-5
    assert done.adapter_effect > 0.01
    wanted, found = logits_of(bases[name], adapter), logits_of(tmp_path / "merged")
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)


def test_a_head_that_nothing_changes_stays_tied(gpt2: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"fan_in_fan_out": True, "target_modules": GPT2}
    merge(gpt2, write_adapter(gpt2, tmp_path / "layers", **options), tmp_path / "tied", "fp32")
    assert "lm_head.weight" not in load_file(tmp_path / "tied" / "model.safetensors")
    options["target_modules"] = [*GPT2, "lm_head"]
    merge(gpt2, write_adapter(gpt2, tmp_path / "head", **options), tmp_path / "untied", "fp32")
    weights = load_file(tmp_path / "untied" / "model.safetensors")
    assert not torch.equal(weights["lm_head.weight"], weights["transformer.wte.weight"])
    assert not json.loads((tmp_path / "untied" / "config.json").read_bytes())["tie_word_embeddings"]


def test_an_update_smaller_than_rounding_cannot_get_lost(
    base_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = write_adapter(base_model, tmp_path / "adapter", target_modules=["q_proj"], lora_alpha=1, r=16)
    done = merge(base_model, adapter, tmp_path / "merged", "bf16")
    assert done.exact_error < 1e-5 < done.adapter_effect < merging.TOLERANCES["bf16"]
    monkeypatch.setattr(merge_plan.Update, "applied", lambda _, weight: weight)
    with pytest.raises(MergeError, match="also before rounding"):
        merge(base_model, adapter, tmp_path / "lost", "bf16")


def change(adapter: Path, **changes: Any) -> None:
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **changes}))


def rename(adapter: Path, old: str, new: str) -> None:
    path = adapter / "adapter_model.safetensors"
    save_file({name.replace(old, new): each for name, each in load_file(path).items()}, path)


def widen(adapter: Path) -> None:
    path = adapter / "adapter_model.safetensors"
    weights = load_file(path)
    for name in weights:
        if name.endswith("lm_head.weight"):
            weights[name] = torch.cat([weights[name], weights[name]])
    save_file(weights, path)


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "another kind": (lambda folder: change(folder, peft_type="IA3"), "peft_type is IA3"),
    "replicated layers": (
        lambda folder: change(folder, layer_replication=[[0, 2]]),
        "layer_replication is set",
    ),
    "experts": (lambda folder: change(folder, target_parameters=["experts"]), "target_parameters is set"),
    "another base": (lambda folder: change(folder, init_lora_weights="pissa"), "init_lora_weights is pissa"),
    "no such layer": (lambda folder: rename(folder, "layers.1", "layers.7"), r"no tensor model\.layers\.7\."),
    "half a pair": (lambda folder: rename(folder, "lora_B", "lora_C"), "which is no part of LoRA"),
    "no layer": (lambda folder: rename(folder, "self_attn.q_proj", "input_layernorm"), "is a LlamaRMSNorm"),
    "another shape": (lambda folder: rename(folder, "q_proj", "v_proj"), "the base's weight"),
    "another vocabulary": (widen, "trained with another vocabulary"),
    "no file": (lambda folder: (folder / "adapter_model.safetensors").unlink(), "cannot read"),
    "half a file": (lambda folder: (folder / "adapter_model.safetensors").write_bytes(b"{}"), "cannot read"),
}


@pytest.fixture(scope="session")
def plain_adapter(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapters") / "plain"
    return write_adapter(base_model, folder, target_modules=["q_proj"], modules_to_save=["lm_head"])


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_merged_is_refused_before_anything_is_written(
    base_model: Path, plain_adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    spoil, message = REFUSED[case]
    adapter = shutil.copytree(plain_adapter, tmp_path / "adapter")
    spoil(adapter)
    monkeypatch.setattr(merging, "new_folder", None)
    with pytest.raises(BaseModelError, match=message):
        merge(base_model, adapter, tmp_path / "merged")
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]


def test_a_quantized_base_is_refused(base_model: Path, plain_adapter: Path, tmp_path: Path) -> None:
    base = shutil.copytree(base_model, tmp_path / "base")
    config = json.loads((base / "config.json").read_bytes())
    (base / "config.json").write_text(json.dumps({**config, "quantization_config": {"quant_method": "gptq"}}))
    with pytest.raises(BaseModelError, match="is quantized"):
        merge(base, plain_adapter, tmp_path / "merged")


def test_the_tokenizer_of_an_adapter_that_has_one_is_taken(
    base_model: Path, plain_adapter: Path, tokenizer: Any, tmp_path: Path
) -> None:
    adapter = shutil.copytree(plain_adapter, tmp_path / "adapter")
    other = AutoTokenizer.from_pretrained(base_model)
    other.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    other.save_pretrained(adapter)
    merge(base_model, adapter, tmp_path / "merged")
    assert AutoTokenizer.from_pretrained(tmp_path / "merged").chat_template == other.chat_template
    other.add_tokens([f"<extra {number}>" for number in range(100)])
    other.save_pretrained(adapter)
    with pytest.raises(BaseModelError, match="its tokenizer has"):
        merge(base_model, adapter, tmp_path / "wide")


def test_a_full_disk_is_told_before_anything_is_written(
    base_model: Path, plain_adapter: Path, tmp_path: Path
) -> None:
    with mounted(tmp_path / "small", "64k") as disk:
        with pytest.raises(DiskFullError, match="the merged model needs"):
            merge(base_model, plain_adapter, disk / "merged")
        assert not list(disk.iterdir())


@pytest.mark.parametrize("most", [9_000, 20_000, 33_333, 10**9])
def test_no_file_is_larger_than_it_may_be(tmp_path: Path, most: int) -> None:
    torch.manual_seed(0)
    content: dict[str, torch.Tensor] = {f"layer.{i}.weight": torch.randn(i % 7 + 1, 100) for i in range(40)}
    content |= {
        "mask": torch.tensor([True, False, True]),
        "half": torch.randn(5).bfloat16(),
        "one": torch.tensor(3),
    }
    wanted = [shards.Tensor(name, tuple(each.shape), each.dtype) for name, each in content.items()]
    parts = shards.split(wanted, most)
    shards.write_shards(tmp_path, parts, lambda name: content[name])
    files = sorted(tmp_path.glob("*.safetensors"))
    assert len(files) == len(parts)
    assert all(path.stat().st_size <= most for path in files)
    found = {name: each for path in files for name, each in load_file(path).items()}
    assert found.keys() == content.keys()
    assert all(torch.equal(found[name], content[name]) for name in content)
    # None could take the first tensor of the next one too.
    for path, following in zip(files, parts[1:], strict=False):
        assert path.stat().st_size + following[0].size + 200 > most


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a device")
def test_a_device_that_is_not_there_is_told(
    base_model: Path, plain_adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("cuda", "cuda:7", "toaster"):
        with pytest.raises(DeviceError, match=f"device: cannot use {name}"):
            device_of(name)
    assert device_of("auto") == device_of("cpu") == torch.device("cpu")
    words = [str(base_model), str(plain_adapter), str(tmp_path / "merged"), "--device", "cuda"]
    assert main(words) == 2
    assert "use auto or cpu" in capsys.readouterr().err
