from __future__ import annotations

import pytest

from services.ingest.documents import check_name
from services.ingest.projects import check_project
from services.runtime.errors import InvalidArgument


@pytest.mark.parametrize("name", ["a.md", "handbook/returns.md", "退货/政策 1.txt", "..a.md", "a..md"])
def test_relative_paths_are_names(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "../a.md",
        "a/../b.md",
        "..",
        "/a.md",
        "a//b.md",
        "./a.md",
        "a/",
        "",
        "a\\b.md",
        "a\nb.md",
        "a\x00.md",
        "a\u202eb",
    ],
)
def test_tricks_are_no_names(name: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        check_name(name)
    assert raised.value.reason == "DOCUMENT_NAME_INVALID"
    assert raised.value.field == "name"


@pytest.mark.parametrize(
    ("name", "description", "field"),
    [
        ("", "", "project.name"),
        ("x" * 101, "", "project.name"),
        ("a\nb", "", "project.name"),
        ("a", "x" * 2001, "project.description"),
    ],
)
def test_a_project_that_breaks_a_rule_names_the_field(name: str, description: str, field: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        check_project(name, description)
    assert raised.value.field == field
