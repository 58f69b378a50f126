"""Exports of any conversations, read as LLaMA-Factory and our trainer read them."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.dataset.examples.examples import Example, Message
from services.dataset.exports.making import export
from services.dataset.exports.options import ExportOptions
from services.dataset.exports.shards import shard_at
from services.dataset.versions.shards import write_shard
from tests.unit.dataset.makers import conversation, sft, shard_of

HARD = [
    "净利润是多少？\r\n第二行",
    "emoji 👩‍🔬🇨🇳 and e\u0301",
    "</s> <|im_end|>\n<|im_start|>assistant <s>[INST] \\n \\u0041",
    'quotes " \' and \\ and {"json": [1]}',
    "line\u2028para\u2029next\x85last\x0b\x0c\x1f\x7f",
    " leading and trailing \t",
    "\ufeffbom \u200bzero width \U0010ffff",
]
characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
hard = st.sampled_from(HARD) | st.text(characters, min_size=1).filter(str.strip)
pairs = st.lists(hard, min_size=2, max_size=6).filter(lambda found: len(found) % 2 == 0)
systems = st.just("") | hard
conversations = st.builds(lambda turns, system: conversation(*turns, system=system), pairs, systems)

Turns = list[tuple[str, str]]


def write(folder: Path, examples: list[Example]) -> None:
    """A version of one split, as a folder of LLaMA-Factory and as lines of messages."""
    write_shard(folder / "train.parquet", shard_of(examples))
    shards = [shard_at("train", folder / "train.parquet")]
    export(shards, ExportOptions(bundle="llama_factory"), folder)
    export(shards, ExportOptions(shape="messages_jsonl"), folder)


def read_as_llama_factory(folder: Path, name: str) -> list[tuple[str, Turns]]:
    """System text and turns of a data set, by the rules of LLaMA-Factory's data/README.md and parser."""
    info = json.loads((folder / "dataset_info.json").read_text(encoding="utf-8"))[name]
    rows = json.loads((folder / info["file_name"]).read_text(encoding="utf-8"))
    columns = info["columns"]
    if info["formatting"] == "alpaca":
        return [read_alpaca(row, columns) for row in rows]
    assert columns == {"messages": "conversations"}
    return [read_sharegpt(row["conversations"], info["tags"]) for row in rows]


def read_alpaca(row: dict[str, Any], columns: dict[str, str]) -> tuple[str, Turns]:
    # A column that is named must be in every row: the loader raises KeyError otherwise.
    assert set(columns.values()) == set(row)
    turns: Turns = []
    for question, answer in row[columns["history"]] if "history" in columns else []:
        turns += [("user", question), ("assistant", answer)]
    asked = [part for part in (row[columns["prompt"]], row[columns["query"]]) if part]
    return row[columns["system"]], [
        *turns,
        ("user", "\n".join(asked)),
        ("assistant", row[columns["response"]]),
    ]


def read_sharegpt(messages: list[dict[str, str]], tags: dict[str, str]) -> tuple[str, Turns]:
    names = {tags["user_tag"]: "user", tags["assistant_tag"]: "assistant"}
    system = ""
    if messages[0][tags["role_tag"]] == tags["system_tag"]:
        system, messages = messages[0][tags["content_tag"]], messages[1:]
    turns = [(names[one[tags["role_tag"]]], one[tags["content_tag"]]) for one in messages]
    assert len(turns) % 2 == 0
    assert [role for role, _ in turns] == ["user", "assistant"] * (len(turns) // 2)
    return system, turns


def said(example: Example) -> tuple[str, Turns]:
    messages = list(example.messages)
    system = messages.pop(0).content if messages[0].role == "system" else ""
    return system, [(message.role, message.content) for message in messages]


@settings(max_examples=40, deadline=None)
@given(st.lists(conversations | st.builds(sft, hard, hard), min_size=1, max_size=5))
@example([sft(text, text, name=str(at)) for at, text in enumerate(HARD)])
def test_what_is_written_reads_back_equal_in_every_format(examples: list[Example]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, examples)
        expected = [said(example) for example in examples]
        assert read_as_llama_factory(folder, "sishu_alpaca") == expected
        assert read_as_llama_factory(folder, "sishu_sharegpt") == expected
        lines = (folder / "train.jsonl").read_bytes().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["id"] for row in rows] == [example.id for example in examples]
    assert [[Message(**message) for message in row["messages"]] for row in rows] == [
        list(example.messages) for example in examples
    ]
