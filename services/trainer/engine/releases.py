"""The few places where the releases that we support, of transformers 4.45 to today's, differ."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
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


def mend_deepspeed() -> None:
    """Let DeepSpeed before 0.14.5 be imported with torch 2.4, which moved a function that it imports.

    transformers imports DeepSpeed, where it is installed, as soon as it saves a model.
    """
    try:
        release = tuple(int(part) for part in version("deepspeed").split("+")[0].split(".")[:3])
    except (PackageNotFoundError, ValueError):
        return
    if release >= (0, 14, 5):
        return
    from torch.distributed.elastic.agent.server import api  # noqa: PLC0415 - slow, and seldom needed
    from torch.distributed.elastic.utils.distributed import get_socket_with_port  # noqa: PLC0415

    if not hasattr(api, "_get_socket_with_port"):
        api._get_socket_with_port = get_socket_with_port  # type: ignore[attr-defined]


mend_deepspeed()
