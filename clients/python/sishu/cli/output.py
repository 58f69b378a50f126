"""Print messages as tables for people or JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console
from rich.text import Text

from sishu.cli.grids import Column, laid_out
from sishu.cli.packing import packed
from sishu.cli.settings import SETTINGS
from sishu.cli.tables import WholeTable
from sishu.cli.texts import say

UNBOUNDED = 10_000
"""Columns of what is no screen."""


class Screen(Console):
    """Where results are printed."""

    @property
    def columns(self) -> int:
        """The room that a row has: on a screen its width, else all that it takes, as programs read lines."""
        return self.width if self.is_terminal or self._width is not None else UNBOUNDED


CONSOLE = Screen()
ERRORS = Console(stderr=True)
LONGEST_CELL = 60
NAME_WIDTH = 18
"""Room for the name before a value."""
NARROWEST = 40
OF_JOBS = {"project_id", "resource_id", "create_time", "update_time"}
"""What is left out of a job beside what it is about; `sishu job get` shows it."""
OWN_VERSION = "@project-"
"""In the name of a version of a prompt that a project made."""
BELOW = "failure.message"
"""Column that stands below a table: its texts are long, and say what they are about."""
DOCUMENT_COLUMNS = ("id", "name", "state", "version", "chunk_count", BELOW)
CHUNK_COLUMNS = ("id", "index", "span.start", "token_count", "text")
Derived = Mapping[str, Callable[[Any], str]]
"""Columns that are no fields: what of a message stands in each."""


def leave_out(path: Path, why: str) -> None:
    """Say that a file of a folder is left out."""
    ERRORS.print(f"{say('left_out')}: {path} ({why})", markup=False, highlight=False, soft_wrap=True)


def as_json(message: Message) -> str:
    """A message as one line of JSON, with the field names of the contract and all fields."""
    values = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return json.dumps(values, ensure_ascii=False)


def show_many(messages: Iterable[Message], columns: Sequence[str], derived: Derived | None = None) -> None:
    """Print messages: in columns, or a line of JSON each.

    Args:
        messages: to print.
        columns: paths of fields, or names of those that are derived.
        derived: columns that are no fields.
    """
    if SETTINGS.json:
        for message in messages:
            print(as_json(message))
        return
    found, own = list(messages), derived or {}
    cells = {
        path: [own[path](one) if path in own else value_at(one, path) for one in found]
        for path in columns
        if path != BELOW
    }
    show_grid(cells, len(found))
    if BELOW in columns:
        show_lines((value_at(one, BELOW) for one in found if one.HasField("failure")), style="red")


def show_grid(cells: Mapping[str, Sequence[str]], rows: int) -> None:
    """Print rows in columns.

    Args:
        cells: the values of each column by its path or name.
        rows: how many there are.
    """
    grid = laid_out([Column(path, values) for path, values in cells.items()], CONSOLE.columns)
    show_lines(grid.head(), style="bold")
    for row in range(rows):
        show_lines(grid.row(row))


def show_lines(lines: Iterable[str], style: str = "") -> None:
    """Print lines as they are."""
    for line in lines:
        CONSOLE.print(line, style=style, markup=False, highlight=False, soft_wrap=True)


def show_paths(paths: Iterable[Path]) -> None:
    """Print where files are, whole, a line each."""
    if SETTINGS.json:
        for path in paths:
            print(json.dumps({"path": str(path)}, ensure_ascii=False))
    else:
        show_lines(map(str, paths))


def show_deleted(answer: Message) -> None:
    """Say that something was deleted, and what that has counted."""
    if not SETTINGS.json:
        CONSOLE.print(say("deleted"))
    if SETTINGS.json or answer.ByteSize():
        show_one(answer)


def show_one(message: Message) -> None:
    """Print a message whole: a field a line, or a line of JSON."""
    if SETTINGS.json:
        print(as_json(message))
        return
    values = MessageToDict(message, preserving_proto_field_name=True)
    show_fields((name, in_lines(name, value)) for name, value in values.items())


def in_lines(name: str, value: Any) -> str:
    """A value of a message, whole; of the versions of prompts those that the project made."""
    if name == "prompt_versions":
        own = {prompt: version for prompt, version in value.items() if OWN_VERSION in version}
        built_in = say("built_in_prompts").format(len(value) - len(own))
        return "\n".join([*own.values(), built_in])
    if name == "job":
        value = {key: one for key, one in value.items() if key not in OF_JOBS}
    width = max(NARROWEST, CONSOLE.width - NAME_WIDTH)
    return value if isinstance(value, str) else "\n".join(packed(value, width))


def show_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Print fields, each a line with its name and value."""
    table = WholeTable(box=None, pad_edge=False, show_header=False)
    for name, value in fields:
        table.add_row(name, Text(value))
    CONSOLE.print(table)


def value_at(message: Message, path: str) -> str:
    """One value of a message, by a path such as `job.state`, on one line."""
    value: Any = message
    for name in path.split("."):
        owner, value = value, getattr(value, name)
    return " ".join(shown(owner, path.rsplit(".", 1)[-1], value).split())


def shown(owner: Message, name: str, value: Any) -> str:
    """A value as people read it: enum names without prefix, times in seconds, nothing for what is unset."""
    field: Any = owner.DESCRIPTOR.fields_by_name[name]
    if field.has_presence and not owner.HasField(name):
        return ""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(shown_one(field, one) for one in value)
    return shown_one(field, value)


def shown_one(field: Any, value: Any) -> str:
    """A value that is no list of values."""
    if field.enum_type is not None:
        number = field.enum_type.values_by_number[value].name
        prefix = field.enum_type.values[0].name.removesuffix("UNSPECIFIED")
        return str(number.removeprefix(prefix).lower())
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {value[key]}" for key in sorted(value))
    if isinstance(value, Timestamp):
        return value.ToDatetime().strftime("%Y-%m-%d %H:%M:%S") if value.seconds else ""
    return str(value)
