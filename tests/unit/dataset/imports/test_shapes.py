from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.dataset.imports.conversion import Wanted, converted
from services.dataset.imports.rows import BadRow, Columns, Fault, Imported
from services.dataset.imports.shapes import SHAPES, MapOptions, detected
from services.runtime.errors import InvalidArgument
from tests.unit.dataset.imports.importing import chat, contents, imported, write

Q, A = "Why does the pump stop?", "Since the valve is shut."
ONE = {"messages": chat(Q, A)}
THOUGHT = {"role": "assistant", "content": A, "reasoning": "Look at the valve."}
SIDES = {"chosen": {"role": "assistant", "content": A}, "rejected": {"role": "assistant", "content": "No."}}
PREFERENCE = ("preference", {"messages": chat(Q), "preference": SIDES})


def text(written: str) -> tuple[str, Any]:
    return "pretraining", {"messages": [{"role": "assistant", "content": written}]}


TEXT = text(A)


def said(role: str, text: str) -> dict[str, str]:
    return {"from": role, "value": text}


ROWS: list[tuple[str, dict[str, Any], tuple[str, Any]]] = [
    ("alpaca", {"instruction": Q, "input": "", "output": A}, ("sft", ONE)),
    (
        "alpaca",
        {"instruction": "Say why:", "input": Q, "output": A, "system": "Be short."},
        ("sft", {"messages": chat(f"Say why:\n{Q}", A, system="Be short.")}),
    ),
    (
        "alpaca",
        {"instruction": Q, "output": A, "history": [["Hello", "Hi"]]},
        ("conversation", {"messages": chat("Hello", "Hi", Q, A)}),
    ),
    (
        "alpaca",
        {"instruction": Q, "output": f"<think>Look at the valve.</think>\n{A}", "text": "templated"},
        ("sft", {"messages": [*chat(Q), THOUGHT]}),
    ),
    (
        "sharegpt",
        {"conversations": [said("system", "Be short."), said("human", Q), said("gpt", A)], "tools": "[]"},
        ("sft", {"messages": chat(Q, A, system="Be short.")}),
    ),
    (
        "sharegpt",
        {"conversations": [said("human", Q), said("gpt", A)] * 2, "system": "Be short."},
        ("conversation", {"messages": chat(Q, A, Q, A, system="Be short.")}),
    ),
    ("messages", {"messages": chat(Q, A), "prompt": Q}, ("sft", ONE)),
    (
        "messages",
        {"messages": [{"role": "developer", "content": "Be short."}, *chat(Q, A)], "tools": []},
        ("sft", {"messages": chat(Q, A, system="Be short.")}),
    ),
    ("messages", {"messages": [{"role": "assistant", "content": A}]}, TEXT),
    (
        "messages",
        {"messages": [{"role": "assistant", "content": "<think>a</think>b"}]},
        text("<think>a</think>b"),
    ),
    (
        "multilingual_thinking",
        {
            "reasoning_language": "English",
            "developer": "Be short.",
            "user": Q,
            "analysis": "",
            "final": A,
            "messages": chat(Q, A, system="reasoning language: English\n\nBe short."),
        },
        ("sft", {"messages": chat(Q, A, system="Be short.")}),
    ),
    (
        "multilingual_thinking",
        {
            "reasoning_language": "English",
            "user": Q,
            "analysis": "Look at the valve.",
            "final": A,
            "messages": [
                {"role": "user", "content": Q, "thinking": None},
                {"role": "assistant", "content": A, "thinking": "Look at the valve."},
            ],
        },
        ("sft", {"messages": [*chat(Q), THOUGHT]}),
    ),
    (
        "messages",
        {"messages": [{"role": "user", "content": [{"type": "text", "text": Q}]}, *chat(Q, A)[1:]]},
        ("sft", ONE),
    ),
    ("prompt_completion", {"prompt": Q, "completion": A}, ("sft", ONE)),
    ("prompt_completion", {"prompt": chat(Q), "completion": chat(Q, A)[1:]}, ("sft", ONE)),
    ("dpo_alpaca", {"instruction": Q, "input": "", "chosen": A, "rejected": "No."}, PREFERENCE),
    (
        "dpo_sharegpt",
        {"conversations": [said("human", Q)], "chosen": said("gpt", A), "rejected": said("gpt", "No.")},
        PREFERENCE,
    ),
    ("preference", {"prompt": Q, "chosen": A, "rejected": "No."}, PREFERENCE),
    ("preference", {"prompt": chat(Q), "chosen": chat(Q, A)[1:], "rejected": chat(Q, "No.")[1:]}, PREFERENCE),
    ("preference", {"chosen": chat(Q, A), "rejected": chat(Q, "No.")}, PREFERENCE),
    (
        "preference",
        {"prompt": Q, "chosen": chat(Q, A), "rejected": chat(Q, "No."), "messages": chat(Q, A)},
        PREFERENCE,
    ),
    (
        "preference",
        {"chosen": f"\n\nHuman: {Q}\n\nAssistant: {A}", "rejected": f"\n\nHuman: {Q}\n\nAssistant: No."},
        PREFERENCE,
    ),
    (
        "preference",
        {
            "chosen": chat("Hello", "Hi", Q, A),
            "rejected": chat("Hello", "Hi", Q, "No."),
            "system": "Be short.",
        },
        ("preference", {"messages": chat("Hello", "Hi", Q, system="Be short."), "preference": SIDES}),
    ),
    (
        "kto",
        {"prompt": Q, "completion": A, "label": True},
        ("preference", {"messages": chat(Q), "preference": {"chosen": SIDES["chosen"]}}),
    ),
    (
        "kto_alpaca",
        {"instruction": Q, "input": "", "output": "No.", "kto_tag": False},
        ("preference", {"messages": chat(Q), "preference": {"rejected": SIDES["rejected"]}}),
    ),
    (
        "kto_messages",
        {"messages": chat(Q, A), "label": True},
        ("preference", {"messages": chat(Q), "preference": {"chosen": SIDES["chosen"]}}),
    ),
    (
        "kto_sharegpt",
        {"conversations": [said("human", Q), said("gpt", A)], "kto_tag": True},
        ("preference", {"messages": chat(Q), "preference": {"chosen": SIDES["chosen"]}}),
    ),
    ("text", {"text": A, "id": 3}, TEXT),
    (
        "text",
        {"text": f"<|im_start|>user\n{Q}<|im_end|>\n<|im_start|>assistant\n{A}<|im_end|>\n"},
        ("sft", ONE),
    ),
    (
        "text",
        {
            "text": f"<|im_start|>system\nBe short.<|im_end|>\n<|im_start|>user\n{Q}<|im_end|>\n"
            f"<|im_start|>assistant\n<think>Look at the valve.</think>{A}<|im_end|>"
        },
        ("sft", {"messages": [{"role": "system", "content": "Be short."}, *chat(Q), THOUGHT]}),
    ),
    ("text", {"text": f"So: <|im_start|>user\n{Q}<|im_end|>"}, text(f"So: <|im_start|>user\n{Q}<|im_end|>")),
    (
        "preference",
        {"messages": chat(Q), "chosen": SIDES["chosen"], "rejected": SIDES["rejected"]},
        PREFERENCE,
    ),
    ("dpo_ms_swift", {"messages": chat(Q, A), "rejected_response": "No."}, PREFERENCE),
    (
        "structured",
        {
            "id": "e",
            "kind": "preference",
            "messages": chat(Q),
            "chosen": {**SIDES["chosen"], "reasoning": ""},
            "rejected": json.dumps(SIDES["rejected"]),
            "flaw": "wrong",
            "exam_item": None,
            "quotes": [{"text": A, "start": 3, "end": 9, "chunk_id": None}],
            "score": None,
            "lineage": "{}",
        },
        (
            "preference",
            {
                "messages": chat(Q),
                "preference": {**SIDES, "flaw": "wrong"},
                "quotes": [{"text": A, "start": 3, "end": 9}],
            },
        ),
    ),
    (
        "structured",
        {
            "id": "e",
            "kind": "sft",
            "messages": [*chat(Q), THOUGHT],
            "chosen": "",
            "quotes": "[]",
            "lineage": "{}",
        },
        ("sft", {"messages": [*chat(Q), THOUGHT]}),
    ),
    ("question_answer", {"question": Q, "answer": A}, ("sft", ONE)),
    (
        "question_answer",
        {"Question": Q, "Complex_CoT": "Look at the valve.", "Response": A},
        ("sft", {"messages": [*chat(Q), THOUGHT]}),
    ),
    ("question_answer", {"问题": Q, "答案": A, "标签": "泵, 阀"}, ("sft", ONE)),
    (
        "sishu",
        {"kind": "sft", "content": json.dumps({**ONE, "quotes": [{"text": A, "start": 3, "end": 9}]})},
        ("sft", {**ONE, "quotes": [{"text": A, "start": 3, "end": 9}]}),
    ),
    (
        "sishu",
        {"kind": "preference", "content": {"messages": chat(Q), "preference": {**SIDES, "flaw": "wrong"}}},
        ("preference", {"messages": chat(Q), "preference": {**SIDES, "flaw": "wrong"}}),
    ),
    (
        "sishu",
        {
            "kind": "exam_item",
            "content": {
                **ONE,
                "exam_item": {"type": "single_choice", "text": Q, "choices": ["a", "b"], "correct": [1]},
            },
        },
        (
            "exam_item",
            {**ONE, "exam_item": {"type": "single_choice", "text": Q, "choices": ["a", "b"], "correct": [1]}},
        ),
    ),
]


