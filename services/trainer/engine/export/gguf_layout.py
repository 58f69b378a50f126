"""Which models go into a GGUF file, and what their tensors and settings are called there.

The names are those of the package `gguf`. llama.cpp turns rotary positions in pairs of neighbours for the
architecture `llama`, where transformers turns the two halves of a head, so the rows of its queries and keys
change places (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gguf
import torch
import transformers

from services.trainer.engine.errors import BaseModelError

_SWAPPED = ("q_proj", "k_proj")


@dataclass(frozen=True)
class Layout:
    """How the models of a class are written.

    Args:
        architecture: name in the file.
        swaps_rows: whether rows of queries and keys change places.
    """

    architecture: str
    swaps_rows: bool = False


LAYOUTS = {
    "LlamaForCausalLM": Layout("llama", swaps_rows=True),
    "MistralForCausalLM": Layout("llama", swaps_rows=True),
    "Qwen2ForCausalLM": Layout("qwen2"),
    "Qwen3ForCausalLM": Layout("qwen3"),
}
"""By the class that config.json names."""
ROPE_KINDS = ("default", "linear", "llama3", "yarn")


def layout_of(config: Any) -> Layout:
    """The layout of a model. Raises BaseModelError with what goes where it has none."""
    name = next(iter(config.architectures or ["unknown"]))
    if name not in LAYOUTS:
        raise BaseModelError(
            f"architecture: {name} is not written as GGUF here; these are: {', '.join(sorted(LAYOUTS))}"
        )
    if getattr(config, "hidden_act", "silu") != "silu":
        raise BaseModelError(f"hidden_act: {config.hidden_act} is not written as GGUF here, only silu")
    if _slides(config):
        raise BaseModelError(
            "sliding_window: models that attend to a window only are not written as GGUF here"
        )
    kind = rope_of(config)["rope_type"]
    if kind not in ROPE_KINDS:
        raise BaseModelError(
            f"rope_type: {kind} is not written as GGUF here; these are: {', '.join(ROPE_KINDS)}"
        )
    return LAYOUTS[name]


def _slides(config: Any) -> bool:
    """Whether some layer sees less than all before; a window as long as the context is none."""
    window = getattr(config, "sliding_window", None)
    is_used = getattr(config, "use_sliding_window", True)
    return bool(window) and is_used and window < config.max_position_embeddings


def rope_of(config: Any) -> dict[str, Any]:
    """Kind and numbers of the rotary positions, whichever release of transformers read them."""
    found = dict(getattr(config, "rope_scaling", None) or {})
    found |= getattr(config, "rope_parameters", None) or {}
    kind = found.pop("type", None)
    found.setdefault("rope_type", kind or "default")
    found.setdefault("rope_theta", getattr(config, "rope_theta", 10_000.0))
    return found


def head_size(config: Any) -> int:
    """Numbers of one head of the attention."""
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def namer(layout: Layout, config: Any) -> Callable[[str], str]:
    """A function from the name of a tensor to that in the file; it raises BaseModelError."""
    kind = next(kind for kind, name in gguf.MODEL_ARCH_NAMES.items() if name == layout.architecture)
    names = gguf.get_tensor_name_map(kind, config.num_hidden_layers)

    def named(name: str) -> str:
        found = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if found is None:
            raise BaseModelError(f"{name}: a {layout.architecture} in GGUF has no such tensor")
        return found

    return named


def swapped(name: str, tensor: torch.Tensor, config: Any) -> torch.Tensor:
    """A tensor with the rows of its heads in the order in which llama.cpp turns them."""
    part = name.split(".")[-2]
    if part not in _SWAPPED:
        return tensor
    heads = config.num_attention_heads if part == "q_proj" else config.num_key_value_heads
    halves = tensor.reshape(heads, 2, head_size(config) // 2, *tensor.shape[1:])
    return halves.transpose(1, 2).reshape(tensor.shape)


def add_settings(writer: gguf.GGUFWriter, config: Any) -> None:
    """Write what the model's code must know."""
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_key_length(head_size(config))
    writer.add_value_length(head_size(config))
    writer.add_rope_dimension_count(head_size(config))
    _add_rope(writer, rope_of(config))


def _add_rope(writer: gguf.GGUFWriter, rope: dict[str, Any]) -> None:
    writer.add_rope_freq_base(float(rope["rope_theta"]))
    kind = rope["rope_type"]
    if kind in {"linear", "yarn"}:
        writer.add_rope_scaling_type(gguf.RopeScalingType(kind))
        writer.add_rope_scaling_factor(float(rope["factor"]))
    if kind == "yarn" and rope.get("original_max_position_embeddings"):
        writer.add_rope_scaling_orig_ctx_len(int(rope["original_max_position_embeddings"]))


def rope_factors(config: Any) -> torch.Tensor | None:
    """By what the frequencies of Llama 3.1's positions are divided, fp32 [head / 2]; nothing for others.

    transformers has the rule; the file has its result as a tensor of its own.
    """
    if rope_of(config)["rope_type"] != "llama3":
        return None
    scaled, _ = transformers.modeling_rope_utils.ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
    exponents = torch.arange(0, head_size(config), 2, dtype=torch.int64).float() / head_size(config)
    plain = 1.0 / rope_of(config)["rope_theta"] ** exponents
    factors: torch.Tensor = (plain / scaled).float()
    return factors
