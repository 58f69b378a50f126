"""The few places where the releases of transformers that we support, 4.45 to today's, differ."""

from __future__ import annotations

from typing import Any

import transformers


def dtype_option() -> str:
    """Name of from_pretrained's argument for the number format."""
    release = tuple(int(part) for part in transformers.__version__.split(".")[:2])
    return "dtype" if release >= (4, 56) else "torch_dtype"


def enable_activation_checkpointing(causal: Any) -> None:
    """Recompute each layer's activations in the backward pass."""
    # The reentrant kind would need an input that has a gradient, and ours are token ids.
    options = {"use_reentrant": False}
    if hasattr(causal, "activation_checkpointing_enable"):
        causal.activation_checkpointing_enable(activation_checkpointing_kwargs=options)
    else:
        causal.gradient_checkpointing_enable(gradient_checkpointing_kwargs=options)


def recomputes_activations(causal: Any) -> bool:
    """Tell whether activation checkpointing is on."""
    for name in ("is_activation_checkpointing", "is_gradient_checkpointing"):
        if hasattr(type(causal), name):
            return bool(getattr(causal, name))
    return False


def attention_tables() -> tuple[Any, Any] | None:
    """The tables of attention functions and of their masks by name, or None before 4.53."""
    if not hasattr(transformers, "AttentionMaskInterface"):
        return None
    functions: Any = transformers.AttentionInterface
    masks: Any = transformers.AttentionMaskInterface
    return functions(), masks()
