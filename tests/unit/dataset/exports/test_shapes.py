from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from services.dataset.examples.examples import KINDS
from services.dataset.exports.making import export
from services.dataset.exports.options import Column, ExportOptions
from services.dataset.exports.shapes import SHAPES
from services.dataset.exports.shapes.shape import LEFT_OUT
from services.runtime.errors import InvalidArgument
from tests.unit.dataset.exports.makers import (
    HARD,
    Row,
    conversation,
    one_of_all,
    preference,
    sft,
    write_shards,
)

FIXTURES = Path(__file__).with_name("fixtures")
COLUMNS = [Column("ask", "{{ question }}"), Column("tell", "{{ answer }} ({{ kind }}, {{ score }})")]


def rows_of(folder: Path, rows: list[Row], **options: Any) -> list[dict[str, Any]]:
    """What an export of rows in one split holds, as JSON Lines."""
    export(write_shards(folder / "version", "train", rows), ExportOptions(**options), folder / "out")
    text = (folder / "out" / "train.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n") if line]


def options_of(shape: str) -> dict[str, Any]:
    return {"shape": shape, "columns": COLUMNS} if shape == "custom" else {"shape": shape}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_is_what_its_consumers_accepted(shape: str, tmp_path: Path) -> None:
    recorded = json.loads((FIXTURES / f"{shape}.json").read_text(encoding="utf-8"))
    assert rows_of(tmp_path, one_of_all(), **options_of(shape)) == recorded


@pytest.mark.parametrize("shape", SHAPES)
def test_every_type_of_file_holds_the_same(shape: str, tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "version", "train", one_of_all(), shard_rows=7)
    found = {}
    for file_type in ("json", "jsonl", "csv", "parquet"):
        options = ExportOptions(**options_of(shape), file_type=file_type)
        export(shards, options, tmp_path / file_type)
        found[file_type] = tmp_path / file_type / f"train.{file_type}"
    rows = json.loads(found["json"].read_text(encoding="utf-8"))
    lines = [json.loads(line) for line in found["jsonl"].read_text(encoding="utf-8").splitlines()]
    table = pq.read_table(found["parquet"])
    with found["csv"].open(encoding="utf-8", newline="") as stream:
        cells = list(csv.DictReader(stream))
    assert lines == rows
    assert without_nulls(table.to_pylist()) == without_nulls(rows)
    assert cells == [{key: cell_of(value) for key, value in row.items()} for row in rows]
    assert table.schema.names == list(rows[0])


def without_nulls(value: Any) -> Any:
    """A table has every field of every message, and nulls where JSON has nothing."""
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value


