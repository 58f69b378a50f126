"""The questions of data files of the usual sorts, and the Parquet files in which they are kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.dataset.benchmarks.files import (
    guard_of,
    read_questions,
    read_signatures,
    write_questions,
    write_signatures,
)
from services.dataset.benchmarks.items import Item, items_in
from services.dataset.imports.rows import Fault
from services.dataset.imports.sources import Choice, parts_in
from services.runtime.errors import InvalidArgument


def read(folder: Path, rows: list[Any] | str, name: str = "rows.jsonl", **columns: Any) -> list[Item | Fault]:
    text = rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return list(items_in(parts_in(path, name, folder, Choice()), folder, **columns))


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ({"question": "Why?", "answer": "So."}, ("Why?", (), "So.")),
        ({"question": "Why?", "choices": ["a", "b"], "answer": 1}, ("Why?", ("a", "b"), "")),
        ({"question": "2+2?", "choices": [3, 4], "answer": 1}, ("2+2?", ("3", "4"), "")),
        (
            {"question": "Why?", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "A"},
            ("Why?", ("a", "b"), ""),
        ),
        (
            {"question": {"stem": "Why?"}, "choices": [{"label": "A", "text": "a"}]},
            ("Why?", ("a",), ""),
        ),
        ({"ctx": "He goes", "endings": ["up", "down"], "label": "1"}, ("He goes", ("up", "down"), "")),
        ({"问题": "为何？", "A": "一", "B": "二", "答案": "甲"}, ("为何？", ("一", "二"), "甲")),
        ({"problem": "Why?", "solution": "So."}, ("Why?", (), "So.")),
        ({"instruction": "Add.", "input": "1 2", "output": "3"}, ("Add.\n1 2", (), "3")),
        (
            {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]},
            ("Why?", (), "So."),
        ),
        ({"question": "Why?", "answers": {"text": ["So."]}}, ("Why?", (), "So.")),
    ],
)
def test_usual_rows_are_questions(tmp_path: Path, row: Any, wanted: tuple[Any, ...]) -> None:
    (item,) = read(tmp_path, [row])
    assert isinstance(item, Item)
    assert (item.question, item.choices, item.answer) == wanted
    assert (item.file, item.row) == ("rows.jsonl", 1)


def test_a_table_has_its_choices_in_columns_or_as_json(tmp_path: Path) -> None:
    table = 'question,A,B,answer\nWhy?,x,y,A\n"Who?","z, z",,B\n'
    assert read(tmp_path, table, "a.csv") == [
        Item("a.csv", 2, "Why?", ("x", "y"), "A"),
        Item("a.csv", 3, "Who?", ("z, z",), "B"),
    ]
    (one,) = read(tmp_path, 'question,choices\nWhy?,"[""x"", ""y""]"\n', "b.csv")
    assert one == Item("b.csv", 2, "Why?", ("x", "y"), "")


def test_columns_can_be_named_and_bad_rows_are_told(tmp_path: Path) -> None:
    rows = [{"task": "Why?", "right": "x", "wrong": "y"}, {"task": " ", "right": "x"}]
    good, bad = read(
        tmp_path,
        [
            *rows,
        ],
        question="task",
        choices=["right", "wrong"],
    )
    assert good == Item("rows.jsonl", 1, "Why?", ("x", "y"), "")
    assert isinstance(bad, Fault)
    assert (bad.row, bad.field, bad.reason) == (2, "task", "QUESTION_EMPTY")
    with pytest.raises(InvalidArgument) as error:
        read(tmp_path, rows, question="tusk")
    assert error.value.reason == "COLUMNS_MISSING"


def test_what_was_written_is_read_and_finds_the_same(tmp_path: Path) -> None:
    items = [
        Item("a", 1, "What does the grey heron of the northern lakes weigh?", ("1 kg", "2 kg"), "1 kg"),
        Item("b", 2, "为什么？"),
    ]
    path, other = tmp_path / "questions.parquet", tmp_path / "signatures.parquet"
    write_questions(items, path)
    assert read_questions(path) == items
    first = path.read_bytes()
    write_questions(items, path)
    assert path.read_bytes() == first
    made = guard_of(items)
    write_signatures(made.sketches, other)
    held = read_signatures(other)
    for name in ("signatures", "grams", "starts", "sizes", "keys"):
        assert np.array_equal(getattr(held, name), getattr(made.sketches, name)), name
    again = guard_of(items, held=held)
    texts = ["What does a grey heron of the northern lakes weigh?", "为什么", "Who?"]
    assert again.find(texts, texts) == made.find(texts, texts)
    assert [leak.item for leak in again.find(texts, texts)] == [0]
    assert len(read_signatures(other)) == 3


def test_no_questions_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / "signatures.parquet"
    write_signatures(guard_of([]).sketches, path)
    assert len(read_signatures(path)) == 0
