"""What torch's devices have: `python -m services.trainer.engine.device_memory` prints it as JSON.

One member for each device: `name`, `free_bytes`, `total_bytes`, `bf16`; none where torch sees none.
"""

from __future__ import annotations

import json
from typing import Any

import torch


def devices() -> list[dict[str, Any]]:
    """Name, memory and number formats of each device."""
    found = []
    for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        free, total = torch.cuda.mem_get_info(number)
        found.append(
            {
                "name": torch.cuda.get_device_name(number),
                "free_bytes": free,
                "total_bytes": total,
                "bf16": torch.cuda.is_bf16_supported(),
            }
        )
    return found


if __name__ == "__main__":
    print(json.dumps(devices()))