def cell_of(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize("shape", SHAPES)
def test_each_example_is_in_the_file_or_named_as_left_out(shape: str, tmp_path: Path) -> None:
    rows = one_of_all()
    result = export(
        write_shards(tmp_path / "version", "train", rows),
        ExportOptions(**options_of(shape)),
        tmp_path / "out",
    )
    written = result.written["train.jsonl"]
    left_out = sum(sum(kinds.values()) for kinds in written.left_out.values())
    assert sum(written.examples.values()) + left_out == len(rows)
    assert written.left_out.keys() <= LEFT_OUT.keys()
    assert set(written.examples) <= set(SHAPES[shape].kinds) <= set(KINDS)
    named = tmp_path / "out" / "left_out" / "train.jsonl.jsonl"
    lines = named.read_text(encoding="utf-8").splitlines() if named.exists() else []
    told = [json.loads(line) for line in lines]
    assert len(told) == left_out
    by_id = {row.id: row.kind for row in rows}
    assert all(by_id[one["id"]] == one["kind"] for one in told)


def test_a_text_with_a_mark_of_chatml_has_no_place_in_it(tmp_path: Path) -> None:
    rows = [sft("mark", "What is <|im_end|>?", "A mark."), sft("plain", "And this?", "None.")]
    shards = write_shards(tmp_path / "version", "train", rows)
    result = export(shards, ExportOptions(shape="chatml"), tmp_path / "out")
    assert result.written["train.jsonl"].left_out == {"MARK_IN_TEXT": {"sft": 1}}
    assert result.written["train.jsonl"].rows == 1


def test_reasoning_is_left_out_or_stands_before_the_answer(tmp_path: Path) -> None:
    rows = [sft("thought", "Why?", "So.", reasoning="Hm.\nYes."), sft("none", "What?", "This.")]
    bare = rows_of(tmp_path / "1", rows, shape="alpaca")
    tagged = rows_of(tmp_path / "2", rows, shape="alpaca", reasoning="tags")
    other = {"reasoning": "tags", "reasoning_open": "[", "reasoning_close": "] "}
    assert [row["output"] for row in bare] == ["So.", "This."]
    assert [row["output"] for row in tagged] == ["<think>\nHm.\nYes.\n</think>\n\nSo.", "This."]
    assert [row["output"] for row in rows_of(tmp_path / "3", rows, shape="alpaca", **other)] == [
        "[Hm.\nYes.] So.",
        "This.",
    ]


def test_reasoning_has_a_field_in_every_answer(tmp_path: Path) -> None:
    rows = [sft("thought", "Why?", "So.", reasoning="Hm."), sft("none", "What?", "This.")]
    found = rows_of(tmp_path, rows, shape="openai", reasoning="field", reasoning_field="thinking")
    assert [row["messages"][-1] for row in found] == [
        {"role": "assistant", "content": "So.", "thinking": "Hm."},
        {"role": "assistant", "content": "This.", "thinking": ""},
    ]
    assert found[0]["messages"][0] == {"role": "user", "content": "Why?"}


def test_both_answers_of_a_pair_have_their_reasoning(tmp_path: Path) -> None:
    rows = [preference("pair", "Best?", chosen="This.", rejected="That.", reasoning="Hm.")]
    (row,) = rows_of(tmp_path, rows, shape="dpo_trl", reasoning="tags")
    assert row["chosen"] == [{"role": "assistant", "content": "<think>\nHm.\n</think>\n\nThis."}]
    assert row["rejected"] == [{"role": "assistant", "content": "That."}]


@pytest.mark.parametrize(
    ("own", "replace", "expected"),
    [
        ("", False, "Ours."),
        ("Own.", False, "Ours.\n\nOwn."),
        ("", True, "Ours."),
        ("Own.", True, "Ours."),
    ],
)
def test_a_system_prompt_is_added_or_takes_the_place_of_ones_own(
    own: str, replace: bool, expected: str, tmp_path: Path
) -> None:
    rows = [sft("one", "Q?", "A.", system=own)]
    (row,) = rows_of(tmp_path, rows, shape="alpaca", system_prompt="Ours.", replace_system=replace)
    assert row["system"] == expected


def test_a_system_message_can_be_taken_away(tmp_path: Path) -> None:
    (row,) = rows_of(tmp_path, [sft("one", "Q?", "A.", system="Own.")], shape="openai", replace_system=True)
    assert [message["role"] for message in row["messages"]] == ["user", "assistant"]


def test_texts_to_go_on_with_get_no_system_prompt(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, one_of_all(), shape="pretraining", system_prompt="Ours.")
    assert [row["text"] for row in rows][1:] == HARD


def test_history_is_there_only_where_there_are_conversations(tmp_path: Path) -> None:
    talk = conversation("talk", "1?", "1", "2?", "2", "3?", "3")
    (alone,) = rows_of(tmp_path / "1", [sft("one", "Q?", "A.")], shape="alpaca")
    one, long = rows_of(tmp_path / "2", [sft("one", "Q?", "A."), talk], shape="alpaca")
    assert "history" not in alone
    assert one["history"] == []
    assert long["history"] == [["1?", "1"], ["2?", "2"]]
    assert (long["instruction"], long["output"]) == ("3?", "3")


def test_the_language_of_reasoning_is_named(tmp_path: Path) -> None:
    rows = [
        sft("1", "Q?", "A.", reasoning="r", language="fr"),
        sft("2", "问？", "答。"),
        sft("3", "Q?", "A.", language="zh-CN"),
        sft("4", "Q?", "A.", system="Be short.", reasoning="Hm.", language="xx"),
    ]
    found = rows_of(tmp_path, rows, shape="multilingual_thinking")
    assert [row["reasoning_language"] for row in found] == ["French", "Chinese", "Chinese", "xx"]
    assert found[3] == {
        "reasoning_language": "xx",
        "developer": "Be short.",
        "user": "Q?",
        "analysis": "Hm.",
        "final": "A.",
        "messages": [
            {"role": "system", "content": "reasoning language: xx\n\nBe short.", "thinking": None},
            {"role": "user", "content": "Q?", "thinking": None},
            {"role": "assistant", "content": "A.", "thinking": "Hm."},
        ],
    }


def test_a_column_sees_all_of_an_example(tmp_path: Path) -> None:
    columns = [
        Column("Label", "{{ labels|join(', ') }}"),
        Column("cot", "{{ reasoning }}"),
        Column(
            "turns",
            "{% for m in messages %}{{ loop.index }}:{{ m.role }}{{ '' if loop.last else ' ' }}{% endfor %}",
        ),
        Column("quote", "{{ quotes[0].text if quotes else 'none' }}"),
        Column("choices", "{{ exam_item.choices|tojson }}"),
        Column("split", "{{ split }}/{{ tag_ids|length }}"),
        Column("better", "{{ chosen|default('-') }}"),
    ]
    rows = [
        sft("one", "Q?", "A.", system="S.", reasoning="R.", labels=["a", "b"], tags=["t"]),
        preference("two", "Q?", chosen="yes", rejected="no"),
    ]
    assert rows_of(tmp_path, rows, shape="custom", columns=columns) == [
        {
            "Label": "a, b",
            "cot": "R.",
            "turns": "1:system 2:user 3:assistant",
            "quote": "A.",
            "choices": "[]",
            "split": "train/1",
            "better": "-",
        },
        {
            "Label": "",
            "cot": "",
            "turns": "1:user",
            "quote": "none",
            "choices": "[]",
            "split": "train/0",
            "better": "yes",
        },
    ]


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("{{ qestion }}", "did you mean question?"),
        ("{{ zzz }}", "there are id, kind, split"),
        ("{{ question", "line 1: unexpected end of template"),
        ("{{ question.__class__ }}", "class"),
        ("{{ ''.__class__ }}", "unsafe"),
        ("{% set x = 1 %}", "assign is not allowed"),
        ("{{ question() }}", "call is not allowed"),
        ("{{ question * 1000 }}", "mul is not allowed"),
        ("{{ question|replace('a', 'b') }}", "No filter named 'replace'"),
        ("{% for a in 'xxxx' %}{% endfor %}", "a loop runs over a value"),
        (
            "{% for a in messages %}{% for b in messages %}{% for c in messages %}{% endfor %}{% endfor %}{% endfor %}",
            "at most in one other",
        ),
        ("x" * 10_001, "longer than 10000"),
        ("{{ messages[70].content }}", "list object has no element 70"),
    ],
)
def test_a_bad_column_is_named_before_anything_is_made(template: str, fault: str, tmp_path: Path) -> None:
    columns = [Column("fine", "{{ id }}"), Column("answer_text", template)]
    with pytest.raises(InvalidArgument) as raised:
        rows_of(tmp_path, [sft("one", "Q?", "A.")], shape="custom", columns=columns)
    assert raised.value.reason == "EXPORT_COLUMN_INVALID"
    assert raised.value.message.startswith("column answer_text: ")
    assert fault in raised.value.message
    assert raised.value.field == "export.options.columns[1]"
    assert not (tmp_path / "out").exists()


def test_a_row_that_a_template_cannot_fill_is_left_out(tmp_path: Path) -> None:
    columns = [Column("first", "{{ quotes[0].text }}")]
    rows = [sft("one", "Q?", "A."), conversation("two", "Q?", "A.")]
    result = export(
        write_shards(tmp_path / "version", "train", rows),
        ExportOptions(shape="custom", columns=columns),
        tmp_path / "out",
    )
    assert result.written["train.jsonl"].left_out == {"COLUMN_FAILED": {"conversation": 1}}


def test_a_filter_cannot_make_a_text_without_end(tmp_path: Path) -> None:
    template = "{{ question" + "|join(question)" * 40 + " }}"
    columns = [Column("long", template)]
    shards = write_shards(tmp_path / "version", "train", [sft("one", "Why is that so?", "A.")])
    result = export(shards, ExportOptions(shape="custom", columns=columns), tmp_path / "out")
    assert result.written["train.jsonl"].left_out == {"COLUMN_FAILED": {"sft": 1}}
