"""Folders of LLaMA-Factory: `dataset_info.json` says what is in which file.

As release 0.9.5 has it (`data/README.md`, `data/parser.py`); what lies on a hub is not fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from services.dataset.imports.readers import is_data
from services.dataset.imports.rows import Columns, Tags
from services.dataset.imports.shapes import SHAPES, Shape
from services.dataset.imports.shapes.table import CONVERSATION, JUDGED, PAIR, PREFERENCE, TEXT
from services.dataset.imports.sources.parts import Choice, Part, files_in, inside
from services.runtime.errors import InvalidArgument

NAME = "dataset_info.json"
MOST_BYTES = 16 << 20
REMOTE = ("hf_hub_url", "ms_hub_url", "om_hub_url", "script_url", "cloud_file_name")
"""The first of these that an entry has, before `file_name`, is where its rows are."""
COLUMNS = {
    "prompt": "instruction",
    "query": "input",
    "response": "answer",
    "history": "history",
    "messages": "messages",
    "system": "system",
    "chosen": "chosen",
    "rejected": "rejected",
    "kto_tag": "desirable",
}
"""Our words for LLaMA-Factory's columns."""
DEFAULTS = {
    "alpaca": {"prompt": "instruction", "query": "input", "response": "output"},
    "sharegpt": {"messages": "conversations"},
}
TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "system_tag": "system",
    "observation_tag": "observation",
    "function_tag": "function",
}
CHATS = {"sharegpt", "openai"}
MULTILINGUAL = "multilingual-thinking"
"""What Easy Dataset calls messages with thoughts beside them."""
FORMAT_WORDS = re.compile(r"(?i)[ _-]*(alpaca|sharegpt|messages|openai|multilingual[ _-]?thinking)[ _-]*")
PREFERRED = ("sharegpt", "openai", "alpaca", MULTILINGUAL)


def parts_of(folder: Path, choice: Choice) -> list[Part]:
    """The files of the chosen datasets.

    Raises:
        InvalidArgument: the description is broken, names what is not here, or holds several datasets
            and none is chosen.
    """
    info = read_info(folder / NAME)
    return [part for name in chosen(info, choice) for part in entry_parts(folder, name, info[name], choice)]


def read_info(path: Path) -> dict[str, Any]:
    """What `dataset_info.json` says.

    Raises:
        InvalidArgument: it is no such file.
    """
    try:
        info = orjson.loads(path.read_bytes()) if path.stat().st_size <= MOST_BYTES else None
    except orjson.JSONDecodeError as error:
        raise broken(f"it is no JSON: {error.msg} at character {error.pos + 1}") from error
    if not isinstance(info, dict) or not all(isinstance(entry, dict) for entry in info.values()) or not info:
        raise broken("it must be an object that holds an object for each dataset")
    return info


def chosen(info: Mapping[str, Mapping[str, Any]], choice: Choice) -> list[str]:
    """The names of the datasets to import: those that are named, or the only one.

    One dataset in several formats is one.

    Raises:
        InvalidArgument: a name is none, or there are several datasets and none is named.
    """
    if choice.datasets:
        missing = [name for name in choice.datasets if name not in info]
        if missing:
            raise several(f"there is no dataset {missing[0]!r}", info)
        return list(choice.datasets)
    groups: dict[str, list[str]] = {}
    for name in info:
        groups.setdefault(FORMAT_WORDS.sub(" ", name).strip(), []).append(name)
    if len(groups) > 1:
        raise several("it describes several datasets", info)
    (names,) = groups.values()
    return [min(names, key=lambda name: preference(formatting_of(info[name])))]


def preference(formatting: str) -> int:
    """How well a format says what is in a dataset; the least is best."""
    return PREFERRED.index(formatting) if formatting in PREFERRED else len(PREFERRED)


def formatting_of(entry: Mapping[str, Any]) -> str:
    """The format of an entry."""
    return str(entry.get("formatting", "alpaca"))


