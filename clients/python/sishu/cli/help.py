"""Help that is whole at any width: what is too long for its column goes on in the next line.

The libraries break lines at blanks and cut off a longer word with an ellipsis. Chinese has no blanks, so a
whole clause counts as one word. Lists of columns inside a cell cut once more; they become one text.
"""

from __future__ import annotations

from typing import Any

import typer.rich_utils
from rich.columns import Columns
from rich.table import Table
from rich.text import Text


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
        return Text(" ").join(one for one in cell.renderables if isinstance(one, Text))
    if isinstance(cell, Text) and cell.plain.startswith("--"):
        return Text("\n").join(cell.split(","))
    return cell


def use_whole_tables() -> None:
    """Let the command line library print its help in such tables; it offers no setting for that."""
    typer.rich_utils.Table = WholeTable  # type: ignore[attr-defined]  # the name that it looks up