@pytest.mark.parametrize(("shape", "row", "wanted"), ROWS)
def test_a_row_of_each_shape_becomes_an_example_whose_shape_is_found(
    tmp_path: Path, shape: str, row: dict[str, Any], wanted: tuple[str, Any]
) -> None:
    assert detected([(1, row)], "x").name == shape
    path = write(tmp_path / "a.jsonl", [row])
    assert contents(imported(path)) == [wanted]
    assert contents(imported(path, Wanted(shape=shape))) == [wanted]


def test_every_shape_has_a_row_here() -> None:
    assert {shape for shape, _, _ in ROWS} == set(SHAPES) - {"columns"}


@pytest.mark.parametrize(
    ("row", "reason", "field"),
    [
        ({"instruction": Q, "output": ""}, "TEXT_EMPTY", "output"),
        ({"instruction": Q, "output": None}, "TEXT_EMPTY", "output"),
        ({"instruction": " ", "output": A}, "TEXT_EMPTY", "instruction"),
        ({"instruction": Q, "output": 42}, "TEXT_EXPECTED", "output"),
        ({"instruction": Q, "output": A, "system": ["x"]}, "TEXT_EXPECTED", "system"),
        ({"instruction": Q, "output": "a\0b"}, "TEXT_NUL", "messages[1].content"),
        ({"instruction": Q, "output": "<think>never ends"}, "REASONING_OPEN", "output"),
        ({"instruction": Q, "output": A, "history": [["x"]]}, "HISTORY_INVALID", "history[0]"),
        ({"instruction": Q, "output": A, "history": "x"}, "LIST_EXPECTED", "history"),
        ({"instruction": Q, "output": A, "images": ["a.png"]}, "MEDIA_UNSUPPORTED", "images"),
        ({"instruction": Q, "output": A, "tools": '[{"name": "f"}]'}, "TOOLS_UNSUPPORTED", "tools"),
        ({"messages": chat(Q, A)[:1]}, "TURNS_INVALID", "messages"),
        ({"messages": chat(Q, A)[::-1]}, "TURNS_INVALID", "messages"),
        ({"messages": []}, "TEXT_EMPTY", "messages"),
        ({"messages": ["x"]}, "MESSAGE_INVALID", "messages[0]"),
        ({"messages": {"role": "user"}}, "LIST_EXPECTED", "messages"),
        ({"messages": [{"role": "king", "content": Q}]}, "ROLE_UNKNOWN", "messages[0].role"),
        ({"messages": [{"role": "tool", "content": Q}]}, "TOOLS_UNSUPPORTED", "messages[0].role"),
        (
            {"messages": [*chat(Q), {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}]},
            "TOOLS_UNSUPPORTED",
            "messages[1].tool_calls",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "MEDIA_UNSUPPORTED",
            "messages[0].content[0]",
        ),
        (
            {
                "messages": [
                    *chat(Q),
                    {"role": "assistant", "content": f"<think>x</think>{A}", "thinking": "y"},
                ]
            },
            "REASONING_DOUBLE",
            "messages[1].content",
        ),
        ({"conversations": chat(Q, A, system="x"), "system": "y"}, "SYSTEM_DOUBLE", "conversations"),
        ({"prompt": Q, "chosen": A, "rejected": A}, "ANSWERS_EQUAL", "rejected"),
        ({"prompt": Q, "chosen": A, "rejected": 3}, "TEXT_EXPECTED", "rejected"),
        ({"chosen": A, "rejected": "No."}, "TEXT_EMPTY", "prompt"),
        ({"chosen": chat(Q, A, Q, A), "rejected": chat(Q, "No.")}, "ANSWERS_APART", "chosen"),
        (
            {
                "conversations": chat(Q, A),
                "chosen": {"role": "assistant", "content": A},
                "rejected": chat(Q, "x")[1],
            },
            "TURNS_INVALID",
            "conversations",
        ),
        ({"kind": "sft", "content": "{"}, "CONTENT_INVALID", "content"),
        ({"kind": "poem", "content": "{}"}, "KIND_UNKNOWN", "kind"),
        ({"kind": "sft", "content": {}}, "TURNS_INVALID", "content.messages"),
        ({"kind": "sft", "content": {**ONE, "extra": 1}}, "CONTENT_INVALID", "content.extra"),
        ({"kind": "preference", "content": ONE}, "CONTENT_INVALID", "content.preference"),
        ({"kind": "sft", "content": ONE, "score": 9}, "SCORE_INVALID", "score"),
        ({"kind": "sft", "content": ONE, "labels": [1]}, "LABELS_INVALID", "labels"),
        ({"kind": "sft", "content": ONE, "lineage": "[]"}, "CONTENT_INVALID", "lineage"),
    ],
)
def test_a_bad_row_is_told_by_field_and_reason(
    tmp_path: Path, row: dict[str, Any], reason: str, field: str
) -> None:
    named = {"messages": "messages", "instruction": "alpaca"}
    shape = next((shape for column, shape in named.items() if column in row), "")
    found = imported(write(tmp_path / "a.jsonl", [row]), Wanted(shape=shape))
    assert contents(found) == [(reason, field)]
    (fault,) = found
    assert isinstance(fault, Fault)
    assert (fault.file, fault.row) == ("a.jsonl", 1)
    assert len(fault.message) > 20


