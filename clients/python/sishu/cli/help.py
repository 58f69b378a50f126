"""Help that is whole at any width, and in the user's language.

The libraries break lines at blanks and cut off a longer word with an ellipsis. Chinese has no blanks, so a
whole clause counts as one word. Lists of columns inside a cell cut once more; they become one text. They
also read words in brackets as marks of style; here a bracket is a bracket, whoever wrote it.
"""

from __future__ import annotations

import inspect

import typer.rich_utils
from rich.text import Text

from sishu.cli.tables import WholeTable
from sishu.cli.texts import say

WORDS = {
    "ARGUMENTS_PANEL_TITLE": "help_arguments",
    "OPTIONS_PANEL_TITLE": "help_options",
    "COMMANDS_PANEL_TITLE": "help_commands",
    "ERRORS_PANEL_TITLE": "help_error",
    "DEFAULT_STRING": "help_default",
    "ENVVAR_STRING": "help_variable",
    "REQUIRED_LONG_STRING": "help_required",
    "RICH_HELP": "help_hint",
}
"""Words of the library around our own, by its names for them."""


def literal(*, text: str, style: str = "", markup_mode: str) -> Text:  # noqa: ARG001 - as the library calls it
    """A text of a help page as it is written."""
    return typer.rich_utils.highlighter(Text(inspect.cleandoc(text), style=style))


def use_whole_tables() -> None:
    """Let the command line library print its help in such tables and words; it offers no setting for that."""
    typer.rich_utils.Table = WholeTable  # type: ignore[attr-defined]  # the name that it looks up
    typer.rich_utils._make_rich_text = literal
    for name, text in WORDS.items():
        setattr(typer.rich_utils, name, say(text))
