from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from services.inference.engine.attention import Segment
from services.inference.engine.kv_cache import GRAIN, KvCache
from services.inference.engine.model import Model, PackedLinear, _packs, load_model, pack_linears, pick_dtype
from services.runtime.errors import SishuError
from tests.unit.inference.engine.tiny import flags


def prompt(seed: int, length: int) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(3, 300, (length,), generator=generator).tolist()


@torch.inference_mode()
def expected(reference: Any, tokens: list[int]) -> torch.Tensor:
    logits: torch.Tensor = reference(input_ids=torch.tensor([tokens])).logits[0, -1]
    return logits


@torch.inference_mode()
def run(model: Model, cache: KvCache, *segments: Segment) -> torch.Tensor:
    cache.reserve(max(s.slot for s in segments) + 1, max(s.end for s in segments))
    return model.logits(model.batch(list(segments), cache))


def test_rows_of_a_batch_equal_single_rows(model: Model, reference: Any) -> None:
    prompts = [prompt(seed, length) for seed, length in enumerate((1, 40, 7, 1, 133))]
    logits = run(model, KvCache(), *(Segment(slot, 0, tokens) for slot, tokens in enumerate(prompts)))
    for row, tokens in zip(logits, prompts, strict=True):
        torch.testing.assert_close(row, expected(reference, tokens), atol=1e-4, rtol=1e-4)


def test_prompts_in_pieces_beside_decoding_rows_equal_single_rows(model: Model, reference: Any) -> None:
    long, short, late = prompt(1, 60), prompt(2, 9), prompt(3, 20)
    cache = KvCache()
    run(model, cache, Segment(0, 0, long[:25]), Segment(3, 0, short[:5]))
    run(model, cache, Segment(3, 5, short[5:6]), Segment(0, 25, long[25:26]), Segment(1, 0, late[:19]))
    logits = run(model, cache, Segment(1, 19, late[19:]), Segment(0, 26, long[26:]), Segment(3, 6, short[6:]))
    for row, tokens in zip(logits, (late, long, short), strict=True):
        torch.testing.assert_close(row, expected(reference, tokens), atol=1e-4, rtol=1e-4)


def test_what_an_earlier_sequence_left_in_a_slot_is_not_seen(model: Model, reference: Any) -> None:
    cache = KvCache()
    run(model, cache, Segment(0, 0, prompt(1, 80)), Segment(1, 0, prompt(2, 80)))
    logits = run(model, cache, Segment(1, 0, prompt(4, 10)))
    torch.testing.assert_close(logits[0], expected(reference, prompt(4, 10)), atol=1e-4, rtol=1e-4)


def test_the_cache_grows_and_keeps_what_it_holds(model: Model, reference: Any) -> None:
    tokens = prompt(5, GRAIN + 20)
    cache = KvCache()
    run(model, cache, Segment(0, 0, tokens[:30]))
    run(model, cache, Segment(0, 30, tokens[30:-1]), Segment(2, 0, prompt(6, 4)))
    assert (cache.slots, cache.length) == (3, 2 * GRAIN)
    logits = run(model, cache, Segment(0, len(tokens) - 1, tokens[-1:]))
    torch.testing.assert_close(logits[0], expected(reference, tokens), atol=1e-4, rtol=1e-4)


