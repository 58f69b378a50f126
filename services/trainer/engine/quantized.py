"""A base in 4 or 8 bits under adapters (QLoRA, Dettmers et al., arXiv 2305.14314), by bitsandbytes.

It works on CUDA devices, and since bitsandbytes 0.46 on CPUs too, slower there than without.
"""

from __future__ import annotations

from typing import Any

import torch

from services.trainer.engine.errors import DeviceError


def loading_options(bits: int, dtype: torch.dtype) -> dict[str, Any]:
    """What from_pretrained needs to quantize the base's linear layers, the output head left out.

    Args:
        bits: 4 (NF4, its scales quantized too) or 8 (LLM.int8).
        dtype: in which the products are computed.

    Raises:
        DeviceError: bitsandbytes is not there, or cannot work here.
    """
    try:
        import bitsandbytes  # noqa: F401, PLC0415 - only a quantized base needs it
    except Exception as error:  # its library may be missing too, in as many ways as there are platforms
        raise DeviceError(
            f"quantization_bits: {bits} needs bitsandbytes, which this Python cannot load ({error}); "
            "install bitsandbytes there, or set 0"
        ) from error
    from transformers import BitsAndBytesConfig  # noqa: PLC0415 - it asks for bitsandbytes

    make: Any = BitsAndBytesConfig  # it has no types
    if bits == 8:
        return {"quantization_config": make(load_in_8bit=True)}
    config = make(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
    return {"quantization_config": config}


def weights_in(parameter: torch.nn.Parameter) -> int:
    """Weights that a parameter holds; of 4-bit ones two are in a byte."""
    return parameter.numel() * (2 if type(parameter).__name__ == "Params4bit" else 1)
