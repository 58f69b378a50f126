"""Shapes are read from config.json as transformers makes models of them."""

from __future__ import annotations

import pytest

from services.trainer.estimating.architectures import UnknownArchitectureError, of_config
from services.trainer.estimating.named_models import NAMES, named_model
from tests.bench.estimate_cases import LLAMA, QWEN2

PARAMETERS = {
    "gpt2": 124_439_808,
    "llama-3.1-8b": 8_030_261_248,
    "mistral-7b": 7_248_023_552,
    "mixtral-8x7b": 46_702_792_704,
    "qwen2.5-0.5b": 494_032_768,
    "qwen2.5-32b": 32_763_876_352,
    "qwen2.5-7b": 7_615_616_512,
    "qwen3-0.6b": 596_049_920,
    "qwen3-30b-a3b": 30_532_122_624,
    "qwen3-8b": 8_190_735_360,
    "smollm2-135m": 134_515_008,
}
"""As published."""


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_named_model_has_as_many_weights_as_published(name: str) -> None:
    model = named_model(name)
    assert model is not None
    assert model.parameters == PARAMETERS[name]


def test_every_name_of_the_table_is_a_model() -> None:
    assert all(named_model(name) for name in NAMES)


def test_names_of_the_hub_mean_the_same_models() -> None:
    names = {
        "Qwen/Qwen2.5-32B-Instruct": "qwen2.5-32b",
        "meta-llama/Llama-3.1-8B-Instruct": "llama-3.1-8b",
        "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B": "deepseek-r1-distill-qwen-32b",
        "mistralai/Mistral-7B-Instruct-v0.3": "mistral-7b",
        "builtin": "smollm2-135m",
    }
    for name, meant in names.items():
        found = named_model(name)
        assert found is not None
        assert found.name == meant
    assert named_model("no-such-model") is None


def test_unknown_layers_are_taken_as_llamas_and_said_to_be() -> None:
    assert of_config({**LLAMA, "model_type": "somellm"}).assumed
    assert not of_config(LLAMA).assumed
    assert of_config({"text_config": QWEN2}).attention_bias
    with pytest.raises(UnknownArchitectureError, match="hidden_size"):
        of_config({"model_type": "llama", "num_attention_heads": 4})


def test_a_mixture_multiplies_a_token_with_its_own_experts_only() -> None:
    model = named_model("mixtral-8x7b")
    assert model is not None
    assert model.multiplied == pytest.approx(12.75e9, rel=1e-3)
