"""What an accelerator says of itself, whoever asked it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
UNITS = {"B": 1, "KiB": 2**10, "KB": 2**10, "MiB": 2**20, "MB": 2**20, "GiB": 2**30, "GB": 2**30}
"""Bytes of a unit as the tools mean it: their MB is 2^20."""


class UnreadableError(Exception):
    """What a tool printed names no accelerator that we can read."""


@dataclass(frozen=True)
class Accelerator:
    """One card. What it does not say is None; ratios are from 0 to 1."""

    index: int
    """As the tool numbers it; some releases of DTK begin at 1."""
    name: str = ""
    utilization: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    memory_share: float | None = None
    """Of its memory, in use."""
    temperature_celsius: float | None = None
    """Of its hottest sensor."""
    power_watts: float | None = None
    power_limit_watts: float | None = None


def number(value: object) -> float | None:
    """The number in a value such as `91.0W`, `85%` or 91; None where there is none, as in `N/A`."""
    if isinstance(value, bool) or value is None:
        return None
    found = NUMBER.match(str(value).strip())
    return float(found.group()) if found else None


def ratio(value: object) -> float | None:
    """A percentage as a ratio."""
    percent = number(value)
    return None if percent is None else min(1.0, max(0.0, percent / 100))


def size(value: object, unit: str) -> int | None:
    """A number of units in bytes."""
    count = number(value)
    return None if count is None else int(count * UNITS[unit])


def card_of(index: int, fields: Mapping[str, object]) -> Accelerator:
    """A card from the fields of `hy-smi` and `rocm-smi`, which are the same in JSON and in text.

    Vendor and release decide how a field is called; its unit is part of its name.
    """
    found = dict(_meanings(fields))
    total, used, free = (found.get(name) for name in ("total", "used", "free"))
    share = found.get("share")
    if used is None and total is not None:
        used = total - free if free is not None else None if share is None else total * share
    temperatures = [value for name, value in _meanings(fields) if name == "temperature" and value > 0]
    return Accelerator(
        index=index,
        name=_name(fields),
        utilization=found.get("use"),
        memory_used_bytes=None if used is None else int(used),
        memory_total_bytes=None if total is None else int(total),
        memory_share=used / total if used is not None and total else share,
        temperature_celsius=max(temperatures, default=None),
        power_watts=found.get("power"),
        power_limit_watts=found.get("limit"),
    )


_SHARES = {
    re.compile(r"[DH]CU use \(%\)|GPU use \(%\)", re.IGNORECASE): "use",
    re.compile(r"[DHG][CP]U memory use \(%\)|GPU memory allocated \(VRAM%\)", re.IGNORECASE): "share",
}
_SIZES = {
    re.compile(r"vram total memory \((\w+)\)", re.IGNORECASE): "total",
    re.compile(r"vram total used memory \((\w+)\)", re.IGNORECASE): "used",
    re.compile(r"available memory size \((\w+)\)", re.IGNORECASE): "free",
}
_NUMBERS = {
    # Of several powers that of the whole package comes first in what the tools print.
    re.compile(r"(average|current socket) graphics package power \(W\)", re.IGNORECASE): "power",
    re.compile(r"max graphics package power \(W\)|power ?cap \(W\)", re.IGNORECASE): "limit",
    re.compile(r"temperature \(sensor \w+\) \(C\)", re.IGNORECASE): "temperature",
}
_NAMES = ("card series", "card model", "device name")


def _meanings(fields: Mapping[str, object]) -> list[tuple[str, float]]:
    """The fields that we know and that have a value, by what they mean."""
    found: list[tuple[str, float | None]] = []
    for key, value in fields.items():
        name = key.strip()
        for patterns, read in ((_SHARES, ratio), (_NUMBERS, number)):
            found += [(what, read(value)) for pattern, what in patterns.items() if pattern.fullmatch(name)]
        for pattern, what in _SIZES.items():
            match = pattern.fullmatch(name)
            if match and match[1] in UNITS:
                found.append((what, size(value, match[1])))
    return [(name, value) for name, value in found if value is not None]


def _name(fields: Mapping[str, object]) -> str:
    known = {key.strip().lower(): str(value).strip() for key, value in fields.items()}
    return next((known[name] for name in _NAMES if known.get(name)), "")
