"""What decides the cost of a language model, read from its config.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

LLAMA, GPT2 = "llama", "gpt2"
"""Kinds of layers: root mean square norms and a gated MLP, or layer norms and a plain one."""
_GATED = {"llama", "mistral", "qwen2", "qwen3", "qwen3_moe", "qwen2_moe", "mixtral", "smollm3", "olmo"}
_WITH_BIAS = {"qwen2", "qwen2_moe"}
_WITH_QK_NORM = {"qwen3", "qwen3_moe"}


class UnknownArchitectureError(ValueError):
    """A config.json that says nothing of the model's shape."""


class Weight(NamedTuple):
    """A tensor of the model."""

    name: str
    """Dotted, as transformers calls it."""
    numbers: int
    """That it has."""


class Linear(NamedTuple):
    """A linear layer within each layer of the model."""

    name: str
    inputs: int
    outputs: int
    bias: bool


@dataclass(frozen=True)
class Architecture:
    """A decoder of equal layers; sizes in numbers, not bytes."""

    name: str
    layers: int
    hidden: int
    heads: int
    key_heads: int
    head_size: int
    ffn: int
    """Inner width of the MLP; of a mixture the width of one expert."""
    vocabulary: int
    context: int
    """Most tokens of a row; 0 where the config does not say."""
    tied: bool
    """Whether the output head is the embedding."""
    kind: str = LLAMA
    attention_bias: bool = False
    """Of the query, key and value projections."""
    output_bias: bool = False
    """Of the attention's output projection."""
    qk_norm: bool = False
    experts: int = 0
    """Experts of a mixture; 0 for a dense model."""
    active_experts: int = 1
    """Experts that a token goes through."""
    shared_ffn: int = 0
    """Width of a mixture's MLP that every token goes through."""
    dropout: bool = False
    """Whether layers drop activations while training."""
    assumed: bool = False
    """Whether its model_type is not one whose layers are known; it is taken as Llama's."""

    @property
    def query_width(self) -> int:
        """Width of all query heads together."""
        return self.heads * self.head_size

    @property
    def key_width(self) -> int:
        """Width of all key heads together."""
        return self.key_heads * self.head_size

    @cached_property
    def attention_linears(self) -> tuple[Linear, ...]:
        """The linear layers of the attention."""
        if self.kind == GPT2:
            return (
                Linear("attn.c_attn", self.hidden, 3 * self.hidden, bias=True),
                Linear("attn.c_proj", self.hidden, self.hidden, bias=True),
            )
        bias = self.attention_bias
        return (
            Linear("self_attn.q_proj", self.hidden, self.query_width, bias),
            Linear("self_attn.k_proj", self.hidden, self.key_width, bias),
            Linear("self_attn.v_proj", self.hidden, self.key_width, bias),
            Linear("self_attn.o_proj", self.query_width, self.hidden, self.output_bias),
        )

    @cached_property
    def mlp_linears(self) -> tuple[Linear, ...]:
        """The linear layers of a dense MLP, or of what a mixture has beside its experts."""
        if self.kind == GPT2:
            return (
                Linear("mlp.c_fc", self.hidden, self.ffn, bias=True),
                Linear("mlp.c_proj", self.ffn, self.hidden, bias=True),
            )
        width = self.shared_ffn if self.experts else self.ffn
        prefix = "mlp.shared_expert." if self.experts else "mlp."
        if not width:
            return ()
        return (
            Linear(f"{prefix}gate_proj", self.hidden, width, bias=False),
            Linear(f"{prefix}up_proj", self.hidden, width, bias=False),
            Linear(f"{prefix}down_proj", width, self.hidden, bias=False),
        )

    @property
    def linears(self) -> tuple[Linear, ...]:
        """All linear layers that an adapter can be beside, of one layer."""
        return self.attention_linears + self.mlp_linears

    @cached_property
    def layer_weights(self) -> tuple[Weight, ...]:
        """The tensors of one layer."""
        return tuple(self._layer_weights())

    def _layer_weights(self) -> Iterator[Weight]:
        for each in self.linears:
            yield Weight(f"{each.name}.weight", each.inputs * each.outputs)
            if each.bias:
                yield Weight(f"{each.name}.bias", each.outputs)
        if self.experts:
            yield Weight("mlp.gate.weight", self.experts * self.hidden)
            yield Weight("mlp.experts.gate_up_proj", self.experts * 2 * self.hidden * self.ffn)
            yield Weight("mlp.experts.down_proj", self.experts * self.hidden * self.ffn)
        if self.qk_norm:
            yield Weight("self_attn.q_norm.weight", self.head_size)
            yield Weight("self_attn.k_norm.weight", self.head_size)
        if self.kind == GPT2:
            yield from (
                Weight(f"{norm}.{part}", self.hidden) for norm in ("ln_1", "ln_2") for part in _LAYER_NORM
            )
        else:
            yield Weight("input_layernorm.weight", self.hidden)
            yield Weight("post_attention_layernorm.weight", self.hidden)

    @cached_property
    def weights(self) -> tuple[Weight, ...]:
        """All tensors; a head that is the embedding does not stand apart."""
        return tuple(self._weights())

    def _weights(self) -> Iterator[Weight]:
        layers = "transformer.h" if self.kind == GPT2 else "model.layers"
        if self.kind == GPT2:
            yield Weight("transformer.wte.weight", self.head)
            yield Weight("transformer.wpe.weight", self.context * self.hidden)
        else:
            yield Weight("model.embed_tokens.weight", self.head)
        for number in range(self.layers):
            yield from (Weight(f"{layers}.{number}.{each.name}", each.numbers) for each in self.layer_weights)
        if self.kind == GPT2:
            yield from (Weight(f"transformer.ln_f.{part}", self.hidden) for part in _LAYER_NORM)
        else:
            yield Weight("model.norm.weight", self.hidden)
        if not self.tied:
            yield Weight("lm_head.weight", self.head)

    @property
    def head(self) -> int:
        """Weights of the output head, and of the embedding."""
        return self.vocabulary * self.hidden

    @cached_property
    def parameters(self) -> int:
        """All weights."""
        return sum(each.numbers for each in self.weights)

    @cached_property
    def multiplied(self) -> int:
        """Weights that every token is multiplied with: embeddings are looked up, idle experts left alone."""
        dense = sum(each.inputs * each.outputs for each in self.linears)
        mixture = self.experts * self.hidden + self.active_experts * 3 * self.hidden * self.ffn
        return self.layers * (dense + (mixture if self.experts else 0)) + self.head

    def adapters(self, rank: int, targets: tuple[str, ...] = ()) -> int:
        """Weights of LoRA on the named linear layers of every layer, or on all of them: r (in + out) each."""
        return self.layers * sum(rank * (each.inputs + each.outputs) for each in self.targeted(targets))

    def targeted(self, targets: tuple[str, ...] = ()) -> tuple[Linear, ...]:
        """The linear layers that these names mean; without names all."""
        return tuple(
            each
            for each in self.linears
            if not targets or each.name.rpartition(".")[2] in targets or each.name in targets
        )


