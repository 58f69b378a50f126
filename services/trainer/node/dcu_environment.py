"""Variables that runs get on a Hygon DCU, as public configurations for K100-AI cards have them.

None was measured by us. Whatever the service's own environment says comes first, so that each can be changed
or, with an empty value, taken away. What the engine then ran with is part of the run's record.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from services.trainer.node.tools import where

DTK_FOLDER = Path("/opt/dtk")

VARIABLES = {
    # Kernel arguments in the card's memory: shorter launches over PCIe.
    "HIP_FORCE_DEV_KERNARG": "1",
    # Copies by kernels, not by the copy engines.
    "HSA_ENABLE_SDMA": "0",
    # Cards without a link of their own talk over PCIe through the host, across sockets too.
    "NCCL_P2P_LEVEL": "SYS",
    "NCCL_MIN_NCHANNELS": "16",
    "NCCL_MAX_NCHANNELS": "16",
    # Rows of unlike length leave gaps; torch that cannot do it says so and goes on.
    "PYTORCH_HIP_ALLOC_CONF": "expandable_segments:True",
    "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
}


def is_dcu_node(dtk: Path = DTK_FOLDER) -> bool:
    """Whether this machine has Hygon's software: its tool, or its toolkit."""
    return where("hy-smi") is not None or dtk.is_dir()


def run_environment(own: Mapping[str, str], *, is_dcu: bool) -> dict[str, str]:
    """What a run gets beside the variables of the service; nothing on other machines.

    Args:
        own: the service's environment.
        is_dcu: whether the run is on a DCU.
    """
    if not is_dcu:
        return {}
    return {name: value for name, value in VARIABLES.items() if name not in own}
