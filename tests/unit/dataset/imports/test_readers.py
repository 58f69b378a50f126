from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dataset.imports.readers import json as json_reader
from services.dataset.imports.readers import splitting, streams
from services.dataset.imports.readers.splitting import Splitter, layout_of
from services.dataset.imports.rows import BadRow
from services.runtime.errors import InvalidArgument
from tests.unit.dataset.imports.importing import rows, write

ROWS = [{"a": "x", "b": [1, {"c": "]}"}]}, {"a": '"{\\'}, {"a": "中文\n"}]
NUMBERED = list(enumerate(ROWS, 1))


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ROWS),
        json.dumps(ROWS, indent=2, ensure_ascii=False),
        "\ufeff" + json.dumps(ROWS),
        json.dumps({"version": 1, "meta": {"x": [{"y": 1}]}, "data": ROWS}),
        json.dumps({"data": ROWS, "tail": "]"}, indent=1),
        "\n".join(json.dumps(row) for row in ROWS),
        "\r\n".join(json.dumps(row) for row in ROWS),
        "\n".join(json.dumps(row, indent=2) for row in ROWS),
        "[\n" + ",\n".join(json.dumps(row) for row in ROWS) + ",\n]\n",
    ],
    ids=["array", "pretty", "mark", "inside", "inside_pretty", "lines", "crlf", "objects", "trailing_comma"],
)
@pytest.mark.parametrize("name", ["data.json", "data.jsonl"])
def test_json_is_read_in_whatever_layout(tmp_path: Path, text: str, name: str) -> None:
    if name == "data.jsonl" and text.startswith('{"version"'):
        # An object on one line of JSON Lines is a row, whatever it holds.
        text = text.replace(", ", ",\n", 1)
    assert rows(write(tmp_path / name, text)) == NUMBERED


@pytest.mark.parametrize(
    ("ending", "pack"),
    [
        (".gz", gzip.compress),
        (".bz2", bz2.compress),
        (".xz", lzma.compress),
        (".zst", pa.Codec("zstd").compress),
    ],
)
def test_packed_files_are_read(tmp_path: Path, ending: str, pack: Any) -> None:
    data = json.dumps(ROWS).encode()
    packed = pack(data)
    path = write(
        tmp_path / f"data.json{ending}", packed if isinstance(packed, bytes) else packed.to_pybytes()
    )
    assert rows(path) == NUMBERED


def test_one_object_is_a_row_where_it_has_the_columns_of_one(tmp_path: Path) -> None:
    row = {"messages": [{"role": "user", "content": "?"}]}
    assert rows(write(tmp_path / "one.json", json.dumps(row, indent=1))) == [(1, row)]
    assert rows(write(tmp_path / "one.json", json.dumps(row))) == [(1, row)]


def test_a_list_in_an_object_is_named_where_there_are_several(tmp_path: Path) -> None:
    path = write(tmp_path / "two.json", {"train": [{"a": 1}], "test": [{"a": 2}]})
    assert rows(path, field="test") == [(1, {"a": 2})]
    with pytest.raises(InvalidArgument, match="'train' and 'test'"):
        rows(path)
    with pytest.raises(InvalidArgument, match="no list 'dev'"):
        rows(path, field="dev")


@given(
    st.lists(
        st.recursive(
            st.none() | st.booleans() | st.integers(-9, 9) | st.text(st.sampled_from('a"\\{}[],:\n中')),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.text(st.sampled_from('k"\\{['), max_size=3), inner, max_size=3)
            ),
            max_leaves=8,
        ),
        max_size=6,
    ),
    st.sampled_from([None, 1]),
    st.booleans(),
    st.integers(1, 9),
)
def test_a_file_is_split_into_its_values_whatever_they_are(
    values: list[Any], indent: int | None, ascii_only: bool, chunk: int
) -> None:
    data = json.dumps(values, indent=indent, ensure_ascii=ascii_only).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(splitting, "CHUNK_BYTES", chunk)
        found = list(Splitter(io.BytesIO(data), "x", layout_of(data)).values())
    assert len(found) == len(values)
    for one, value in zip(found, values, strict=True):
        if isinstance(one, BadRow):
            assert not isinstance(value, dict | list)
        else:
            assert json.loads(one) == value