_LAYER_NORM = ("weight", "bias")


def of_config(config: Mapping[str, Any], name: str = "") -> Architecture:
    """Read a config.json, such as Llama's, Qwen's or GPT-2's.

    Raises:
        UnknownArchitectureError: it lacks what every decoder has.
    """
    text = config.get("text_config") or config
    try:
        return _gpt2(text, name) if text.get("model_type") == GPT2 else _llama(text, name)
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise UnknownArchitectureError(f"the model's config.json does not say its shape: {error}") from error


def _llama(text: Mapping[str, Any], name: str) -> Architecture:
    kind = str(text.get("model_type", ""))
    heads, hidden = int(text["num_attention_heads"]), int(text["hidden_size"])
    experts = int(text.get("num_experts") or text.get("num_local_experts") or 0)
    return Architecture(
        name=name or kind,
        layers=int(text["num_hidden_layers"]),
        hidden=hidden,
        heads=heads,
        key_heads=int(text.get("num_key_value_heads") or heads),
        head_size=int(text.get("head_dim") or hidden // heads),
        ffn=int((text.get("moe_intermediate_size") if experts else 0) or text["intermediate_size"]),
        vocabulary=int(text["vocab_size"]),
        context=int(text.get("max_position_embeddings") or 0),
        tied=bool(text.get("tie_word_embeddings", False)),
        attention_bias=kind in _WITH_BIAS or bool(text.get("attention_bias")),
        output_bias=kind not in _WITH_BIAS and bool(text.get("attention_bias")),
        qk_norm=kind in _WITH_QK_NORM,
        experts=experts,
        active_experts=int(text.get("num_experts_per_tok") or 1),
        shared_ffn=int(text.get("shared_expert_intermediate_size") or 0) if experts else 0,
        assumed=kind not in _GATED,
    )


def _gpt2(text: Mapping[str, Any], name: str) -> Architecture:
    hidden, heads = int(text.get("n_embd", 768)), int(text.get("n_head", 12))
    return Architecture(
        name=name or GPT2,
        layers=int(text.get("n_layer", 12)),
        hidden=hidden,
        heads=heads,
        key_heads=heads,
        head_size=hidden // heads,
        ffn=int(text.get("n_inner") or 4 * hidden),
        vocabulary=int(text.get("vocab_size", 50257)),
        context=int(text.get("n_positions", 1024)),
        tied=bool(text.get("tie_word_embeddings", True)),
        kind=GPT2,
        attention_bias=True,
        output_bias=True,
        dropout=any(float(text.get(each, 0.1)) > 0 for each in ("resid_pdrop", "attn_pdrop", "embd_pdrop")),
    )
