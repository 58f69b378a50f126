"""Check the bytes that a client sent straight to the bucket."""

from __future__ import annotations

from services.ingest.documents import Upload
from services.runtime.errors import FailedPrecondition, InvalidArgument, NotFound
from services.runtime.storage import Storage


async def check_upload(upload: Upload, storage: Storage) -> None:
    """Compare size and SHA-256 with what was announced; bytes that differ are deleted.

    Raises:
        FailedPrecondition: nothing was sent.
        InvalidArgument: other bytes were sent.
    """
    if upload.document_id is not None:
        return
    try:
        found = await storage.inspect(upload.file_key)
    except NotFound:
        raise FailedPrecondition(
            "UPLOAD_MISSING", f"{upload.name}: no bytes arrived; PUT them to the upload's address first"
        ) from None
    if (found.size, found.sha256) != (upload.size_bytes, upload.sha256):
        await storage.delete(upload.file_key)
        raise InvalidArgument(
            "UPLOAD_MISMATCH",
            f"{upload.name}: {found.size} bytes arrived, {upload.size_bytes} were announced, or their "
            "SHA-256 differs; send the file again",
            "upload_id",
            name=upload.name,
        )