def test_a_row_that_is_too_long_is_a_fault_and_those_after_it_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splitting, "CHUNK_BYTES", 64)
    monkeypatch.setattr(splitting, "MOST_ROW_BYTES", 500)
    monkeypatch.setattr(json_reader, "MOST_ROW_BYTES", 500)
    draw = random.Random(3)  # noqa: S311  # the same rows in each run
    long = [{"a": "".join(draw.choices('x"\\{}[]', k=2000))}, {"b": [{"c": "\\" * 700}]}]
    values = [{"n": 1}, long[0], {"n": 2}, long[1], {"n": 3}]
    wanted = [(1, {"n": 1}), (2, "ROW_TOO_LONG"), (3, {"n": 2}), (4, "ROW_TOO_LONG"), (5, {"n": 3})]
    assert rows(write(tmp_path / "a.json", json.dumps(values, indent=1))) == wanted
    assert rows(write(tmp_path / "a.jsonl", values)) == wanted


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"a": NaN}', "JSON_INVALID"),
        ("{'a': 1}", "JSON_INVALID"),
        ('{"a": "\\ud800"}', "JSON_INVALID"),
        ('{"a": 1, "a": 2}', "KEY_DOUBLE"),
        ('{"m": [{"a" : 1, "a" : 2}]}', "KEY_DOUBLE"),
        ('{"a": ' + "[" * 3000 + "]" * 3000 + "}", "JSON_INVALID"),
        ('{"a": ' + '{"b":' * 990 + "1" + "}" * 990 + "}", "JSON_INVALID"),
        ("[1]", "ROW_NOT_OBJECT"),
        ("7", "ROW_NOT_OBJECT"),
    ],
)
def test_a_bad_line_is_a_fault(tmp_path: Path, line: str, reason: str) -> None:
    path = write(tmp_path / "a.jsonl", f'{{"x": 1}}\n\n{line}\n{{"x": 2}}\n')
    assert rows(path) == [(1, {"x": 1}), (3, reason), (4, {"x": 2})]


def test_keys_that_stand_in_texts_are_not_taken_for_doubles(tmp_path: Path) -> None:
    row = {"a": 'say {"a": 1, "a": 2}', "b": [{"a": 1}, {"a": 1}]}
    assert rows(write(tmp_path / "a.jsonl", [row])) == [(1, row)]


