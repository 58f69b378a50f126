"""Loading a model for serving: precision, merged adapter, packed weights, flat attention, chat rendering."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast
from transformers.modeling_utils import AttentionInterface

from services.inference.engine.adapters import Adapter, Adapters
from services.inference.engine.attention import NAME, FlatBatch, Segment, flat_attention
from services.inference.engine.config import Device, EngineConfig, Precision
from services.inference.engine.kv_cache import GRAIN, KvCache
from services.runtime.errors import InvalidArgument
from services.trainer.engine.rendering import Renderer, RenderError, model_renderer

log = logging.getLogger(__name__)

_PROBE_TOKENS = 12
_TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 5e-2}


@dataclass(frozen=True, slots=True)
class Model:
    """A causal language model ready to serve.

    Attributes:
        network: the transformers model, its attention replaced by ours.
        tokenizer: with chat template.
        renderer: from messages to prompts, the one with which the model was trained.
        eos_ids: tokens that end an answer.
        vocab_size: number of logits.
        context_length: most tokens of prompt and completion.
        cache_tokens: positions that the memory for keys and values holds.
        dtype: of weights and cache.
        device: where the weights are.
        adapters: what was loaded beside the base.
    """

    network: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    renderer: Renderer
    eos_ids: frozenset[int]
    vocab_size: int
    context_length: int
    cache_tokens: int
    dtype: torch.dtype
    device: torch.device
    adapters: Adapters

    def batch(self, segments: list[Segment], cache: KvCache) -> FlatBatch:
        """Lay out a forward pass, see `FlatBatch`."""
        return FlatBatch(segments, cache, self.dtype, self.device)

    def logits(self, batch: FlatBatch) -> torch.Tensor:
        """Run a batch; return the logits after each segment's last token, [segments, vocab_size], fp32."""
        self.adapters.mix.parts = batch.parts
        output = self.network(
            input_ids=batch.ids,
            position_ids=batch.positions,
            use_cache=False,
            logits_to_keep=batch.last,
            flat=batch,
        )
        logits: torch.Tensor = output.logits[0].float()
        return logits

    def render(
        self,
        messages: Sequence[dict[str, Any]],
        *,
        adapter: Adapter | None = None,
        tools: Sequence[Mapping[str, Any]] = (),
        switches: Mapping[str, Any] | None = None,
    ) -> list[int]:
        """Return the prompt's token ids by the model's own chat template, up to where the answer begins.

        Args:
            messages: the conversation.
            adapter: whose renderer to use; None takes the base's.
            tools: functions that the model may call, as templates take them.
            switches: further names for the template, such as `enable_thinking`.

        Raises:
            InvalidArgument: the template refuses the messages.
        """
        renderer = adapter.renderer if adapter else self.renderer
        try:
            return renderer.prompt_ids(messages, tools=tools, switches=switches)
        except RenderError as error:
            raise InvalidArgument(
                "INVALID_MESSAGES", f"These messages cannot be rendered: {error}.", "messages"
            ) from error


