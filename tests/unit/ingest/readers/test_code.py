from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.read_files import read_bytes, refusal


@pytest.mark.parametrize(
    ("name", "syntax"),
    [("a.py", "python"), ("src/Main.java", "java"), ("x.proto", "proto"), ("q.sql", "sql")],
)
def test_code_is_read_as_it_is_and_knows_its_language(tmp_path: Path, name: str, syntax: str) -> None:
    code = "# not a heading\n\n\tif a | b:\n\t\treturn '*'\n"
    reading = read_bytes(tmp_path, code.encode(), name)
    assert (reading.text, reading.syntax) == (code, syntax)


def test_code_of_an_old_encoding_is_read(tmp_path: Path) -> None:
    code = "// 计算退款金额，不含运费\nint refund(int price) { return price; }\n"
    assert read_bytes(tmp_path, code.replace("\n", "\r\n").encode("gbk"), "a.cpp").text == code


def test_a_program_that_was_compiled_is_no_code(tmp_path: Path) -> None:
    assert refusal(tmp_path, b"\xca\xfe\xba\xbe\x00\x00\x00\x34", "Main.java").reason == "TEXT_BINARY"
