"""`python -m services.trainer.engine.devices`: the accelerators that torch sees, as one line of JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

import torch


def visible() -> dict[str, Any]:
    """Name, memory and UUID of each accelerator, and whether they are driven through HIP."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return {
        "hip": bool(getattr(torch.version, "hip", None)),
        "devices": [_described(torch.cuda.get_device_properties(number)) for number in range(count)],
    }


def _described(properties: Any) -> dict[str, Any]:
    # Older releases do not know it, nor do some drivers, which say 0.
    uuid = str(getattr(properties, "uuid", "") or "")
    is_known = bool(uuid.replace("0", "").replace("-", ""))
    return {
        "name": properties.name,
        "memory_bytes": properties.total_memory,
        "uuid": uuid if is_known else "",
    }


if __name__ == "__main__":
    print(json.dumps(visible()))
    sys.exit(0)
