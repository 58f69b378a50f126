"""How many bf16 operations a second a device can do at most, by the name that its driver gives it.

Published figures of dense matrix products, not measured by us. Those of Hygon's cards are second-hand.
"""

from __future__ import annotations

PEAK_FLOPS = {
    "BW1000": 480e12,
    "BW200": 480e12,
    "K100_AI": 196e12,
    "K100": 100e12,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "H20": 148e12,
    "A100": 312e12,
    "A800": 312e12,
    "RTX 4090": 165e12,
}
"""By a part of the name; the longest part that fits decides."""


def peak_flops(name: str) -> float:
    """Of a device; 0 where we do not know it."""
    spoken = name.replace("-", "_").lower()
    fitting = [part for part in PEAK_FLOPS if part.replace("-", "_").lower() in spoken]
    return PEAK_FLOPS[max(fitting, key=len)] if fitting else 0.0
