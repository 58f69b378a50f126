"""Variables that change how a run computes, as it found them; they belong to its record."""

from __future__ import annotations

import os
from collections.abc import Mapping

PREFIXES = (
    "CUDA_",
    "DS_",
    "FLASH_ATTN",
    "GLOO_",
    "HIP_",
    "HSA_",
    "MIOPEN_",
    "NCCL_",
    "OMP_",
    "PYTORCH_",
    "RCCL_",
    "ROCM_",
    "TORCH_",
)
"""Of names that torch, the collectives and the drivers read; none is one for secrets."""
LONGEST = 500


def recorded(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of this process that are worth a record, by name."""
    variables = os.environ if environment is None else environment
    return {name: variables[name][:LONGEST] for name in sorted(variables) if name.startswith(PREFIXES)}
