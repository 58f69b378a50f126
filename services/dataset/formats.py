"""The files of a dataset version: rows as our trainer, LLaMA-Factory and Parquet readers expect them.

LLaMA-Factory: `data/README.md` and `data/parser.py` of release 0.9.5. Files are written row by row, and the
same rows give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from services.dataset.examples import Example, Message

MESSAGES_JSONL = "messages_jsonl"
LLAMA_FACTORY = "llama_factory"
PARQUET = "parquet"

JSON = "application/json"
JSON_LINES = "application/jsonl"
PARQUET_TYPE = "application/vnd.apache.parquet"

SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt"}
"""LLaMA-Factory's names of the roles."""
BATCH = 1000
"""Rows written at once; the size of a Parquet row group."""
LINE_BREAKS = str.maketrans({char: f"\\u{ord(char):04x}" for char in "\x85\u2028\u2029"})
"""Characters that JSON allows in a string, and that some readers of lines take for the end of one."""

MESSAGE_TYPE = pa.struct({"role": pa.string(), "content": pa.string(), "reasoning": pa.string()})
QUOTE_TYPE = pa.struct(
    {
        "text": pa.string(),
        "chunk_id": pa.string(),
        "document_id": pa.string(),
        "document_version": pa.int32(),
        "start": pa.int64(),
        "end": pa.int64(),
    }
)
ORIGIN_TYPE = pa.struct(
    {
        "prompt_version": pa.string(),
        "provider_id": pa.string(),
        "model": pa.string(),
        "parameters": pa.string(),
        "prompt_tokens": pa.int64(),
        "completion_tokens": pa.int64(),
        "calls": pa.int64(),
    }
)
"""`parameters` is a JSON object."""
SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "kind": pa.string(),
        "messages": pa.list_(MESSAGE_TYPE),
        "quotes": pa.list_(QUOTE_TYPE),
        "generation_id": pa.string(),
        "question_ids": pa.list_(pa.string()),
        "chunk_ids": pa.list_(pa.string()),
        "document_id": pa.string(),
        "document_version": pa.int32(),
        "question_origin": ORIGIN_TYPE,
        "answer_origin": ORIGIN_TYPE,
        "fact_id": pa.string(),
    }
)
"""Columns of the Parquet files."""
CONTENT = ("kind", "messages", "quotes")
LINEAGE = tuple(name for name in SCHEMA.names if name not in {"id", *CONTENT})


@dataclass(frozen=True)
class MadeFile:
    """A file in the folder in which a version is made; `name` is its path there."""

    name: str
    format: str
    split: str
    media_type: str


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


class ParquetFile:
    """A Parquet file with fixed settings; it holds no time and no name."""

    def __init__(self, path: Path) -> None:
        self._writer = pq.ParquetWriter(path, SCHEMA, version="2.6", compression="zstd", compression_level=3)

    def write(self, rows: Sequence[object]) -> None:
        """Add rows as one row group."""
        self._writer.write_table(pa.Table.from_pylist(rows, SCHEMA))

    def close(self) -> None:
        """End the file."""
        self._writer.close()


class SplitFiles:
    """The files of one split, written side by side.

    Args:
        folder: where they go.
        split: `train` or `exam`.
        system_prompt: system message put before every conversation; may be empty.
        history: whether alpaca rows have a column for earlier turns.
    """

    def __init__(self, folder: Path, split: str, system_prompt: str, history: bool) -> None:
        self._system_prompt = system_prompt
        self._history = history
        self.files = [
            MadeFile(parquet_name(split), PARQUET, split, PARQUET_TYPE),
            MadeFile(f"{split}.jsonl", MESSAGES_JSONL, split, JSON_LINES),
            MadeFile(alpaca_name(split), LLAMA_FACTORY, split, JSON),
            MadeFile(sharegpt_name(split), LLAMA_FACTORY, split, JSON),
        ]
        parquet, messages, alpaca, sharegpt = (folder / file.name for file in self.files)
        self._parquet = ParquetFile(parquet)
        self._messages = JsonLines(messages)
        self._alpaca = JsonArray(alpaca)
        self._sharegpt = JsonArray(sharegpt)

    def write(self, examples: Iterable[Example]) -> None:
        """Add examples, at most `BATCH` at once."""
        said = [with_system_prompt(example, self._system_prompt) for example in examples]
        self._parquet.write([parquet_row(example) for example in said])
        self._messages.write(map(messages_row, said))
        self._alpaca.write(alpaca_row(example, self._history) for example in said)
        self._sharegpt.write(map(sharegpt_row, said))

    def close(self) -> None:
        """End the files."""
        for sink in (self._parquet, self._messages, self._alpaca, self._sharegpt):
            sink.close()


