from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.runtime.sql import Statements

SERVICES = Path(__file__).resolve().parents[3] / "services"


def statements(folder: Path, text: str) -> Statements:
    path = folder / "some.sql"
    path.write_text(text, encoding="utf-8")
    return Statements(path)


def test_statements_are_found_by_name_without_the_space_around_them(tmp_path: Path) -> None:
    found = statements(
        tmp_path, "-- A head.\n\n-- name: one\nSELECT 1\n\n-- name: two\n-- Why.\nSELECT\n  2\n"
    )
    assert found.one == "SELECT 1"
    assert found.two == "-- Why.\nSELECT\n  2"


def test_a_missing_statement_is_an_attribute_error_that_names_file_and_statement(tmp_path: Path) -> None:
    with pytest.raises(AttributeError, match=r"some\.sql has no statement named three"):
        _ = statements(tmp_path, "-- name: one\nSELECT 1\n").three


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="stands twice"):
        statements(tmp_path, "-- name: one\nSELECT 1\n-- name: one\nSELECT 2\n")


def test_a_statement_before_the_first_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="before the first"):
        statements(tmp_path, "SELECT 1\n-- name: one\nSELECT 2\n")


@pytest.mark.parametrize("path", sorted(SERVICES.glob("*/sql/*.sql")), ids=lambda path: path.stem)
def test_every_sql_file_of_the_rooms_is_read_and_every_statement_used(path: Path) -> None:
    Statements(path)
    names = re.findall(r"^-- name: (\w+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    sources = " ".join(source.read_text(encoding="utf-8") for source in path.parents[1].rglob("*.py"))
    unused = [name for name in names if not re.search(rf"SQL\.{name}\b", sources)]
    assert unused == []
