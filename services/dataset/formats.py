"""The files of a dataset version: rows as our trainer, LLaMA-Factory and Parquet readers expect them.

LLaMA-Factory: `data/README.md` and `data/parser.py` of release 0.9.5. Files are written row by row, and the
same rows give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import orjson

Row: TypeAlias = Mapping[str, Any]
"""The content of an example (examples/content.py) with its id and kind."""

MESSAGES_JSONL = "messages_jsonl"
LLAMA_FACTORY = "llama_factory"
PARQUET = "parquet"

JSON = "application/json"
JSON_LINES = "application/jsonl"
PARQUET_TYPE = "application/vnd.apache.parquet"

SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt"}
"""LLaMA-Factory's names of the roles."""
BATCH = 1000
"""Rows written at once."""
CONVERSATIONS = frozenset({"sft", "conversation", "exam_item"})
"""Kinds of examples that are questions and answers."""
LINE_BREAKS = str.maketrans({char: f"\\u{ord(char):04x}" for char in "\x85\u2028\u2029"})
"""Characters that JSON allows in a string, and that some readers of lines take for the end of one."""


@dataclass(frozen=True)
class MadeFile:
    """A file in the folder in which a version is made; `name` is its path there."""

    name: str
    format: str
    split: str
    media_type: str
    rows: int = 0


class JsonLines:
    """A file of JSON Lines."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("wb")

    def write(self, rows: Iterable[object]) -> None:
        """Add rows."""
        for row in rows:
            self._stream.write(encode(row) + b"\n")

    def close(self) -> None:
        """End the file."""
        self._stream.close()


class JsonArray:
    """A file of one JSON array, a row a line."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("wb")
        self._before = b"[\n"

    def write(self, rows: Iterable[object]) -> None:
        """Add rows."""
        for row in rows:
            self._stream.write(self._before + encode(row))
            self._before = b",\n"

    def close(self) -> None:
        """End the array and the file."""
        self._stream.write(b"[]\n" if self._before == b"[\n" else b"\n]\n")
        self._stream.close()


class SplitFiles:
    """The files of one split for programs that read conversations, written side by side.

    Args:
        folder: where they go.
        split: `train` or `exam`.
        history: whether alpaca rows have a column for earlier turns.
    """

    def __init__(self, folder: Path, split: str, history: bool) -> None:
        self._history = history
        self.files = [
            MadeFile(f"{split}.jsonl", MESSAGES_JSONL, split, JSON_LINES),
            MadeFile(alpaca_name(split), LLAMA_FACTORY, split, JSON),
            MadeFile(sharegpt_name(split), LLAMA_FACTORY, split, JSON),
        ]
        messages, alpaca, sharegpt = (folder / file.name for file in self.files)
        self._messages = JsonLines(messages)
        self._alpaca = JsonArray(alpaca)
        self._sharegpt = JsonArray(sharegpt)

    def write(self, rows: Iterable[Row]) -> None:
        """Add the contents of examples, at most `BATCH` at once; only conversations are written."""
        said = [row for row in rows if is_conversation(row)]
        self._messages.write(map(messages_row, said))
        self._alpaca.write(alpaca_row(row, self._history) for row in said)
        self._sharegpt.write(map(sharegpt_row, said))

    def close(self) -> None:
        """End the files."""
        for sink in (self._messages, self._alpaca, self._sharegpt):
            sink.close()


def is_conversation(row: Row) -> bool:
    """Whether a row has a question and an answer."""
    return row["kind"] in CONVERSATIONS


def parted(messages: Sequence[Row]) -> tuple[str, Sequence[Row]]:
    """The system message of a conversation, or nothing, and the turns after it."""
    if messages and messages[0]["role"] == "system":
        return messages[0]["content"], messages[1:]
    return "", messages


def messages_row(row: Row) -> dict[str, Any]:
    """What our trainer reads."""
    messages = [{"role": message["role"], "content": message["content"]} for message in row["messages"]]
    return {"id": row["id"], "messages": messages}


def alpaca_row(row: Row, history: bool) -> dict[str, Any]:
    """LLaMA-Factory's alpaca format: the last pair of turns, those before it as history."""
    system, turns = parted(row["messages"])
    texts = [turn["content"] for turn in turns]
    made: dict[str, Any] = {"instruction": texts[-2], "input": "", "output": texts[-1], "system": system}
    if history:
        made["history"] = [texts[at : at + 2] for at in range(0, len(texts) - 2, 2)]
    return made


def sharegpt_row(row: Row) -> dict[str, Any]:
    """LLaMA-Factory's sharegpt format; a system message comes first."""
    return {
        "conversations": [
            {"from": SPEAKERS[message["role"]], "value": message["content"]} for message in row["messages"]
        ]
    }


def write_dataset_info(folder: Path, split: str, history: bool) -> MadeFile:
    """Write LLaMA-Factory's `dataset_info.json` for a split.

    That of the exam names the train files too, so that both splits can lie in one folder.
    """
    splits = ["train"] if split == "train" else ["train", "exam"]
    name = "dataset_info.json" if split == "train" else f"{split}/dataset_info.json"
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    info = {key: value for each in splits for key, value in dataset_info(each, history).items()}
    path.write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")
    return MadeFile(name, LLAMA_FACTORY, split, JSON)


def dataset_info(split: str, history: bool) -> dict[str, Any]:
    """LLaMA-Factory's names and descriptions of the alpaca and sharegpt files of a split."""
    prefix = "sishu" if split == "train" else f"sishu_{split}"
    columns = {"prompt": "instruction", "query": "input", "response": "output", "system": "system"}
    tags = {
        "role_tag": "from",
        "content_tag": "value",
        "user_tag": SPEAKERS["user"],
        "assistant_tag": SPEAKERS["assistant"],
        "system_tag": SPEAKERS["system"],
    }
    return {
        f"{prefix}_alpaca": {
            "file_name": alpaca_name(split),
            "formatting": "alpaca",
            "columns": {**columns, "history": "history"} if history else columns,
        },
        f"{prefix}_sharegpt": {
            "file_name": sharegpt_name(split),
            "formatting": "sharegpt",
            "columns": {"messages": "conversations"},
            "tags": tags,
        },
    }


def shard_file(name: str, split: str, rows: int) -> MadeFile:
    """A shard of a split."""
    return MadeFile(name, PARQUET, split, PARQUET_TYPE, rows)


def alpaca_name(split: str) -> str:
    """Name of a split's alpaca file."""
    return "alpaca.json" if split == "train" else f"alpaca_{split}.json"


def sharegpt_name(split: str) -> str:
    """Name of a split's sharegpt file."""
    return "sharegpt.json" if split == "train" else f"sharegpt_{split}.json"


def encode(row: object) -> bytes:
    """A row as one line of UTF-8 JSON."""
    text = orjson.dumps(row)
    if b"\xc2\x85" in text or b"\xe2\x80" in text:
        return text.decode().translate(LINE_BREAKS).encode()
    return text