def test_half_characters_are_faults(tmp_path: Path) -> None:
    found = list(converted(iter([(1, {"question": Q, "answer": "\ud83d"})]), "x", Wanted()))
    assert contents(found) == [("TEXT_INVALID", "")]


def test_thoughts_stay_in_the_answer_where_a_person_says_so(tmp_path: Path) -> None:
    answer = f"<think>x</think>\n{A}"
    path = write(tmp_path / "a.jsonl", [{"question": Q, "answer": answer}])
    kept = Wanted(options=MapOptions(think=None))
    assert contents(imported(path, kept)) == [("sft", {"messages": chat(Q, answer)})]
    other = Wanted(options=MapOptions(think=("[T]", "[/T]")))
    path = write(tmp_path / "b.jsonl", [{"question": Q, "answer": f"[T]Look at the valve.[/T]\n\n{A}"}])
    assert contents(imported(path, other)) == [("sft", {"messages": [*chat(Q), THOUGHT]})]


def test_examples_can_be_exam_items(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [{"messages": chat(Q, A)}, {"messages": chat(Q, A, Q, A)}])
    exam = Wanted(options=MapOptions(kind="exam_item"))
    assert contents(imported(path, exam)) == [("exam_item", ONE), ("KIND_MISMATCH", "messages")]


