"""Tables whose cells are whole at any width, and say what is written in them."""

from __future__ import annotations

from typing import Any

from rich.columns import Columns
from rich.table import Table
from rich.text import Text

from sishu.cli.texts import say

OF_HELP = "Show this message and exit."


class WholeTable(Table):
    """A table none of whose cells is cut off."""

    def add_row(self, *cells: Any, **options: Any) -> None:
        """Add a row."""
        super().add_row(*map(whole, cells), **options)
        for column in self.columns:
            column.overflow = "fold"


def whole(cell: Any) -> Any:
    """A cell that can be broken into lines: texts side by side are one, each name of an option has a line."""
    if isinstance(cell, Columns):
        cell = Text(" ").join(one for one in cell.renderables if isinstance(one, Text))
    if isinstance(cell, str):
        return Text(cell)
    if not isinstance(cell, Text):
        return cell
    if cell.plain.strip() == OF_HELP:
        return Text(say("help_help"), cell.style)
    return Text("\n").join(cell.split(",")) if cell.plain.startswith("--") else cell
