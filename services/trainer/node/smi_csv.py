"""Cards from the table that `nvidia-smi` prints for programs."""

from __future__ import annotations

import csv

from services.trainer.node.accelerators import Accelerator, UnreadableError, number, ratio, size

QUERY = (
    "index",
    "name",
    "utilization.gpu",
    "memory.used",
    "memory.total",
    "temperature.gpu",
    "power.draw",
    "power.limit",
)
"""What is asked for; memory comes in MiB. A card that does not know something says `[N/A]`."""


def cards_of_csv(text: str) -> list[Accelerator]:
    """The cards, by number.

    Raises:
        UnreadableError: there is none.
    """
    rows = csv.reader(text.splitlines(), skipinitialspace=True)
    cards = [_card_of(row) for row in rows if len(row) == len(QUERY) and row[0].strip().isdigit()]
    if not cards:
        raise UnreadableError("no line tells of a card")
    return sorted(cards, key=lambda card: card.index)


def _card_of(row: list[str]) -> Accelerator:
    index, name, use, used, total, temperature, power, limit = row
    used_bytes, total_bytes = size(used, "MiB"), size(total, "MiB")
    known = used_bytes is not None and bool(total_bytes)
    return Accelerator(
        index=int(index),
        name=name.strip(),
        utilization=ratio(use),
        memory_used_bytes=used_bytes,
        memory_total_bytes=total_bytes,
        memory_share=(used_bytes or 0) / total_bytes if known and total_bytes else None,
        temperature_celsius=number(temperature),
        power_watts=number(power),
        power_limit_watts=number(limit),
    )