def load_model(config: EngineConfig) -> Model:
    """Load base and adapter as the flags say, and check that the flat path computes what transformers does.

    Raises:
        InvalidArgument: a folder is no model or adapter, the model has no chat template, or its
            architecture is one that the engine cannot serve.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    device = pick_device(config.device)
    dtype = pick_dtype(config.precision, device)
    tokenizer = _load_tokenizer(config.model)
    network = _load_network(config, dtype, device)
    model = Model(
        network=network,
        tokenizer=tokenizer,
        renderer=_load_renderer(tokenizer, config),
        eos_ids=_eos_ids(network, tokenizer),
        vocab_size=int(network.config.get_text_config().vocab_size),
        context_length=0,
        cache_tokens=0,
        dtype=dtype,
        device=device,
        adapters=Adapters(network, tokenizer, dtype, device),
    )
    cache_tokens = config.kv_memory_mib * 2**20 // _install_flat_attention(model)
    limit = int(getattr(network.config.get_text_config(), "max_position_embeddings", 0) or cache_tokens)
    context_length = min(limit, config.context_length or limit, cache_tokens // GRAIN * GRAIN)
    return replace(model, context_length=context_length, cache_tokens=cache_tokens)


def pick_device(wanted: Device) -> torch.device:
    """Return where to compute; `auto` takes the first accelerator where there is one.

    Raises:
        InvalidArgument: the wanted device is not there.
    """
    if wanted != "cpu" and torch.cuda.is_available():
        return torch.device("cuda")
    if wanted == "cuda":
        raise InvalidArgument(
            "NO_ACCELERATOR", "This Python sees no accelerator; use the device auto or cpu."
        )
    return torch.device("cpu")


def pick_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """Return the dtype to compute in; `auto` takes bf16 only where the hardware multiplies it."""
    if precision == "auto":
        fast = torch.cuda.is_bf16_supported() if device.type == "cuda" else _cpu_multiplies_bf16()
        return torch.bfloat16 if fast else torch.float32
    return torch.bfloat16 if precision == "bf16" else torch.float32


def _cpu_multiplies_bf16() -> bool:
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text().split() if cpuinfo.is_file() else []
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise InvalidArgument("MODEL_INVALID", f"No tokenizer in {folder}: {error}") from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise InvalidArgument("MODEL_INVALID", f"The tokenizer in {folder} has no tokenizer.json.")
    if not tokenizer.chat_template:
        raise InvalidArgument(
            "NO_CHAT_TEMPLATE", f"The model in {folder} has no chat template: it cannot chat."
        )
    return tokenizer


def _load_renderer(tokenizer: PreTrainedTokenizerFast, config: EngineConfig) -> Renderer:
    """The renderer of the adapter, or of the model where there is none, held against the tokenizer."""
    try:
        return model_renderer(tokenizer, config.adapter or config.model)
    except RenderError as error:
        raise InvalidArgument("RENDERER_CHANGED", f"{error}.") from error


def _load_network(config: EngineConfig, dtype: torch.dtype, device: torch.device) -> PreTrainedModel:
    """Load the weights; an adapter is merged in fp32, since a bf16 merge moves logits by more than 1."""
    load_dtype = torch.float32 if config.adapter else dtype
    try:
        network: PreTrainedModel = transformers.AutoModelForCausalLM.from_pretrained(
            config.model, dtype=load_dtype
        )
    except (OSError, ValueError) as error:
        raise InvalidArgument("MODEL_INVALID", f"Cannot load the model in {config.model}: {error}") from error
    if config.adapter:
        network = _merge_adapter(network, config.adapter)
    # Not network.to: transformers decorates it, which hides its types.
    nn.Module.to(network, device=device, dtype=dtype)
    network.train(False)
    return network


def _merge_adapter(network: PreTrainedModel, folder: Path) -> PreTrainedModel:
    from peft import PeftModel  # noqa: PLC0415 - takes seconds, and only adapters need it

    try:
        merged: PreTrainedModel = PeftModel.from_pretrained(network, str(folder)).merge_and_unload()
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        raise InvalidArgument("ADAPTER_INVALID", f"Cannot apply the adapter in {folder}: {error}") from error
    return merged


def _eos_ids(network: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> frozenset[int]:
    generation = network.generation_config
    configured: Any = generation.eos_token_id if generation else None
    ids = configured if isinstance(configured, list) else [configured]
    return frozenset(int(i) for i in [*ids, tokenizer.eos_token_id] if i is not None)


def _install_flat_attention(model: Model) -> int:
    """Swap the attention in, and compare with transformers' own on a few tokens; refuse a model that differs.

    Returns:
        Bytes of keys and values for one token.
    """
    network = model.network
    kind = type(network).__name__
    refusal = InvalidArgument(
        "ARCHITECTURE_UNSUPPORTED",
        f"The built-in engine cannot serve {kind}: its attention is of another kind. Serve it with vLLM.",
        architecture=kind,
    )
    if not network._supports_attention_backend:
        raise refusal
    probe = torch.arange(_PROBE_TOKENS, device=model.device) * 7 % model.vocab_size
    try:
        with torch.inference_mode():
            expected = network(input_ids=probe[None], use_cache=False).logits[0, -1].float()
            AttentionInterface.register(NAME, flat_attention)
            network.set_attn_implementation(NAME)
            if model.device.type == "cpu":
                pack_linears(network)
            cache = KvCache()
            actual = _probe_flat(model, probe.tolist(), cache)
    except (NotImplementedError, TypeError, ValueError, RuntimeError) as error:
        raise refusal from error
    difference = float((actual - expected).norm() / expected.norm())
    log.info("flat attention differs from transformers' by %.1e of the logits' norm", difference)
    if not difference < _TOLERANCE[model.dtype]:
        raise refusal
    return cache.bytes_per_token


def _probe_flat(model: Model, tokens: list[int], cache: KvCache) -> torch.Tensor:
    """Return the logits after `tokens`, computed in two passes beside a second sequence."""
    cache.reserve(2, len(tokens))
    cut = len(tokens) // 2
    model.logits(model.batch([Segment(1, 0, tokens[:cut]), Segment(0, 0, tokens[::-1])], cache))
    return model.logits(model.batch([Segment(1, cut, tokens[cut:])], cache))[0]


class PackedLinear(nn.Module):
    """A linear layer whose weight lies in oneDNN's blocked order, so no call has to reorder it."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.bias = linear.bias
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self._packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), None)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Multiply [..., in] to [..., out]."""
        outputs: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            inputs, self._packed, self.bias, "none", [], ""
        )
        return outputs


def pack_linears(network: nn.Module) -> None:
    """Replace every linear layer that this CPU can pack by a packed one, in place."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear and _packs(child.weight.dtype):
                setattr(module, name, PackedLinear(child))


def _packs(dtype: torch.dtype) -> bool:
    """Whether oneDNN has a kernel: for bf16 it wants AVX-512, without which torch's own is used."""
    return dtype is torch.float32 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
