from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from services.ingest.formats import format_of
from services.ingest.readers.reading import Source
from services.ingest.readers.shared import archives, ole
from services.runtime.errors import InvalidArgument
from tests.support.read_files import source_of, zipped

NAMES = ["a.docx", "a.pptx", "a.xlsx", "a.epub", "a.odt", "a.zip"]


def refused(source: Source) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as raised, archives.opened(source) as archive:
        for name in archive.namelist():
            archives.read(archive, name, source)
    assert source.name in raised.value.message
    return raised.value


def compound_file(*streams: str) -> bytes:
    """The bytes of a compound file that tell its streams."""
    entries = b"".join(name.encode("utf-16-le").ljust(128, b"\x00") for name in streams)
    return ole.MAGIC + bytes(504) + entries


def test_a_good_archive_gives_its_members(tmp_path: Path) -> None:
    source = source_of(tmp_path, zipped([("a.txt", b"x" * 3_000_000)]), "a.zip")
    with archives.opened(source) as archive:
        assert archives.read(archive, "a.txt", source) == b"x" * 3_000_000
        assert [len(piece) for piece in archives.pieces(archive, "a.txt", source)] == [
            1 << 20,
            1 << 20,
            902_848,
        ]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "data",
    [b"", b"no zip", b"PK\x03\x04 broken", zipped([("a", b"x" * 99)])[:60]],
    ids=["empty", "text", "broken", "cut"],
)
def test_what_is_no_zip_says_so_by_its_format(tmp_path: Path, name: str, data: bytes) -> None:
    kind = format_of(name).reader.upper()
    assert refused(source_of(tmp_path, data, name)).reason == f"{kind}_UNREADABLE"


@pytest.mark.parametrize("name", ["a.docx", "a.pptx", "a.xlsx"])
def test_an_office_file_with_a_password_says_so(tmp_path: Path, name: str) -> None:
    data = compound_file("Root Entry", "EncryptionInfo", "EncryptedPackage")
    error = refused(source_of(tmp_path, data, name))
    assert error.reason == "FILE_ENCRYPTED"
    assert "without a password" in error.message


def test_another_compound_file_is_no_encrypted_one(tmp_path: Path) -> None:
    data = compound_file("Root Entry", "WordDocument") + "xEncryptedPackage\x00".encode("utf-16-le")
    assert refused(source_of(tmp_path, data, "a.docx")).reason == "DOCX_UNREADABLE"


def flagged(data: bytes) -> bytes:
    """An archive whose first member says that it is encrypted."""
    changed = bytearray(data)
    changed[6] |= 1
    changed[changed.index(b"PK\x01\x02") + 8] |= 1
    return bytes(changed)


def test_an_encrypted_member_is_told_by_name(tmp_path: Path) -> None:
    error = refused(source_of(tmp_path, flagged(zipped([("secret.txt", "x")])), "a.zip"))
    assert (error.reason, error.metadata["member"]) == ("FILE_ENCRYPTED", "secret.txt")


def resized(data: bytes, size: int) -> bytes:
    """An archive whose directory says another size of its first member."""
    changed = bytearray(data)
    struct.pack_into("<I", changed, changed.index(b"PK\x01\x02") + 24, size)
    return bytes(changed)


@pytest.mark.parametrize(
    "make",
    [
        lambda: zipped([("a", bytes(20_000_000))]),
        lambda: zipped([(str(number), "") for number in range(10_001)]),
        lambda: resized(zipped([("a", b"x"), ("b", b"x")]), (1 << 30) + 1),
    ],
    ids=["ratio", "count", "size"],
)
def test_a_bomb_is_refused_by_its_directory(tmp_path: Path, make: object) -> None:
    assert callable(make)
    assert refused(source_of(tmp_path, make(), "a.zip")).reason == "ARCHIVE_BOMB"


def test_a_directory_that_says_too_little_gives_no_more_than_it_says(tmp_path: Path) -> None:
    data = resized(zipped([("a", bytes(9_000_000))]), 1000)
    assert refused(source_of(tmp_path, data, "a.zip")).reason == "ZIP_UNREADABLE"


def test_members_that_share_bytes_are_refused(tmp_path: Path) -> None:
    data = zipped([("a", b"x" * 1000), ("b", b"y" * 1000)])
    changed = bytearray(data)
    second = changed.rindex(b"PK\x01\x02")
    struct.pack_into("<I", changed, second + 42, 0)
    assert refused(source_of(tmp_path, bytes(changed), "a.zip")).reason == "ARCHIVE_BOMB"