def with_system_prompt(example: Example, prompt: str) -> Example:
    """The example with a system message before it; one of its own follows in the same message."""
    if not prompt:
        return example
    own, rest = parted(example.messages)
    system = Message("system", f"{prompt}\n\n{own}" if own else prompt)
    return replace(example, messages=[system, *rest])


def parted(messages: Sequence[Message]) -> tuple[str, Sequence[Message]]:
    """The system message of a conversation, or nothing, and the turns after it."""
    if messages and messages[0].role == "system":
        return messages[0].content, messages[1:]
    return "", messages


def messages_row(example: Example) -> dict[str, Any]:
    """What our trainer reads."""
    messages = [{"role": message.role, "content": message.content} for message in example.messages]
    return {"id": example.id, "messages": messages}


def alpaca_row(example: Example, history: bool) -> dict[str, Any]:
    """LLaMA-Factory's alpaca format: the last pair of turns, those before it as history."""
    system, turns = parted(example.messages)
    texts = [turn.content for turn in turns]
    row: dict[str, Any] = {"instruction": texts[-2], "input": "", "output": texts[-1], "system": system}
    if history:
        row["history"] = [texts[at : at + 2] for at in range(0, len(texts) - 2, 2)]
    return row


def sharegpt_row(example: Example) -> dict[str, Any]:
    """LLaMA-Factory's sharegpt format; a system message comes first."""
    return {
        "conversations": [
            {"from": SPEAKERS[message.role], "value": message.content} for message in example.messages
        ]
    }


def parquet_row(example: Example) -> dict[str, Any]:
    """All that is known of an example, its project and times left out."""
    lineage = asdict(example.lineage)
    for origin in filter(None, (lineage["question_origin"], lineage["answer_origin"])):
        origin["parameters"] = json.dumps(origin["parameters"], ensure_ascii=False, sort_keys=True)
    return {
        "id": example.id,
        "kind": example.kind,
        "messages": [asdict(message) for message in example.messages],
        "quotes": [asdict(quote) for quote in example.quotes],
        **lineage,
    }


def read_parquet(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of one of our Parquet files, a row group at a time in memory."""
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            yield from file.read_row_group(group).to_pylist()


def frozen(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a row of a Parquet file says, with its lineage in one piece and its parameters as values."""
    lineage = {name: row[name] for name in LINEAGE}
    for origin in filter(None, (lineage["question_origin"], lineage["answer_origin"])):
        origin["parameters"] = json.loads(origin["parameters"])
    return {**{name: row[name] for name in CONTENT}, "lineage": lineage}


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


def parquet_name(split: str) -> str:
    """Name of a split's Parquet file."""
    return f"{split}.parquet"


def alpaca_name(split: str) -> str:
    """Name of a split's alpaca file."""
    return "alpaca.json" if split == "train" else f"alpaca_{split}.json"


def sharegpt_name(split: str) -> str:
    """Name of a split's sharegpt file."""
    return "sharegpt.json" if split == "train" else f"sharegpt_{split}.json"


def encode(row: object) -> bytes:
    """A row as one line of UTF-8 JSON."""
    return json.dumps(row, ensure_ascii=False).translate(LINE_BREAKS).encode()
