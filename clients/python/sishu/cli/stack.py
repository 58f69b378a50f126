"""`sishu up`, `status`, `logs`, `down`: the stack on this machine."""

from __future__ import annotations

import json
import os
from typing import Annotated

import typer

from services.local import stack
from services.local.state import ComponentState, StackState
from services.local.status import status as status_of
from sishu.cli.output import CONSOLE, ERRORS
from sishu.cli.settings import SETTINGS, interruptible
from sishu.cli.tables import WholeTable
from sishu.cli.texts import say


def up() -> None:
    """Start the stack unless it runs, and print its addresses."""
    show(ensure_up())


def status() -> None:
    """Print the stack's addresses; exit with 1 when something is not healthy."""
    state = status_of(SETTINGS.home)
    show(state)
    if not state.running:
        ERRORS.print(say("not_running"))
    if not (state.running and state.healthy):
        raise typer.Exit(1)


def logs(
    name: Annotated[str, typer.Argument(help=say("logs_name"))],
    lines: Annotated[int, typer.Option("--lines", "-n", help=say("logs_lines"))] = 100,
) -> None:
    """Print the end of a component's log."""
    for line in stack.tail_log(SETTINGS.home, name, lines):
        print(line)


def down() -> None:
    """Stop the stack."""
    with interruptible():
        stack.down(SETTINGS.home)
    if SETTINGS.json:
        print(json.dumps({"state": "stopped"}))
    else:
        CONSOLE.print(say("stopped"))


def ensure_up() -> StackState:
    """Start the stack unless it runs; a line for every component that becomes healthy."""
    with interruptible():
        return stack.up(SETTINGS.home, environ=os.environ, progress=report)


def report(component: ComponentState) -> None:
    """Print what a component is doing."""
    if not SETTINGS.json:
        ERRORS.print(f"{component.name:<12} {component.state.value:<10} {component.address}", highlight=False)


def show(state: StackState) -> None:
    """Print a table of components, or a line of JSON each."""
    table = WholeTable(
        "name", "state", "address", "pid", "restarts", "detail", "metrics", box=None, pad_edge=False
    )
    for one in state.components:
        pid = "" if one.pid is None else str(one.pid)
        row = (one.name, one.state.value, one.address, pid, str(one.restarts), one.detail, one.metrics)
        if SETTINGS.json:
            print(json.dumps(dict(zip((column.header for column in table.columns), row, strict=True))))
        table.add_row(*row)
    if not SETTINGS.json:
        CONSOLE.print(table)