def test_a_file_that_compresses_well_is_no_bomb(tmp_path: Path) -> None:
    source = source_of(tmp_path, zipped([("a", bytes(9_000_000))]), "a.zip")
    with archives.opened(source) as archive:
        assert len(archives.read(archive, "a", source)) == 9_000_000


def test_a_packing_that_python_does_not_know_is_told(tmp_path: Path) -> None:
    changed = bytearray(zipped([("a", b"x" * 100)]))
    changed[8] = 9
    changed[changed.index(b"PK\x01\x02") + 10] = 9
    assert refused(source_of(tmp_path, bytes(changed), "a.zip")).reason == "ZIP_UNREADABLE"


def test_a_missing_member_is_told_by_name(tmp_path: Path) -> None:
    source = source_of(tmp_path, zipped([("a", "x")]), "a.docx")
    with (
        archives.opened(source) as archive,
        pytest.raises(InvalidArgument, match=r"word/document.xml is missing"),
    ):
        archives.read(archive, "word/document.xml", source)


@given(st.binary(max_size=60), st.integers(0, 200), st.integers(0, 255))
@example(b"", 0, 0)
# A member without a name.
@example(b"\x00\x00", 130, 0)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_change_of_a_byte_ends_in_an_unforeseen_error(
    tmp_path: Path, content: bytes, place: int, byte: int
) -> None:
    data = bytearray(zipped([("a.txt", content), ("b.txt", b"word " * 9)]))
    data[place % len(data)] = byte
    source = source_of(tmp_path, bytes(data), "a.zip")
    try:
        with archives.opened(source) as archive:
            for entry in archive.infolist():
                for _ in archives.pieces(archive, entry, source):
                    pass
    except InvalidArgument as error:
        assert error.reason in {"ZIP_UNREADABLE", "FILE_ENCRYPTED", "ARCHIVE_BOMB"}


def entities(depth: int) -> str:
    lines = ['<!ENTITY e0 "ha">']
    lines += [f'<!ENTITY e{at} "{f"&e{at - 1};" * 10}">' for at in range(1, depth)]
    return "".join(lines)


@pytest.mark.parametrize(
    "data",
    [
        f"<!DOCTYPE a [{entities(9)}]><a>&e8;</a>",
        f'<!DOCTYPE a [{entities(9)}]><a b="&e8;"/>',
        f"<!DOCTYPE a [{entities(2)}]><a>&e1;</a>",
        '<!DOCTYPE a [<!ENTITY a "&b;"><!ENTITY b "&a;">]><a>&a;</a>',
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        '<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:1/x"> %x;]><a/>',
        "<a>" * 1000 + "</a>" * 1000,
        f"<a>{'x' * 11_000_000}</a>",
    ],
    ids=["laughs", "attribute", "small", "loop", "file", "network", "deep", "long"],
)
def test_xml_that_swells_or_reaches_out_is_refused(tmp_path: Path, data: str) -> None:
    with pytest.raises(InvalidArgument, match=r"a\.docx") as raised:
        archives.xml(data.encode(), source_of(tmp_path, b"", "a.docx"))
    assert raised.value.reason == "XML_BOMB"


@pytest.mark.parametrize(
    "data", [b"", b"<a>", b"no xml", b"<a>\x00</a>", b'<?xml version="1.0" encoding="x"?><a/>']
)
def test_damaged_xml_says_so_by_the_format(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(InvalidArgument) as raised:
        archives.xml(data, source_of(tmp_path, b"", "a.docx"))
    assert raised.value.reason == "DOCX_UNREADABLE"


def test_xml_comes_without_comments_and_instructions(tmp_path: Path) -> None:
    root = archives.xml(b"<a><!-- x --><?y z?><b>t</b></a>", source_of(tmp_path, b"", "a.docx"))
    assert [child.tag for child in root] == ["b"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_in_any_part_are_found_before_a_library_parses_it(tmp_path: Path, encoding: str) -> None:
    bad = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'.encode(
        encoding
    )
    source = source_of(tmp_path, zipped([("good.xml", "<a/>"), ("x/bad.xml", bad)]), "a.xlsx")
    with archives.opened(source) as archive, pytest.raises(InvalidArgument) as raised:
        archives.check_markup(archive, source)
    assert raised.value.reason == "XML_BOMB"
