"""Cards from what `hy-smi` and `rocm-smi` print for people: a table, or a line for each field of a card."""

from __future__ import annotations

import re

from services.trainer.node.accelerators import Accelerator, UnreadableError, card_of, number, ratio

FIELD = re.compile(r"\s*(?:[DH]CU|GPU)\[(\d+)\]\s*:\s*(.+?)\s*:\s*(.*?)\s*")
HEADER = re.compile(r"\s*(?:[DH]CU|GPU)\s+Temp\b.*")


def cards_of_fields(text: str) -> list[Accelerator]:
    """The cards of lines such as `HCU[0] : HCU use (%): 0.0`, by number.

    Raises:
        UnreadableError: there are no such lines.
    """
    cards: dict[int, dict[str, object]] = {}
    for line in text.splitlines():
        if match := FIELD.fullmatch(line):
            cards.setdefault(int(match[1]), {}).setdefault(match[2], match[3])
    if not cards:
        raise UnreadableError("no line tells of a card")
    return [card_of(index, cards[index]) for index in sorted(cards)]


def cards_of_table(text: str) -> list[Accelerator]:
    """The cards of the table that the tools print without options; of the memory it knows the share only.

    Raises:
        UnreadableError: there is no such table.
    """
    lines = text.splitlines()
    header = next((place for place, line in enumerate(lines) if HEADER.fullmatch(line)), None)
    if header is None:
        raise UnreadableError("there is no table of cards")
    columns = lines[header].split()
    rows = [line.split() for line in lines[header + 1 :]]
    # A row that lacks a cell cannot be told from one whose cells mean something else.
    cards = [
        _card_of_row(dict(zip(columns, row, strict=True)))
        for row in rows
        if len(row) == len(columns) and row[0].isdigit()
    ]
    if not cards:
        raise UnreadableError("the table has no card")
    return sorted(cards, key=lambda card: card.index)


def _card_of_row(row: dict[str, str]) -> Accelerator:
    index, *_ = row.values()
    use = next((value for name, value in row.items() if name in {"HCU%", "DCU%", "GPU%"}), None)
    return Accelerator(
        index=int(index),
        utilization=ratio(use),
        memory_share=ratio(row.get("VRAM%")),
        temperature_celsius=number(row.get("Temp")),
        power_watts=number(row.get("AvgPwr")),
        power_limit_watts=number(row.get("PwrCap")),
    )
