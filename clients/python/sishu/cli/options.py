"""Options and arguments that several commands take, each named once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from sishu.cli.texts import say
from sishu.errors import ApiError

ProjectOption = Annotated[str, typer.Option("--project", "-p", help=say("option_project"))]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help=say("argument_id"))]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help=say("argument_name"))]
PathsArgument = Annotated[list[Path], typer.Argument(help=say("learn_paths"))]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help=say("option_limit"))]
WaitOption = Annotated[bool, typer.Option("--wait", help=say("option_wait"))]


def need(given: object, option: str, other: str) -> None:
    """Demand the option without which a given one would do nothing.

    Args:
        given: value of the other one; None or empty where it is not given.
        option: the one that is given, such as `--public`.
        other: the one that it needs, with its value.

    Raises:
        ApiError: it is not given.
    """
    if not given:
        raise ApiError("INVALID_ARGUMENT", "OPTION_MISSING", f"{option} needs {other}")


def takes(group: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Let a command take every field of a dataclass as an option, and get them as `options`."""
    hints = get_type_hints(group, include_extras=True)
    named = [
        Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name])
        for field in fields(group)
    ]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def call(**given: Any) -> None:
            options = group(**{name: given.pop(name) for name in hints})
            command(**given, options=options)

        own = inspect.signature(command, eval_str=True).parameters.values()
        shown = [one for one in own if one.name != "options"] + named
        # What typer reads of a command.
        call.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]  # see PEP 362
        call.__annotations__ = {one.name: one.annotation for one in shown}
        return call

    return decorate
