"""LoRA adapters (Hu et al., arXiv 2106.09685) by peft, with a leaner forward and backward pass."""

from __future__ import annotations

import warnings
from types import MethodType
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import Linear
from torch import nn
from torch.nn import functional

from services.trainer.engine import pissa
from services.trainer.engine.errors import BaseModelError
from services.trainer.engine.spec import ALL_LINEAR, TrainSpec

ADAPTER = "default"


def add_adapters(causal: Any, spec: TrainSpec, *, lean: bool = True) -> PeftModel:
    """Freeze the model and give it fresh adapters in its own number format, seeded by the spec."""
    targets = spec.lora_targets if spec.lora_targets == ALL_LINEAR else list(spec.lora_targets)
    config = LoraConfig(
        r=spec.lora_rank,
        lora_alpha=spec.lora_alpha,
        lora_dropout=spec.lora_dropout,
        use_rslora=spec.use_rslora,
        use_dora=spec.use_dora,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )
    torch.manual_seed(spec.seed)
    try:
        with warnings.catch_warnings():
            # peft asks transformers by names that it is about to drop; nothing that a user can mend.
            warnings.simplefilter("ignore", FutureWarning)
            # peft would keep them in fp32 and convert at every layer; fp32 copies live in the optimizer.
            model = get_peft_model(causal, config, autocast_adapter_dtype=False)
    except ValueError as error:
        raise BaseModelError(f"lora_targets: {error}") from error
    if lean:
        use_lean_forward(model)
    if spec.lora_init == "pissa":
        pissa.begin(model, spec.output_dir)
        # A resume, which finds the beginning in a file, must draw the same numbers from here on.
        torch.manual_seed(spec.seed)
    return model


def learns_fast(name: str, parameter: nn.Parameter) -> bool:
    """Whether LoRA+ gives the weight the higher rate: B matrices and what is no matrix, as in peft."""
    return "lora_B" in name or parameter.ndim == 1


def use_lean_forward(model: nn.Module) -> int:
    """Let every plain adapted layer compute by LoraLinear; returns how many there are."""
    plain = [module for module in model.modules() if _is_plain(module)]
    for module in plain:
        module.forward = MethodType(_forward, module)
    return len(plain)


def _is_plain(module: nn.Module) -> bool:
    """Tell whether the layer is W x + b with one LoRA adapter and nothing else."""
    return (
        isinstance(module, Linear)
        and type(module.base_layer) is nn.Linear
        and isinstance(module.lora_dropout[ADAPTER], nn.Identity)
        and ADAPTER not in module.lora_magnitude_vector  # DoRA's
    )


def _forward(layer: Any, inputs: torch.Tensor) -> torch.Tensor:
    output: torch.Tensor = LoraLinear.apply(
        inputs,
        layer.base_layer.weight,
        layer.base_layer.bias,
        layer.lora_A[ADAPTER].weight,
        layer.lora_B[ADAPTER].weight,
        layer.scaling[ADAPTER],
    )
    return output


class LoraLinear(torch.autograd.Function):
    """y = W x + b + s B A x with W and b frozen.

    Adds the low-rank term inside the products of the frozen one and keeps only x and s A x for the backward
    pass; plain autograd makes three more tensors of y's size. Shapes: x [..., in], W [out, in], A [r, in],
    B [out, r], y [..., out].
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        a: torch.Tensor,
        b: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        """Compute y."""
        flat = x.reshape(-1, x.shape[-1])
        low = _product(flat, a.t(), scale)
        output = functional.linear(flat, weight, bias).addmm_(low, b.t())
        ctx.save_for_backward(flat, weight, a, b, low)
        ctx.scale, ctx.shape = scale, x.shape
        return output.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Compute the gradients of x, A and B from that of y."""
        x, weight, a, b, low = ctx.saved_tensors
        grad = grads[0].reshape(-1, grads[0].shape[-1])
        grad_low = _product(grad, b, ctx.scale)
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = (grad @ weight).addmm_(grad_low, a).view(ctx.shape)
        return grad_x, None, None, _collected(a, grad_low.t(), x), _collected(b, grad.t(), low), None


def _product(left: torch.Tensor, right: torch.Tensor, scale: float) -> torch.Tensor:
    """Left @ right * scale, in one operation; with beta 0 the first argument is not read."""
    return torch.addmm(left.new_empty(()), left, right, beta=0, alpha=scale)


def _collected(weight: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor | None:
    """Add left @ right to the gradient that a weight has; else return it, for autograd to set.

    The optimizer's gradients are there from the start, and an addition inside the product spares one kernel
    and one tensor for each adapter matrix.
    """
    if weight.grad is None:
        return left @ right
    weight.grad.addmm_(left, right)
    return None
