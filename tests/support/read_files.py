"""Give files to the readers, as the parse program does."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from services.ingest.formats import format_of
from services.ingest.readers import Reading, Source, read_document
from services.runtime.errors import InvalidArgument


def source_of(folder: Path, data: bytes, name: str, most_chars: int = 20_000_000) -> Source:
    """A file of some bytes, in a folder of its own."""
    own = folder / hashlib.sha256(data + name.encode()).hexdigest()[:8]
    own.mkdir(exist_ok=True)
    path = own / "file"
    path.write_bytes(data)
    return Source(path, name, format_of(name).media_type, own, most_chars)


def read_bytes(folder: Path, data: bytes, name: str, most_chars: int = 20_000_000) -> Reading:
    """Read bytes as a file of a name; pictures and rows must be where the reading says."""
    source = source_of(folder, data, name, most_chars)
    reading = read_document(source)
    for image in reading.images:
        kept = (source.folder / "images" / image.name).read_bytes()
        assert hashlib.sha256(kept).hexdigest() == image.sha256
        assert reading.text[image.char_start : image.char_end].endswith(f"](images/{image.name})")
    assert list(reading.page_starts) == sorted(reading.page_starts)
    assert list(reading.row_starts) == sorted(set(reading.row_starts))
    return reading


def refusal(folder: Path, data: bytes, name: str, most_chars: int = 20_000_000) -> InvalidArgument:
    """The error that reading ends in; it names the file, and leaves no half of it behind."""
    source = source_of(folder, data, name, most_chars)
    with pytest.raises(InvalidArgument) as raised:
        read_document(source)
    error = raised.value
    assert name in error.message
    assert error.metadata["name"] == name
    assert not (source.folder / "members").exists()
    return error


def rows_at(reading: Reading) -> list[str]:
    """The lines at which rows start."""
    return [reading.text[start:].partition("\n")[0] for start in reading.row_starts]


def zipped(files: Iterable[tuple[str | zipfile.ZipInfo, bytes | str]]) -> bytes:
    """A zip archive."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return stream.getvalue()


def repacked(data: bytes, **parts: bytes | None) -> bytes:
    """A zip archive with other parts: `word__document_xml` is `word/document.xml`; none leaves one out."""
    changed = {name.replace("__", "/").replace("_xml", ".xml"): part for name, part in parts.items()}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()} | changed
    return zipped((name, part) for name, part in files.items() if part is not None)


def strict(data: bytes) -> bytes:
    """An Office file as programs save it that are asked for strict Open XML."""
    spaces = re.compile(rb"http://schemas\.openxmlformats\.org/(\w+)/2006/(?=\w)")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    return zipped(
        (
            name,
            spaces.sub(
                lambda found: (
                    found[0] if found[1] == b"package" else b"http://purl.oclc.org/ooxml/%b/" % found[1]
                ),
                part,
            )
            if name.endswith((".xml", ".rels"))
            else part,
        )
        for name, part in files.items()
    )


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003"
    "010100c9fe92ef0000000049454e44ae426082"
)
"""A picture of one red point."""