def entry_parts(folder: Path, name: str, entry: Mapping[str, Any], choice: Choice) -> Iterator[Part]:
    """The files of an entry.

    Raises:
        InvalidArgument: they are not here, or the entry says what cannot be.
    """
    remote = next((key for key in REMOTE if entry.get(key)), "")
    if remote:
        raise InvalidArgument(
            "DATASET_REMOTE",
            f"{NAME}: the rows of {name!r} lie elsewhere ({remote}: {entry[remote]}); fetch them, put "
            "them into the folder, and name them by file_name"[:900],
            dataset=name,
        )
    file_name, count = entry.get("file_name"), entry.get("num_samples")
    if not isinstance(file_name, str) or not file_name:
        raise broken(f"{name!r} has no file_name; name the file of its rows")
    if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < 1):
        raise broken(f"num_samples of {name!r} is {count!r}; give a number of rows, or leave it out"[:300])
    path = inside(folder, file_name, NAME)
    shape = shape_of(name, entry)
    files = [path] if path.is_file() else [file for file in files_in(path) if is_data(file.name)]
    for file in files:
        yield Part(file, str(file.relative_to(folder.resolve())), shape, count, choice.read)


def shape_of(name: str, entry: Mapping[str, Any]) -> Shape:
    """The shape of the rows of an entry.

    Raises:
        InvalidArgument: the entry says what cannot be.
    """
    formatting = formatting_of(entry)
    if formatting == MULTILINGUAL:
        return SHAPES["messages"]
    if formatting not in {"alpaca", *CHATS}:
        raise broken(f"formatting of {name!r} is {formatting!r}; use alpaca, sharegpt or openai"[:300])
    columns = columns_of(name, entry, formatting)
    family = family_of(columns, entry)
    if family == TEXT:
        columns = Columns(text=columns.instruction)
    return Shape(name, family, columns, (), tags=tags_of(name, entry) if formatting in CHATS else None)


def columns_of(name: str, entry: Mapping[str, Any], formatting: str) -> Columns:
    """Where things are; columns that are named leave no others.

    Raises:
        InvalidArgument: one is unknown, or no name.
    """
    named = entry.get("columns")
    if named is None:
        named = DEFAULTS["sharegpt" if formatting in CHATS else "alpaca"]
        if entry.get("ranking"):
            named = {key: value for key, value in named.items() if key != "response"}
            named |= {"chosen": "chosen", "rejected": "rejected"}
    if not isinstance(named, dict) or not all(isinstance(one, str) for one in named.values()):
        raise broken(f"columns of {name!r} must be an object of names")
    return Columns(**{COLUMNS[key]: column for key, column in named.items() if key in COLUMNS and column})


def family_of(columns: Columns, entry: Mapping[str, Any]) -> str:
    """The family of rows with some columns."""
    if entry.get("ranking"):
        return PREFERENCE
    if columns.desirable:
        return JUDGED
    if columns.messages:
        return CONVERSATION
    if not columns.answer:
        return TEXT
    return PAIR


def tags_of(name: str, entry: Mapping[str, Any]) -> Tags:
    """The words of the messages of an entry.

    Raises:
        InvalidArgument: one is no text.
    """
    named = entry.get("tags") or {}
    if not isinstance(named, dict) or not all(isinstance(one, str) for one in named.values()):
        raise broken(f"tags of {name!r} must be an object of names")
    return replace(Tags(), **{TAGS[key]: word for key, word in named.items() if key in TAGS})


def broken(why: str) -> InvalidArgument:
    """The error for a description that cannot be."""
    return InvalidArgument("DATASET_INFO_INVALID", f"{NAME}: {why}; mend it", name=NAME)


def several(why: str, info: Mapping[str, Any]) -> InvalidArgument:
    """The error where a dataset must be chosen."""
    names = ", ".join(repr(name) for name in info)
    return InvalidArgument(
        "DATASET_AMBIGUOUS", f"{NAME}: {why}; choose from {names} (datasets)"[:1500], "datasets", name=NAME
    )