def test_a_copied_prefix_serves_another_slot(model: Model, reference: Any) -> None:
    shared, rest = prompt(7, 30), prompt(8, 6)
    cache = KvCache()
    run(model, cache, Segment(0, 0, shared + prompt(9, 5)), Segment(1, 0, prompt(10, 50)))
    with torch.inference_mode():
        cache.copy_prefix(0, 1, len(shared))
    logits = run(model, cache, Segment(1, len(shared), rest))
    torch.testing.assert_close(logits[0], expected(reference, shared + rest), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "family", ["mistral with a sliding window", "qwen2 with biases", "gpt2 with learned positions"]
)
def test_other_architectures_compute_what_transformers_computes(
    family: str, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    sizes: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "initializer_range": 0.2,
    }
    torch.manual_seed(1)
    network: Any
    if family.startswith("mistral"):
        network = MistralForCausalLM(MistralConfig(**sizes, sliding_window=8))
    elif family.startswith("qwen2"):
        network = Qwen2ForCausalLM(Qwen2Config(**sizes))
    else:
        network = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=2))
    network.eval()
    network.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    model = load_model(flags(tmp_path))
    tokens, cache = prompt(11, 40), KvCache()
    logits = run(model, cache, Segment(0, 0, tokens[:30]))
    torch.testing.assert_close(logits[0], expected(network, tokens[:30]), atol=1e-4, rtol=1e-4)
    logits = run(model, cache, Segment(0, 30, tokens[30:39]))
    logits = run(model, cache, Segment(0, 39, tokens[39:]))
    torch.testing.assert_close(logits[0], expected(network, tokens), atol=1e-4, rtol=1e-4)


# peft reads an attribute that transformers renamed.
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_an_adapter_is_merged_into_the_base(folder: Path, reference: Any, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    base = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    torch.manual_seed(2)
    tuned = get_peft_model(
        base, LoraConfig(r=4, lora_alpha=16, target_modules="all-linear", init_lora_weights=False)
    ).eval()
    tuned.save_pretrained(str(tmp_path / "adapter"))
    model = load_model(flags(folder, adapter=tmp_path / "adapter"))
    tokens = prompt(12, 20)
    logits = run(model, KvCache(), Segment(0, 0, tokens))[0]
    torch.testing.assert_close(logits, expected(tuned, tokens), atol=1e-3, rtol=1e-3)
    assert (logits - expected(reference, tokens)).abs().max() > 0.1


def test_a_model_that_caps_its_scores_is_refused(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    config = Gemma2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        attn_logit_softcapping=50.0,
    )
    Gemma2ForCausalLM(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(SishuError, match="cannot serve"):
        load_model(flags(tmp_path))


def test_a_folder_without_weights_or_template_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SishuError, match="No tokenizer"):
        load_model(flags(tmp_path))
    for file in folder.iterdir():
        if file.suffix != ".jinja":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(SishuError, match="no chat template"):
        load_model(flags(tmp_path))


def test_a_stated_precision_is_taken_literally() -> None:
    cpu = torch.device("cpu")
    assert pick_dtype("bf16", cpu) is torch.bfloat16
    assert pick_dtype("fp32", cpu) is torch.float32
    assert pick_dtype("auto", cpu) in (torch.bfloat16, torch.float32)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.inference_mode()
def test_packed_layers_compute_the_same_on_this_cpu(dtype: torch.dtype) -> None:
    torch.manual_seed(3)
    network = nn.Sequential(
        nn.Linear(24, 16, dtype=dtype), nn.ReLU(), nn.Linear(16, 8, bias=False, dtype=dtype)
    )
    inputs = torch.randn(5, 24, dtype=dtype)
    known = network(inputs)
    pack_linears(network)
    packed = [isinstance(network[at], PackedLinear) for at in (0, 2)]
    assert packed == [_packs(dtype)] * 2
    tolerance = 1e-5 if dtype is torch.float32 else 2e-2
    torch.testing.assert_close(network(inputs), known, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("has_kernel", [False, True])
def test_bf16_is_packed_only_where_onednn_has_a_kernel_for_it(
    monkeypatch: pytest.MonkeyPatch, has_kernel: bool
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: has_kernel)
    assert _packs(torch.float32)
    assert _packs(torch.bfloat16) is has_kernel


def test_bf16_stays_close_to_fp32(folder: Path, reference: Any) -> None:
    model = load_model(flags(folder, precision="bf16"))
    tokens = prompt(13, 30)
    logits = run(model, KvCache(), Segment(0, 0, tokens))[0]
    difference = (logits - expected(reference, tokens)).norm() / expected(reference, tokens).norm()
    assert difference < 0.1
