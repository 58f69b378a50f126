from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.read_files import read_bytes, refusal, rows_at

FLAT = '[{"id": 1, "name": "a|b", "price": 1.50}, {"id": 2, "name": "c", "price": 1e5}]'


def test_flat_records_that_are_alike_become_a_table_with_numbers_as_written(tmp_path: Path) -> None:
    reading = read_bytes(tmp_path, FLAT.encode(), "a.json")
    assert reading.text == (
        "| id | name | price |\n| --- | --- | --- |\n| 1 | a\\|b | 1.50 |\n| 2 | c | 1e5 |\n"
    )
    assert rows_at(reading) == ["| 1 | a\\|b | 1.50 |", "| 2 | c | 1e5 |"]


def test_other_records_become_blocks_with_nested_lists_and_places(tmp_path: Path) -> None:
    record = {
        "id": 7,
        "tags": ["x", "y"],
        "owner": {"name": "Li", "roles": [{"a": 1, "b": 2}, [1, [2]]]},
        "empty": [],
        "none": None,
        "yes": True,
    }
    reading = read_bytes(tmp_path, json.dumps([record, {"id": 8}]).encode(), "a.json")
    assert reading.text == (
        "- **id**: 7\n"
        "- **tags**:\n"
        "  - x\n"
        "  - y\n"
        "- **owner**:\n"
        "  - **name**: Li\n"
        "  - **roles**:\n"
        "    - - **a**: 1\n"
        "      - **b**: 2\n"
        "    - - 1\n"
        "      - - 2\n"
        "- **empty**: []\n"
        "- **none**: null\n"
        "- **yes**: true\n"
        "\n---\n\n"
        "- **id**: 8\n"
    )
    assert rows_at(reading) == ["- **id**: 7", "- **id**: 8"]


def test_long_strings_are_paragraphs_with_their_lines(tmp_path: Path) -> None:
    data = json.dumps([{"id": 1, "text": "First line.\nSecond line.\n\nNew paragraph.", "source": "x"}, {}])
    assert read_bytes(tmp_path, data.encode(), "a.json").text == (
        "- **id**: 1\n\n**text**:\n\nFirst line.\nSecond line.\n\nNew paragraph.\n\n- **source**: x\n\n---\n\n- {}\n"
    )


def test_keys_that_stand_twice_stay_twice(tmp_path: Path) -> None:
    assert read_bytes(tmp_path, b'{"a": 1, "a": 2}', "a.json").text == "- **a**: 1\n- **a**: 2\n"


def test_numbers_are_never_rounded(tmp_path: Path) -> None:
    data = b'{"a": 12345678901234567890.10, "b": -0.0, "c": 1E+400, "d": 0.1000}'
    lines = read_bytes(tmp_path, data, "a.json").text.splitlines()
    assert lines == [
        "- **a**: 12345678901234567890.10",
        "- **b**: -0.0",
        "- **c**: 1E+400",
        "- **d**: 0.1000",
    ]


def test_lists_in_one_object_get_headings_and_rows(tmp_path: Path) -> None:
    data = '{"title": "清单", "items": [{"k": 1}, {"k": 2}], "total": 2, "more": {"a": {"b": 1}}}'
    reading = read_bytes(tmp_path, data.encode(), "a.json")
    assert reading.text == (
        "- **title**: 清单\n\n## items\n\n| k |\n| --- |\n| 1 |\n| 2 |\n\n## total\n\n2\n\n"
        "## more\n\n### a\n\n- **b**: 1\n"
    )
    assert rows_at(reading) == ["| 1 |", "| 2 |"]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_values_that_follow_one_another_are_records(tmp_path: Path, name: str) -> None:
    reading = read_bytes(tmp_path, b'{"q": "x"}\n\n{"q": "y", "n": 1}\r\n', name)
    assert rows_at(reading) == ["- **q**: x", "- **q**: y"]


def test_lists_deep_in_one_object_get_headings_and_rows(tmp_path: Path) -> None:
    data = b'{"a": {"b": {"c": [{"k": 1}, {"k": 2}], "d": {"e": {"f": [3]}}}}, "g": {}}'
    reading = read_bytes(tmp_path, data, "a.json")
    assert reading.text == (
        "## a\n\n### b\n\n#### c\n\n| k |\n| --- |\n| 1 |\n| 2 |\n\n#### d\n\n- **e**:\n  - **f**:\n    - 3\n\n"
        "## g\n\n{}\n"
    )
    assert rows_at(reading) == ["| 1 |", "| 2 |"]


