"""The `sishu` command: global options, all commands, and one way to say what went wrong."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from services.runtime.errors import InvalidArgument
from sishu.cli.late import found_at
from sishu.cli.settings import SETTINGS
from sishu.cli.texts import LANGUAGES, TEXTS, say

DEFAULT_HOME = Path.home() / ".sishu"

COMMANDS = {
    "learn": "learn:learn",
    "chat": "chat:chat",
    "train": "train:train",
    "estimate": "estimate:estimate",
    "coverage": "coverage:coverage",
    "up": "stack:up",
    "status": "stack:status",
    "logs": "stack:logs",
    "down": "stack:down",
}
"""Commands by their names, and where they are."""
OF_A_RESOURCE = "resources:commands_of"
GROUPS = {
    "project": OF_A_RESOURCE,
    "document": OF_A_RESOURCE,
    "chunk": OF_A_RESOURCE,
    "section": OF_A_RESOURCE,
    "provider": OF_A_RESOURCE,
    "generation": OF_A_RESOURCE,
    "question": OF_A_RESOURCE,
    "example": OF_A_RESOURCE,
    "import": OF_A_RESOURCE,
    "benchmark": OF_A_RESOURCE,
    "leak-check": OF_A_RESOURCE,
    "dataset": OF_A_RESOURCE,
    "export": OF_A_RESOURCE,
    "run": OF_A_RESOURCE,
    "model": OF_A_RESOURCE,
    "deployment": OF_A_RESOURCE,
    "conversation": OF_A_RESOURCE,
    "exam": OF_A_RESOURCE,
    "generate": "generate:app",
    "candidate": "candidates:app",
    "prompt": "prompts:app",
    "question-template": "question_templates:app",
    "dedupe": "dedupe:app",
    "tag": "tags:app",
    "genre": "genres:app",
    "review": "reviews:app",
    "job": "jobs:app",
    "trainer": "trainer:app",
}
"""Groups of commands by their names, and where they are."""
MOST_WITHOUT_COMMAND = 2
"""Fewer arguments name no command of a group, and have help printed."""


def options(
    home: Annotated[Path, typer.Option(help=say("home"), envvar="SISHU_HOME")] = DEFAULT_HOME,
    debug: Annotated[bool, typer.Option("--debug", help=say("debug"))] = False,
    as_json: Annotated[bool, typer.Option("--json", help=say("json"))] = False,
    lang: Annotated[str, typer.Option(help=say("lang"))] = "",
) -> None:
    """Keep the options that every command knows."""
    if lang and lang not in LANGUAGES:
        raise InvalidArgument("LANG_UNKNOWN", f"--lang is one of {', '.join(LANGUAGES)}, not {lang}")
    SETTINGS.home = home.expanduser().absolute()
    SETTINGS.debug = debug
    SETTINGS.json = as_json


def program(wanted: str | None = None) -> typer.Typer:
    """The program.

    Args:
        wanted: the command that is called. Of all others there are only names and a line of help, as their
            modules take longer to read than most commands; without it all are there.
    """
    app = typer.Typer(
        cls=InOurWords, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
    )
    app.callback(help=say("app"))(options)

    def whole(name: str) -> bool:
        return wanted is None or wanted == name

    for name, place in COMMANDS.items():
        app.command(name, help=say(name))(found_at(place) if whole(name) else nothing)
    for name, place in GROUPS.items():
        app.add_typer(group_at(place, name) if whole(name) else typer.Typer(help=help_of(name)), name=name)
    return app


def group_at(place: str, name: str) -> typer.Typer:
    """A group of commands; that of a resource is made by its name."""
    group: typer.Typer = found_at(place)(name) if place == OF_A_RESOURCE else found_at(place)
    return group


def help_of(name: str) -> str:
    """The line of help of a group."""
    return say(name if name in TEXTS else name.replace("-", "_"))


def use_whole_tables() -> None:
    """Print help, and what is wrong with arguments, in our tables and words; to be read for those alone."""
    found_at("help:use_whole_tables")()


class InOurWords(TyperGroup):
    """The program's group, which says in our words what is wrong with arguments."""

    def make_context(self, *given: Any, **named: Any) -> Any:
        """Read the arguments before the command."""
        with in_our_words():
            return super().make_context(*given, **named)

    def invoke(self, ctx: Any) -> Any:
        """Read the command's arguments, and run it."""
        with in_our_words():
            return super().invoke(ctx)


@contextmanager
def in_our_words() -> Iterator[None]:
    """Make ready for an error to be printed."""
    try:
        yield
    except typer.Exit:
        raise
    except Exception:
        use_whole_tables()
        raise


def nothing() -> None:
    """Stands for a command that is not called."""


def called(arguments: Sequence[str]) -> str:
    """The command among the arguments; empty where there is none."""
    rest = iter(arguments)
    for one in rest:
        if one in {"--home", "--lang"}:
            next(rest, "")
        elif not one.startswith("-"):
            return one
    return ""


def main() -> None:
    """Run a command; a known error ends it with one message, whatever it was."""
    arguments = sys.argv[1:]
    if "--help" in arguments or len(arguments) < MOST_WITHOUT_COMMAND:
        use_whole_tables()
    try:
        program(called(arguments))()
    except Exception as error:  # the last line of defence before the user
        found_at("endings:fail")(error)


if __name__ == "__main__":
    main()