def test_columns_are_named_by_a_person(tmp_path: Path) -> None:
    row = {"frage": Q, "antwort": A, "note": "4.5", "wort": "泵；阀,泵", "denken": "Look at the valve."}
    columns = Columns(instruction="frage", answer="antwort", score="note", labels="wort", reasoning="denken")
    (one,) = imported(write(tmp_path / "a.jsonl", [row]), Wanted(columns=columns, labels=("mine",)))
    assert isinstance(one, Imported)
    assert contents([one]) == [("sft", {"messages": [*chat(Q), THOUGHT]})]
    assert (one.score, one.labels, one.language, one.turns) == (4.5, ("mine", "泵", "阀"), "en", 2)
    assert one.characters == len(Q + A + "Look at the valve.")


@pytest.mark.parametrize(
    ("rows", "reason", "words"),
    [
        ([{"x": 1}], "SHAPE_UNKNOWN", "columns x"),
        ([{"messages": chat(Q, A), "conversations": chat(Q, A)}], "SHAPE_AMBIGUOUS", "sharegpt and messages"),
        (
            [{"instruction": Q, "output": A}, {"text": A}],
            "SHAPE_AMBIGUOUS",
            "row 1 looks like alpaca and row 2",
        ),
        ([{"instruction": Q, "output": A, "messages": chat(Q, A)}], "SHAPE_AMBIGUOUS", "messages and alpaca"),
    ],
)
def test_a_shape_that_cannot_be_told_is_asked_for(rows: list[Any], reason: str, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words) as caught:
        detected(list(enumerate(rows, 1)), "x")
    assert caught.value.reason == reason