def test_a_list_of_strings_is_a_list(tmp_path: Path) -> None:
    reading = read_bytes(tmp_path, b'["a", "b"]', "a.json")
    assert (reading.text, rows_at(reading)) == ("- a\n- b\n", ["- a", "- b"])


@pytest.mark.parametrize(
    ("data", "name", "line", "offset"),
    [
        (b'{"a": 1}\n{"a": 2,}\n', "a.jsonl", "2", "17"),
        (b'{"a":1}\n{"a":2\n{"a":3}\n{"a":4}\n', "a.jsonl", "2", "14"),
        (b'{"a":1}\n{"b":\n{"c":3}\n', "a.jsonl", "2", "13"),
        (b"[1, 2\n, x]", "a.json", "2", "8"),
        (b"[1, 2", "a.json", "1", "5"),
        (b"[1, 2] 3", "a.json", "1", "7"),
        (b"[1 2]", "a.json", "1", "3"),
        (b'{"a": "\xe5\xad\x97", b}', "a.json", "1", "11"),
        (b"{'a': 1}", "a.json", "1", "1"),
        (b"[,]", "a.json", "1", "1"),
        (b'{"a": [1, {"b": 2}, }', "a.json", "1", "20"),
        (b'{"a" 1}', "a.json", "1", "5"),
        (b'{"a": 1', "a.json", "1", "7"),
        (b'{"a": {"b": [1], 5: 2}}', "a.json", "1", "17"),
    ],
)
def test_what_is_no_json_is_told_by_line_and_place(
    tmp_path: Path, data: bytes, name: str, line: str, offset: str
) -> None:
    error = refusal(tmp_path, data, name)
    assert error.reason == "JSON_INVALID"
    assert f"line {line}" in error.message
    assert (error.metadata["line"], error.metadata["offset"]) == (line, offset)


@pytest.mark.parametrize("data", ["[" * 100 + "]" * 100, "[" * 200_000, '{"a":' * 900 + "1" + "}" * 900])
def test_json_that_is_nested_too_deeply_is_refused(tmp_path: Path, data: str) -> None:
    assert refusal(tmp_path, data.encode(), "a.json").reason == "JSON_TOO_DEEP"


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b" \n"])
def test_json_without_values_holds_no_text(tmp_path: Path, data: bytes) -> None:
    assert refusal(tmp_path, data, "a.json").reason == "TEXT_EMPTY"


def test_escapes_of_what_no_text_holds_become_the_sign_for_it(tmp_path: Path) -> None:
    reading = read_bytes(tmp_path, rb'{"a": "\ud83d\ude00 \ud800 \u0000 x"}', "a.json")
    assert reading.text == "- **a**: 😀 \ufffd \ufffd x\n"


def test_a_text_that_becomes_too_long_is_refused_early(tmp_path: Path) -> None:
    data = b"[" + b'{"a": 1, "b": [1]},' * 1000 + b"1]"
    assert refusal(tmp_path, data, "a.json", 5000).reason == "TEXT_TOO_LARGE"


def test_quotes_and_brackets_do_not_count_as_text(tmp_path: Path) -> None:
    assert len(read_bytes(tmp_path, b'["a","b"]' + b" " * 60, "a.json", 20).text) == 8


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


FILLED = st.lists(VALUES, min_size=1, max_size=4) | st.dictionaries(
    st.text(max_size=5), VALUES | st.just("x"), min_size=1, max_size=4
)


@given(FILLED)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_word_and_number_of_any_json_is_in_the_text(tmp_path: Path, values: object) -> None:
    reading = read_bytes(tmp_path, json.dumps(values).encode(), "a.json")
    assert "\r" not in reading.text
    squeezed = bare(reading.text)
    assert all(bare(text) in squeezed for text in scalars(values))


def bare(text: str) -> str:
    """A text without spaces, line breaks and escapes."""
    return "".join(text.replace("\x00", "\ufffd").replace("\\", "").replace("<br>", "").split())


def scalars(value: object) -> list[str]:
    """All keys, strings and numbers in a value."""
    if isinstance(value, dict):
        return [text for key, inner in value.items() for text in (" ".join(key.split()), *scalars(inner))]
    if isinstance(value, list):
        return [text for inner in value for text in scalars(inner)]
    return [value if isinstance(value, str) else json.dumps(value)]
