from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from services.ingest.formats import format_of
from services.ingest.readers import Source, read_document
from services.runtime.errors import FailedPrecondition, InvalidArgument
from tests.unit.ingest.readers import word
from tests.unit.ingest.readers.docx_readings import NAME, contract
from tests.unit.ingest.readers.readings import (
    ENTITIES,
    changed,
    encrypted_office_file,
    read,
    refusal,
    swollen,
    zipped,
)


def small() -> bytes:
    return word.made(lambda document: document.add_paragraph("text"))


def test_macros_are_not_text_and_do_no_harm(tmp_path: Path) -> None:
    import zipfile

    buffer = io.BytesIO(small())
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("word/vbaProject.bin", b"\xd0\xcf\x11\xe0 Sub AutoOpen()")
    macro = changed(
        buffer.getvalue(),
        "[Content_Types].xml",
        b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml",
        b"application/vnd.ms-word.document.macroEnabled.main+xml",
    )
    assert read(tmp_path, macro, NAME).text == "text\n"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "DOCX_UNREADABLE"),
        (b"not a docx", "DOCX_UNREADABLE"),
        (b"PK\x03\x04 broken", "DOCX_UNREADABLE"),
        (zipped({"something.txt": "else"}), "DOCX_UNREADABLE"),
        (zipped({"word/document.xml": "<w:document"}), "DOCX_UNREADABLE"),
        (zipped({"word/document.xml": "<document/>"}), "DOCX_UNREADABLE"),
        (zipped({"word/document.xml": f"{ENTITIES}<document>&b;</document>"}), "XML_BOMB"),
        (encrypted_office_file(), "FILE_ENCRYPTED"),
    ],
)
def test_a_file_of_no_use_says_why(tmp_path: Path, data: bytes, reason: str) -> None:
    assert refusal(tmp_path, data, NAME) == reason


def test_an_empty_document_holds_no_text(tmp_path: Path) -> None:
    assert refusal(tmp_path, word.made(lambda _: None), NAME) == "TEXT_EMPTY"


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    assert refusal(tmp_path, swollen(small(), "word/media/image1.png"), NAME) == "ARCHIVE_BOMB"


def test_a_document_beyond_the_limits_of_a_parse_says_so(tmp_path: Path) -> None:
    data = word.made(lambda document: document.add_paragraph("words " * 200_000))
    path = tmp_path / "long.docx"
    path.write_bytes(data)
    source = Source(path, NAME, format_of(NAME).media_type, tmp_path)
    with pytest.raises(InvalidArgument, match="PARSE_MEMORY_MIB") as memory:
        read_document(replace(source, memory_bytes=4 << 20))
    assert (memory.value.reason, memory.value.metadata["memory_mib"]) == ("PARSE_OUT_OF_MEMORY", "4")
    with pytest.raises(FailedPrecondition, match="PARSE_SECONDS") as time:
        read_document(replace(source, seconds=0.001))
    assert (time.value.reason, time.value.metadata["seconds"]) == ("PARSE_TIMED_OUT", "0.001")


def test_a_file_cut_off_anywhere_ends_in_an_error_of_ours(tmp_path: Path) -> None:
    whole = small()
    for share in range(1, 10):
        assert refusal(tmp_path, whole[: len(whole) * share // 10], NAME) == "DOCX_UNREADABLE"


def test_a_file_with_any_byte_changed_is_read_or_refused(tmp_path: Path) -> None:
    whole = word.made(contract)
    for place in range(0, len(whole), len(whole) // 60):
        data = bytearray(whole)
        data[place] ^= 0x55
        try:
            read(tmp_path, bytes(data), NAME)
        except InvalidArgument as error:
            assert error.reason in {
                "DOCX_UNREADABLE",
                "FILE_ENCRYPTED",
                "ARCHIVE_BOMB",
                "XML_BOMB",
                "TEXT_EMPTY",
            }