def test_a_shape_that_is_none_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [{"question": Q, "answer": A}])
    with pytest.raises(InvalidArgument, match="no shape 'poem'"):
        imported(path, Wanted(shape="poem"))
    with pytest.raises(InvalidArgument, match="the file has question, answer"):
        imported(path, Wanted(shape="columns"))


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from(
        ["", " ", Q, A, "user", "assistant", "<think>x", "<think>x</think>y", "a\0", "[]", "[1]"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "from", "value", "tool_calls"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)
KEYS = sorted({key for _, row, _ in ROWS for key in row})
GOOD = st.sampled_from([row for _, row, _ in ROWS])


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([*SHAPES.values()]),
    st.lists(GOOD | st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4) | st.just(None), max_size=5),
)
def test_every_row_is_an_example_or_a_fault_in_order_and_none_is_lost(shape: Any, rows: list[Any]) -> None:
    bad = BadRow("JSON_INVALID", "the row is no JSON")
    given_rows = [(number, bad if row is None else row) for number, row in enumerate(rows, 1)]
    try:
        found = list(converted(iter(given_rows), "x", Wanted(shape=shape.name)))
    except InvalidArgument as error:
        assert error.reason == "COLUMNS_MISSING"  # nothing is told of any row
        return
    assert [one.row for one in found] == [number for number, _ in given_rows]
    for one in found:
        if isinstance(one, Imported):
            assert json.loads(one.content)["messages"]
            assert b"\\u0000" not in one.content
        else:
            assert one.reason.isupper()
            assert one.message
