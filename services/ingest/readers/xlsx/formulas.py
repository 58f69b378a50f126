"""Formulas that cells share: written once, and moved to each cell (ISO/IEC 29500-1, 18.3.1.40)."""

from __future__ import annotations

import re
from dataclasses import dataclass

REFERENCE = re.compile(
    r"\"[^\"]*\"|'[^']*'|\[[^\]]*\]"
    r"|(?<![\w.$])(?:(\$?)([A-Z]{1,3})(\$?)([0-9]{1,7})(?![\w.(])"
    r"|(\$?)([A-Z]{1,3}):(\$?)([A-Z]{1,3})(?![\w.($])|(\$?)([0-9]{1,7}):(\$?)([0-9]{1,7})(?![\w.($]))"
)
"""A cell, whole columns or whole rows; texts, names of sheets and columns of tables are stepped over."""
LETTERS = 26
MOST_ROWS, MOST_COLUMNS = 1 << 20, 1 << 14
OUTSIDE = "#REF!"


@dataclass(frozen=True)
class Shared:
    """A formula and the cell that it was written for.

    Args:
        text: the formula, without its equals sign.
        row: of the cell, from 1.
        column: of the cell, from 1.
    """

    text: str
    row: int
    column: int

    def at(self, row: int, column: int) -> str:
        """The formula as another cell has it: what is not held by `$` moves along."""
        down, right = row - self.row, column - self.column

        def moved(match: re.Match[str]) -> str:
            if match[4]:
                parts = [column_moved(match[1], match[2], right), row_moved(match[3], match[4], down)]
                return "".join(parts) if all(parts) else OUTSIDE
            if match[6]:
                ends = [column_moved(match[at], match[at + 1], right) for at in (5, 7)]
            elif match[10]:
                ends = [row_moved(match[at], match[at + 1], down) for at in (9, 11)]
            else:
                return match[0]
            return ":".join(ends) if all(ends) else OUTSIDE

        return REFERENCE.sub(moved, self.text)


def row_moved(held: str, row: str, by: int) -> str:
    """A row of a reference after a move; empty outside the sheet."""
    number = int(row) + (0 if held else by)
    return f"{held}{number}" if 1 <= number <= MOST_ROWS else ""


def column_moved(held: str, letters: str, by: int) -> str:
    """A column of a reference after a move; empty outside the sheet."""
    number = 0
    for letter in letters:
        number = number * LETTERS + ord(letter) - ord("A") + 1
    number += 0 if held else by
    if not 1 <= number <= MOST_COLUMNS:
        return ""
    name = ""
    while number:
        number, rest = divmod(number - 1, LETTERS)
        name = chr(ord("A") + rest) + name
    return f"{held}{name}"
