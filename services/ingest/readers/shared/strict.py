"""Strict Office files: the same parts under namespaces that no library knows (ISO/IEC 29500-1, annex A)."""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

STRICT = b"http://purl.oclc.org/ooxml/"
DECLARED = re.compile(
    rb"(\s(?:xmlns(?::[\w.-]+)?|Type|uri)\s*=\s*[\"'])http://purl\.oclc\.org/ooxml/([\w-]+)/"
)
"""A namespace, or the type of a relationship or drawing."""
STARTS = "_rels/.rels"
FASTEST = 1


def loosened(data: bytes) -> bytes:
    """XML with the namespaces that libraries know."""
    if STRICT not in data:
        return data
    return DECLARED.sub(rb"\1http://schemas.openxmlformats.org/\2/2006/", data)


@contextmanager
def loosened_copy(archive: zipfile.ZipFile, folder: str) -> Iterator[IO[bytes] | None]:
    """An Office file with the namespaces that libraries know; none if it has them already.

    Args:
        archive: the file, whose size was checked.
        folder: where the copy lies meanwhile.
    """
    if STARTS not in archive.NameToInfo or STRICT not in archive.read(STARTS):
        yield None
        return
    with tempfile.TemporaryFile(dir=folder) as copy:
        with zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED, compresslevel=FASTEST) as made:
            for name in dict.fromkeys(archive.namelist()):
                data = archive.read(name)
                made.writestr(name, loosened(data) if name.endswith((".xml", ".rels")) else data)
        copy.seek(0)
        yield copy
