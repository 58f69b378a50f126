from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from services.ingest.formats import FORMATS, Format, format_of
from services.ingest.readers import reader_of
from services.ingest.sniffing import check_content
from services.runtime.errors import InvalidArgument
from tests.support.fault_files import sheet, slides, with_macros, word_file
from tests.support.read_files import read_bytes, source_of


def test_the_ending_tells_the_format_in_any_case() -> None:
    assert format_of("Report.PDF").media_type == "application/pdf"
    assert format_of("a/b.markdown").media_type == "text/markdown"
    assert format_of("src/Main.java").syntax == "java"


@pytest.mark.parametrize(
    ("name", "make", "text"),
    [
        ("a.docm", lambda: word_file("A note."), "A note.\n"),
        ("a.pptm", lambda: slides("A slide."), "A slide.\n"),
        ("a.xlsm", lambda: sheet(["name"], ["Li"]), "| name |\n| --- |\n| Li |\n"),
    ],
)
def test_office_files_with_macros_are_read_under_their_own_names(
    tmp_path: Path, name: str, make: Callable[[], bytes], text: str
) -> None:
    data = with_macros(make())
    assert read_bytes(tmp_path, data, name).text.endswith(text)
    source = source_of(tmp_path, data, name)
    check_content(source.path, source.media_type, name)


@pytest.mark.parametrize("name", ["a.exe", "README", "a.md.doc", ".md"])
def test_an_unknown_kind_names_the_known_ones(name: str) -> None:
    with pytest.raises(InvalidArgument, match=r"\.docx, .*\.markdown, .*\.txt") as raised:
        format_of(name)
    assert raised.value.reason == "FORMAT_UNSUPPORTED"


def test_no_two_formats_share_a_media_type_or_an_ending() -> None:
    endings = [ending for one in FORMATS for ending in one.endings]
    assert len({one.media_type for one in FORMATS}) == len(FORMATS)
    assert len(set(endings)) == len(endings)


@pytest.mark.parametrize("one", FORMATS, ids=lambda one: one.endings[0])
def test_every_format_has_a_reader(one: Format) -> None:
    assert callable(reader_of(one.media_type))