def test_bad_elements_of_an_array_are_faults(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", '[{"a":1}, 3, "x{", null, [1], {"b":1,}, {"c":1}]')
    reasons = [row for _, row in rows(path)]
    assert reasons == [{"a": 1}, *["ROW_NOT_OBJECT"] * 4, "JSON_INVALID", {"c": 1}]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[{"a": 1}, {"a": ', "JSON_CUT_OFF"),
        ('[{"a": 1}', "JSON_CUT_OFF"),
        ('[{"a": 1}]]', "JSON_BROKEN"),
        ('[{"a": 1}}', "JSON_BROKEN"),
        ('[{"a": 1} x {"a": 2}]', "JSON_BROKEN"),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        rows(write(tmp_path / "a.json", text))
    assert caught.value.reason == reason


def test_text_in_an_old_encoding_is_read(tmp_path: Path) -> None:
    row = {
        "question": "水泵的额定压力是多少？请说明原因。",
        "answer": "额定压力为六巴，因为阀门在此压力下打开。",
    }
    text = json.dumps([row], ensure_ascii=False)
    for codec in ("gb18030", "utf-16"):
        assert rows(write(tmp_path / "a.json", text.encode(codec))) == [(1, row)]
    table = f"question,answer\n{row['question']},{row['answer']}\n"
    for codec in ("gb18030", "utf-16", "utf-8-sig"):
        assert rows(write(tmp_path / "a.csv", table.encode(codec))) == [(2, row)]


def test_bytes_that_are_no_text_make_a_fault_of_their_row(tmp_path: Path) -> None:
    good = '{"a": "水泵"}\n'.encode()
    assert rows(write(tmp_path / "a.jsonl", good * 3 + b'{"a": "\xff"}\n' + good))[3][1] == "JSON_INVALID"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_tables_are_read_by_the_names_in_their_first_row(tmp_path: Path, delimiter: str) -> None:
    lines = [["q", "a"], ["one", '"two, ""quoted""\nlines"'], ["three", ""]]
    path = write(tmp_path / "t.csv", "\n".join(delimiter.join(line) for line in lines))
    assert rows(path) == [(2, {"q": "one", "a": 'two, "quoted"\nlines'}), (4, {"q": "three", "a": ""})]


def test_a_broken_quote_costs_its_row_only(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.csv", 'q,a\n1,"x"y\n2,ok\n3,a,b\n4,"open\n5,ok\n6,"ok"\n7,"never closed\n8,ok\n'
    )
    assert rows(path) == [
        (2, "QUOTES_BROKEN"),
        (3, {"q": "2", "a": "ok"}),
        (4, "CELLS_TOO_MANY"),
        (5, "QUOTES_BROKEN"),
        (6, {"q": "5", "a": "ok"}),
        (7, {"q": "6", "a": "ok"}),
        (8, "QUOTES_BROKEN"),
        (9, {"q": "8", "a": "ok"}),
    ]


def test_many_broken_quotes_take_no_time_for_ever(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "q,a\n" + '1,"open\n' * 4000)
    found = rows(path)
    assert found[0] == (2, "QUOTES_BROKEN")
    assert len(found) < 4000


def test_excel_says_its_separator_in_the_first_line(tmp_path: Path) -> None:
    assert rows(write(tmp_path / "t.csv", "sep=;\nq;a\nx;y,z\n")) == [(3, {"q": "x", "a": "y,z"})]


def test_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="two columns are called 'q'"):
        rows(write(tmp_path / "t.csv", "q,q\n1,2\n"))


def test_sheets_are_read_by_the_names_in_their_first_row(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    for line in [[None, None], ["q", "a"], ["one", 2], [None, None], ["three", 4.5], ["x", "y", "z"]]:
        page.append(line)
    book.create_sheet("Empty")
    book.save(tmp_path / "t.xlsx")
    assert rows(tmp_path / "t.xlsx") == [
        (3, {"q": "one", "a": "2"}),
        (5, {"q": "three", "a": "4.5"}),
        (6, "CELLS_TOO_MANY"),
    ]
    with pytest.raises(InvalidArgument, match="no sheet 'Other'"):
        rows(tmp_path / "t.xlsx", sheet="Other")


@pytest.mark.parametrize("name", ["t.xlsx", "t.parquet", "t.arrow", "t.json.gz", "t.jsonl.zst"])
def test_damaged_files_are_refused(tmp_path: Path, name: str) -> None:
    magic = {"gz": b"\x1f\x8b\x08", "zst": b"\x28\xb5\x2f\xfd"}.get(name.rpartition(".")[2], b"PAR1")
    with pytest.raises(InvalidArgument) as caught:
        rows(write(tmp_path / name, magic + b"rubbish" * 99))
    assert caught.value.reason == "FILE_DAMAGED"


def test_a_file_that_swells_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "FREE_BYTES", 1 << 16)
    monkeypatch.setattr(streams, "MOST_RATIO", 10)
    data = b"".join(b'{"a": "x"}\n' for _ in range(100_000))
    with pytest.raises(InvalidArgument) as caught:
        rows(write(tmp_path / "a.jsonl.gz", gzip.compress(data)))
    assert caught.value.reason == "ARCHIVE_BOMB"


def test_parquet_and_arrow_are_read(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([*ROWS[1:], {"a": None}])
    found = [(1, ROWS[1]), (2, ROWS[2]), (3, {"a": None})]
    pq.write_table(table, tmp_path / "t.parquet")
    assert rows(tmp_path / "t.parquet") == found
    with pa.OSFile(str(tmp_path / "t.arrow"), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)
    assert rows(tmp_path / "t.arrow") == found
    with pa.OSFile(str(tmp_path / "t.arrow"), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    assert rows(tmp_path / "t.arrow") == found


def test_a_text_of_parquet_that_is_none_costs_its_row_only(tmp_path: Path) -> None:
    column = pa.array([b"good", b"\xff\xfe", b"fine"]).view(pa.string())
    pq.write_table(pa.table({"a": column}), tmp_path / "t.parquet")
    assert rows(tmp_path / "t.parquet") == [(1, {"a": "good"}), (2, "TEXT_INVALID"), (3, {"a": "fine"})]


def test_a_long_text_of_parquet_that_many_rows_share_is_there_once(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": ["x" * (17 << 20)] * 3 + ["y"]}), tmp_path / "t.parquet")
    assert rows(tmp_path / "t.parquet") == [*((n, "ROW_TOO_LONG") for n in (1, 2, 3)), (4, {"a": "y"})]


def test_lines_of_text_are_rows(tmp_path: Path) -> None:
    assert rows(write(tmp_path / "t.txt", "one\r\n\n  two\n")) == [
        (1, {"text": "one"}),
        (3, {"text": "  two"}),
    ]


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument) as caught:
        rows(write(tmp_path / "t.pdf", "x"))
    assert caught.value.reason == "FORMAT_UNSUPPORTED"
