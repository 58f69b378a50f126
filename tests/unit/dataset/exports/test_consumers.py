"""The programs that exports are made for load every one of them: the same rows, the same texts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from services.dataset.exports.bundles.llama_factory import ALPACA, DESCRIPTIONS, SHAREGPT_TAGS
from services.dataset.exports.making import export
from services.dataset.exports.options import Column, ExportOptions
from services.dataset.exports.shapes import SHAPES
from services.dataset.exports.shards import Shard
from tests.support.consumers import LLAMA_FACTORY, TRL, read_by
from tests.unit.dataset.exports.makers import Row, conversation, one_of_all, sft, write_shards

pytestmark = [pytest.mark.full, pytest.mark.timeout(2400)]

ASKED = {"sft", "conversation", "exam_item"}
COLUMNS = [Column("ask", "{{ question }}"), Column("tell", "{{ answer }}")]
MESSAGE_TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
}
PLAIN: dict[str, dict[str, Any]] = {
    "alpaca": {"formatting": "alpaca", "columns": {**ALPACA, "history": "history"}},
    "sharegpt": {"formatting": "sharegpt", "columns": {"messages": "conversations"}, "tags": SHAREGPT_TAGS},
    "sharegpt_messages": {
        "formatting": "sharegpt",
        "columns": {"messages": "messages"},
        "tags": {**MESSAGE_TAGS, "system_tag": "system"},
    },
    "openai": {
        "formatting": "sharegpt",
        "columns": {"messages": "messages"},
        "tags": {**MESSAGE_TAGS, "system_tag": "system"},
    },
    "messages_jsonl": {
        "formatting": "sharegpt",
        "columns": {"messages": "messages"},
        "tags": {**MESSAGE_TAGS, "system_tag": "system"},
    },
    "dpo_llama_factory": {
        "formatting": "alpaca",
        "ranking": True,
        "columns": {
            "prompt": "instruction",
            "query": "input",
            "chosen": "chosen",
            "rejected": "rejected",
            "system": "system",
            "history": "history",
        },
    },
    "dpo_llama_factory_sharegpt": dict(DESCRIPTIONS["dpo_llama_factory_sharegpt"]),
    "kto_llama_factory": {
        "formatting": "alpaca",
        "columns": {**ALPACA, "history": "history", "kto_tag": "kto_tag"},
    },
    "kto_llama_factory_sharegpt": dict(DESCRIPTIONS["kto_llama_factory_sharegpt"]),
    "pretraining": dict(DESCRIPTIONS["pretraining"]),
}
"""How our files of a shape are described to LLaMA-Factory where they are not in its bundle."""

Said = tuple[str, list[tuple[str, str]], list[tuple[str, str]]]
"""System message, prompt and response of a row, as role and content."""


def shards_of(folder: Path) -> list[Shard]:
    return [
        *write_shards(folder, "train", one_of_all(), shard_rows=20),
        *write_shards(
            folder, "validation", [sft("v", "Validate?", "Yes."), conversation("w", "1", "2", "3", "4")]
        ),
        *write_shards(folder, "exam", one_of_all()[:11]),
    ]


def stage_of(shape: str) -> str:
    return shape.partition("_")[0] if shape.startswith(("dpo", "kto")) else "pt" if "pre" in shape else "sft"


def turns(messages: Sequence[dict[str, str]]) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in messages]


def expected(shape: str, rows: Sequence[Row]) -> Iterator[Said]:
    """What LLaMA-Factory is to see of rows."""
    stage = stage_of(shape)
    for row in rows:
        messages = row.content["messages"]
        system = messages[0]["content"] if messages[0]["role"] == "system" else ""
        said = turns(messages[1:] if system else messages)
        answers = row.content.get("preference", {})
        good, bad = (answers.get(name, {}).get("content") for name in ("chosen", "rejected"))
        if stage == "sft" and row.kind in ASKED:
            yield system, said[:-1], said[-1:]
        elif stage == "pt" and row.kind == "pretraining":
            yield "", [("user", said[0][1])], []
        elif stage == "dpo" and good and bad:
            yield system, said, [("assistant", good), ("assistant", bad)]
        elif stage == "kto" and row.kind == "preference":
            if good:
                yield system, said, [("assistant", good), ("assistant", "")]
            if bad:
                yield system, said, [("assistant", ""), ("assistant", bad)]


def seen(answer: dict[str, Any]) -> list[Said]:
    return [(row["system"] or "", turns(row["prompt"]), turns(row["response"])) for row in answer["rows"]]


def test_llama_factory_loads_every_export(tmp_path: Path) -> None:
    shards = shards_of(tmp_path / "version")
    splits: dict[str, list[Row]] = {
        "train": one_of_all(),
        "validation": [sft("v", "Validate?", "Yes."), conversation("w", "1", "2", "3", "4")],
        "exam": one_of_all()[:11],
    }
    tasks: list[dict[str, str]] = []
    wanted: list[tuple[str, Sequence[Row]]] = []
    for file_type in ("json", "jsonl", "parquet"):
        folder = tmp_path / f"bundle_{file_type}"
        export(shards, ExportOptions(bundle="llama_factory", file_type=file_type), folder)
        info = json.loads((folder / "dataset_info.json").read_text(encoding="utf-8"))
        assert len(info) == 5 + 2 + 5
        for name in info:
            shape = {"dpo": "dpo_x", "kto": "kto_x"}.get(name.rpartition("_")[2], name.rpartition("_")[2])
            split = next((one for one in splits if one in name and one != "train"), "train")
            tasks.append({"folder": str(folder), "dataset": name, "stage": stage_of(shape)})
            wanted.append((shape, splits[split]))
        for shape, description in PLAIN.items():
            folder = tmp_path / f"{shape}_{file_type}"
            export(shards, ExportOptions(shape=shape, file_type=file_type, splits=["train"]), folder)
            described = {"ours": {"file_name": f"train.{file_type}", **description}}
            (folder / "dataset_info.json").write_text(json.dumps(described), encoding="utf-8")
            tasks.append({"folder": str(folder), "dataset": "ours", "stage": stage_of(shape)})
            wanted.append((shape, splits["train"]))
    configs = {stage: tmp_path / "bundle_json" / f"{stage}.yaml" for stage in ("sft", "dpo", "kto", "pt")}
    answers = read_by(
        LLAMA_FACTORY, tmp_path, [*tasks, *({"config": str(path)} for path in configs.values())]
    )
    for task, (shape, rows), answer in zip(tasks, wanted, answers, strict=False):
        told = list(expected(shape, rows))
        assert seen(answer) == told, task
        if task["stage"] == "pt":
            # Its texts are joined and cut into blocks, of which the last is lost.
            joined = "".join(answer["learned"])
            assert joined and "".join(said[0][1] for _, said, _ in told)[:90] in joined.replace(
                "<|im_end|>", ""
            )
        else:
            assert answer["samples"] == len(told), task
        if task["stage"] == "sft":
            answered = [
                "".join(f"{text}<|im_end|>\n" for role, text in [*prompt, *response] if role == "assistant")
                for _, prompt, response in told
            ]
            assert answer["learned"] == answered, task
    assert answers[len(tasks) :] == [
        {"stage": "sft", "dataset": ["sishu_sharegpt"], "eval_dataset": ["sishu_validation_sharegpt"]},
        {"stage": "dpo", "dataset": ["sishu_dpo"], "eval_dataset": None},
        {"stage": "kto", "dataset": ["sishu_kto"], "eval_dataset": None},
        {"stage": "pt", "dataset": ["sishu_pretraining"], "eval_dataset": None},
    ]


FIRST = {"json": "json", "jsonl": "json", "csv": "csv", "parquet": "parquet"}
"""The builder of `datasets` for a type of file."""
TEMPLATED = {"openai", "sharegpt_messages", "dpo_trl", "kto_trl"}


def test_datasets_and_trl_load_every_export(tmp_path: Path) -> None:
    shards = shards_of(tmp_path / "version")
    tasks: list[dict[str, Any]] = []
    names: list[tuple[str, str, str]] = []
    rows: dict[str, list[dict[str, Any]]] = {}
    for shape in SHAPES:
        for file_type, builder in FIRST.items():
            for compression in ("", "gzip", "zstd") if file_type == "jsonl" else ("",):
                folder = tmp_path / f"{shape}_{file_type}_{compression}"
                columns = COLUMNS if shape == "custom" else []
                options = ExportOptions(
                    shape=shape,
                    file_type=file_type,
                    compression=compression,
                    columns=columns,
                    splits=["train"],
                )
                export(shards, options, folder)
                (path,) = folder.glob("train.*")
                # Without the last word, texts such as NA would be taken for nothing.
                more = {"keep_default_na": False} if file_type == "csv" else {}
                tasks.append({"path": builder, "data_files": {"train": str(path)}, "split": "train", **more})
                names.append((shape, file_type, compression))
                if (file_type, compression) == ("json", ""):
                    rows[shape] = json.loads(path.read_text(encoding="utf-8"))
    folder = tmp_path / "hugging_face"
    export(shards, ExportOptions(bundle="hugging_face"), folder)
    splits = ("train", "validation", "exam")
    tasks += [{"path": str(folder), "split": split} for split in splits]
    export(shards, ExportOptions(bundle="trl"), tmp_path / "trl")
    commands = {"sft": "sft", "dpo": "dpo", "kto": "kto", "pretraining": "sft"}
    tasks += [
        {"config": str(tmp_path / "trl" / f"{name}.yaml"), "command": command}
        for name, command in commands.items()
    ]
    answers = read_by(TRL, tmp_path, tasks)
    for (shape, file_type, compression), answer in zip(names, answers, strict=False):
        told = rows[shape]
        what = f"{shape} as {file_type} {compression}"
        if file_type == "csv":
            told = [{name: cell_of(value) for name, value in row.items()} for row in told]
            assert [
                {name: as_text(value) for name, value in row.items()} for row in answer["rows"]
            ] == told, what
        else:
            assert without_nulls(answer["rows"]) == without_nulls(told), what
        if shape in TEMPLATED and file_type != "csv":
            assert answer["conversational"], what
            assert [templated_of(row) for row in answer["rows"]] == answer["templated"], what
    of_splits = answers[len(names) : len(names) + 3]
    assert [len(answer["rows"]) for answer in of_splits] == [len(one_of_all()), 2, 11]
    assert without_nulls(of_splits[0]["rows"]) == without_nulls(rows["structured"])
    assert [answer["rows"] for answer in answers[len(names) + 3 :]] == [
        len(rows["openai"]),
        len(rows["dpo_trl"]),
        len(rows["kto_trl"]),
        len(rows["pretraining"]),
    ]


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value


def cell_of(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else cell_of(value)


def chatml(messages: Sequence[dict[str, str]]) -> str:
    return "".join(f"<|im_start|>{one['role']}\n{one['content']}<|im_end|>\n" for one in messages)


def templated_of(row: dict[str, Any]) -> dict[str, Any]:
    """What TRL is to make of a row with a ChatML template."""
    if "messages" in row:
        return {"text": chatml(row["messages"])}
    opened = chatml(row["prompt"]) + "<|im_start|>assistant\n"
    answers = {name: row[name] for name in ("chosen", "rejected", "completion") if name in row}
    texts: dict[str, str] = {name: f"{one[0]['content']}<|im_end|>\n" for name, one in answers.items()}
    found: dict[str, Any] = {"prompt": opened, **texts}
    return {**found, "label": row["label"]} if "label" in row else found


def test_datasets_load_more_rows_than_they_look_at_first(tmp_path: Path) -> None:
    """`datasets` guesses the columns from the first ten megabytes; what comes later is read all the same."""
    many = [sft(f"s{at}", f"Question {at}?", "x" * 3000) for at in range(5000)]
    late = [conversation(f"c{at}", "1?", "1", "2?", "2", reasoning="Hm.") for at in range(50)]
    shards = write_shards(tmp_path / "version", "train", [*many, *late])
    cases: dict[str, dict[str, Any]] = {
        "alpaca": {},
        "openai": {"reasoning": "field"},
        "multilingual_thinking": {},
        "messages_jsonl": {},
    }
    tasks = []
    for shape, more in cases.items():
        export(shards, ExportOptions(shape=shape, **more), tmp_path / shape)
        path = tmp_path / shape / "train.jsonl"
        tasks.append(
            {"path": "json", "data_files": {"train": str(path)}, "split": "train", "templating": False}
        )
    answers = read_by(TRL, tmp_path, tasks)
    assert [len(answer["rows"]) for answer in answers] == [5050, 5050, 5000, 5050]
