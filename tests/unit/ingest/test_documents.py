from __future__ import annotations

import pytest

from services.ingest.documents import MEDIA_TYPES, check_name, media_type_of
from services.ingest.projects import check_project
from services.ingest.readers import READERS
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


def test_the_ending_tells_the_media_type_in_any_case() -> None:
    assert media_type_of("Report.PDF") == "application/pdf"
    assert media_type_of("a/b.markdown") == "text/markdown"


@pytest.mark.parametrize("name", ["a.exe", "README", "a.md.zip", ".md"])
def test_an_unknown_kind_names_the_known_ones(name: str) -> None:
    with pytest.raises(InvalidArgument, match=r"\.docx, \.markdown, \.md, \.pdf, \.txt") as raised:
        media_type_of(name)
    assert raised.value.reason == "FORMAT_UNSUPPORTED"


def test_every_known_media_type_has_a_reader() -> None:
    assert set(MEDIA_TYPES.values()) == set(READERS)


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
