"""Print messages as tables for people or JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console
from rich.text import Text

from sishu.cli.packing import packed
from sishu.cli.settings import SETTINGS
from sishu.cli.tables import WholeTable
from sishu.cli.texts import say

CONSOLE = Console()
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
WHOLE = {"id", "change_id", "example_id", "keeper_id", "index", "level", "page", "state", "version"}
"""Columns whose cells are not broken into lines."""


def leave_out(path: Path, why: str) -> None:
    """Say that a file of a folder is left out."""
    ERRORS.print(f"{say('left_out')}: {path} ({why})", markup=False, highlight=False, soft_wrap=True)


def as_json(message: Message) -> str:
    """A message as one line of JSON, with the field names of the contract and all fields."""
    values = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return json.dumps(values, ensure_ascii=False)


def show_many(messages: Iterable[Message], columns: Sequence[str]) -> None:
    """Print messages: a table with these columns, or a line of JSON each."""
    if SETTINGS.json:
        for message in messages:
            print(as_json(message))
        return
    table, below = WholeTable(box=None, pad_edge=False), list[str]()
    beside = [column for column in columns if column != BELOW]
    for column in beside:
        # So that numbers need little room.
        table.add_column(
            column.replace(".", "\n").replace("_", "\n"), overflow="fold", no_wrap=column in WHOLE
        )
    for message in messages:
        table.add_row(*(cell(message, column) for column in beside))
        if BELOW in columns and message.HasField("failure"):
            below.append(value_at(message, BELOW))
    CONSOLE.print(table)
    for line in below:
        CONSOLE.print(line, style="red", markup=False, highlight=False, soft_wrap=True)


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


def cell(message: Message, path: str) -> str:
    """One value of a message, by a path such as `job.state`, short enough for a table."""
    text = value_at(message, path)
    return text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 1] + "…"


def value_at(message: Message, path: str) -> str:
    """One value of a message, on one line."""
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
