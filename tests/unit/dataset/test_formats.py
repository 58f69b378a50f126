from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from services.dataset.examples.content import content_json
from services.dataset.examples.examples import Example, Message, Preference
from services.dataset.formats import (
    BATCH,
    SplitFiles,
    write_dataset_info,
)
from services.dataset.versions.reading import prompted
from tests.unit.dataset.makers import conversation, sft

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


def write(folder: Path, examples: list[Example], system_prompt: str = "", split: str = "train") -> None:
    history = any(example.kind == "conversation" for example in examples)
    rows = [with_prompt(row_of(example), system_prompt) for example in examples]
    with closing(SplitFiles(folder, split, history)) as files:
        for start in range(0, len(rows), BATCH):
            files.write(rows[start : start + BATCH])
    write_dataset_info(folder, split, history)


def row_of(example: Example) -> dict[str, Any]:
    return {"id": example.id, "kind": example.kind, **json.loads(content_json(example))}


def with_prompt(row: dict[str, Any], prompt: str) -> dict[str, Any]:
    return json.loads(prompted(row, prompt)) if prompt else row


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


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(conversations | st.builds(sft, hard, hard), min_size=1, max_size=5))
@example([sft(text, text, name=str(at)) for at, text in enumerate(HARD)])
def test_what_is_written_reads_back_equal_in_every_format(tmp_path: Path, examples: list[Example]) -> None:
    write(tmp_path, examples)
    expected = [said(example) for example in examples]
    assert read_as_llama_factory(tmp_path, "sishu_alpaca") == expected
    assert read_as_llama_factory(tmp_path, "sishu_sharegpt") == expected

    lines = (tmp_path / "train.jsonl").read_bytes().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["id"] for row in rows] == [example.id for example in examples]
    assert [[Message(**message) for message in row["messages"]] for row in rows] == [
        list(example.messages) for example in examples
    ]


def test_a_line_of_json_lines_is_one_line_for_every_reader(tmp_path: Path) -> None:
    write(tmp_path, [sft(text, text, name=str(at)) for at, text in enumerate(HARD)])
    text = (tmp_path / "train.jsonl").read_text(encoding="utf-8")
    assert len(text.splitlines()) == len(HARD)


def test_the_same_examples_give_the_same_bytes(tmp_path: Path) -> None:
    examples = [sft(f"Question {number}? 问{number}", f"Answer {number}.") for number in range(BATCH + 7)]
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        folder.mkdir()
        write(folder, examples, "Be brief.")
    files = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders]
    assert files[0] == files[1]
    assert len(read_as_llama_factory(folders[0], "sishu_alpaca")) == BATCH + 7


def test_the_system_prompt_comes_before_a_system_message_of_the_examples_own() -> None:
    brief = {"role": "system", "content": "Be brief."}
    first, *rest = row_of(sft("Q?"))["messages"]
    assert with_prompt(row_of(sft("Q?")), "Be brief.")["messages"] == [brief, first, *rest]
    own = row_of(conversation("Q?", "A.", system="Speak Latin."))
    both = {"role": "system", "content": "Be brief.\n\nSpeak Latin."}
    assert with_prompt(own, "Be brief.") == {**own, "messages": [both, *own["messages"][1:]]}


def test_only_conversations_are_written_for_programs_that_read_them(tmp_path: Path) -> None:
    pair = Example(
        "1", "2", "preference", [Message("user", "Q?")], preference=Preference(Message("assistant", "A."))
    )
    text = Example("3", "2", "pretraining", [Message("assistant", "Herons fish.")])
    write(tmp_path, [pair, sft("Q?"), text])
    assert [json.loads(line)["id"] for line in (tmp_path / "train.jsonl").read_bytes().splitlines()] == [
        sft("Q?").id
    ]
    assert len(read_as_llama_factory(tmp_path, "sishu_alpaca")) == 1


def test_single_questions_need_no_history_column(tmp_path: Path) -> None:
    write(tmp_path, [sft("Q?")], "Be brief.")
    (row,) = json.loads((tmp_path / "alpaca.json").read_text(encoding="utf-8"))
    assert row == {"instruction": "Q?", "input": "", "output": "Forty-two.", "system": "Be brief."}


def test_an_empty_split_has_readable_files(tmp_path: Path) -> None:
    write(tmp_path, [])
    assert read_as_llama_factory(tmp_path, "sishu_alpaca") == []
    assert read_as_llama_factory(tmp_path, "sishu_sharegpt") == []
    assert (tmp_path / "train.jsonl").read_bytes() == b""


def test_both_splits_fit_into_one_folder(tmp_path: Path) -> None:
    write(tmp_path, [sft("Train?")])
    write(tmp_path, [sft("Exam?")], split="exam")
    exam_info = (tmp_path / "exam" / "dataset_info.json").read_bytes()
    (tmp_path / "dataset_info.json").write_bytes(exam_info)
    names = ["sishu_alpaca", "sishu_sharegpt", "sishu_exam_alpaca", "sishu_exam_sharegpt"]
    questions = [read_as_llama_factory(tmp_path, name)[0][1][0][1] for name in names]
    assert questions == ["Train?", "Train?", "Exam?", "Exam?"]


@pytest.mark.parametrize("split", ["train", "exam"])
def test_every_made_file_is_there_under_its_name(tmp_path: Path, split: str) -> None:
    with closing(SplitFiles(tmp_path, split, history=False)) as files:
        files.write([row_of(sft("Q?"))])
    made = [*files.files, write_dataset_info(tmp_path, split, history=False)]
    assert all((tmp_path / file.name).stat().st_size > 0 for file in made)
    assert {file.split for file in made} == {split}
