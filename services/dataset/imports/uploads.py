"""Uploaded files: whether they arrived, and their bytes on this machine."""

from __future__ import annotations

import asyncio
from pathlib import Path

from services.dataset.imports.imports import ImportUpload
from services.runtime.errors import FailedPrecondition, InvalidArgument, NotFound
from services.runtime.storage import Storage, file_info


async def check_arrived(storage: Storage, upload: ImportUpload) -> None:
    """Look whether as many bytes arrived as were announced.

    Raises:
        FailedPrecondition: none arrived.
        InvalidArgument: others arrived.
    """
    try:
        size = await storage.size(upload.key)
    except NotFound:
        raise missing(upload) from None
    if size != upload.size_bytes:
        raise mismatch(upload, size)


async def downloaded(storage: Storage, upload: ImportUpload, folder: Path) -> Path:
    """The uploaded file, in a folder of this machine.

    Raises:
        FailedPrecondition: it is not there.
        InvalidArgument: other bytes arrived than were announced.
    """
    path = folder / "file"
    try:
        await storage.get_file(upload.key, path)
    except NotFound:
        raise missing(upload) from None
    # Of what is read, as the client can write to the address for a while.
    found = await asyncio.to_thread(file_info, path)
    if (found.size, found.sha256) != (upload.size_bytes, upload.sha256):
        raise mismatch(upload, found.size)
    return path


def missing(upload: ImportUpload) -> FailedPrecondition:
    """The error for an upload of which nothing is there."""
    return FailedPrecondition(
        "UPLOAD_MISSING",
        f"{upload.name}: no bytes are there; PUT them to the upload's address first, or upload the "
        "file anew where it was imported before",
        name=upload.name,
    )


def mismatch(upload: ImportUpload, size: int) -> InvalidArgument:
    """The error for other bytes than were announced."""
    return InvalidArgument(
        "UPLOAD_MISMATCH",
        f"{upload.name}: {size} bytes arrived, {upload.size_bytes} were announced, or their SHA-256 differs; "
        "send the file again",
        "import.file.upload_id",
        name=upload.name,
    )
