from __future__ import annotations

import pytest

from services.ingest.documents import MOST_NAME_CHARS, check_name, other_name
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


def test_names_beside_a_taken_one_count_on() -> None:
    assert [other_name("a/b.md"), other_name("a/b (2).md")] == ["a/b (2).md", "a/b (3).md"]


def test_names_beside_the_longest_are_not_longer_and_all_differ() -> None:
    names = ["x" * (MOST_NAME_CHARS - 3) + ".md"]
    for _ in range(30):
        names.append(other_name(names[-1]))
    assert len(set(names)) == len(names)
    assert all(len(name) <= MOST_NAME_CHARS and name.endswith(".md") for name in names)
