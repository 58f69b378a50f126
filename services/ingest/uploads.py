"""Uploads: bytes that a client sends straight to the bucket, checked before a document holds them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import structlog

from services.ingest.documents import Document, Upload, check_name
from services.ingest.formats import format_of
from services.ingest.objects import FreshObjects
from services.ingest.store import Store
from services.runtime.errors import FailedPrecondition, InvalidArgument, NotFound
from services.runtime.ids import new_id
from services.runtime.storage import URL_LIFE, Storage
from services.runtime.sweeping import sweep_often

SWEEPS_IN_A_LIFE = 24
SWEPT_AT_ONCE = 1000

log = structlog.get_logger()


async def create_upload(
    store: Store, project_id: str, name: str, size_bytes: int, sha256: str, request_id: str
) -> Upload | Document:
    """Announce a file; the document where the bytes need not be sent. The same request id gives the first.

    Raises:
        InvalidArgument: the name is none, or the room does not read such files.
        NotFound: there is no such project.
    """
    first = await store.first_answer("CreateUpload", request_id)
    if first:
        return await completed(store, first) or await store.get_upload(first)
    check_name(name)
    media_type = format_of(name).media_type
    await store.get_project(project_id)
    document = await store.find_document(project_id, name, media_type, sha256)
    if document:
        return document
    upload_id = new_id()
    key = f"documents/{project_id}/{upload_id}/file"
    upload = Upload(upload_id, project_id, name, media_type, size_bytes, sha256, key, None)
    return await store.create_upload(upload, request_id)


async def complete_upload(
    store: Store, storage: Storage, fresh_objects: FreshObjects, upload_id: str
) -> Document:
    """Make the document of what was sent, or its next version; once.

    Raises:
        NotFound: there is no such upload.
        FailedPrecondition: nothing was sent.
        InvalidArgument: other bytes were sent.
    """
    document = await completed(store, upload_id)
    if document:
        return document
    upload = await store.get_upload(upload_id)
    # The client can write to the announced key for a while yet.
    prefix = f"documents/{upload.project_id}/{new_id()}/"
    copied = replace(upload, file_key=f"{prefix}file")
    try:
        async with fresh_objects.under(prefix) as fresh:
            await copy_checked(storage, upload, copied.file_key)
            document = await store.complete_upload(copied, fresh.take)
    except FailedPrecondition:
        # Another call may have been faster, and deleted what was sent.
        document = await completed(store, upload_id)
        if document is None:
            raise
        return document
    await storage.delete(upload.file_key)
    return document


async def completed(store: Store, upload_id: str) -> Document | None:
    """The document that an upload led to, if it did."""
    upload = await store.get_upload(upload_id)
    return await store.get_document(upload.document_id) if upload.document_id else None


async def copy_checked(storage: Storage, upload: Upload, key: str) -> None:
    """Copy what was sent to a key, and check the copy; when its bytes are others, what was sent is deleted.

    Raises:
        FailedPrecondition: nothing was sent.
        InvalidArgument: other bytes were sent.
    """
    try:
        # First: far more than was announced would be copied and read in vain.
        size = await storage.size(upload.file_key)
        if size != upload.size_bytes:
            await storage.delete(upload.file_key)
            raise mismatch(upload, size)
        await storage.copy(upload.file_key, key)
    except NotFound:
        raise FailedPrecondition(
            "UPLOAD_MISSING", f"{upload.name}: no bytes arrived; PUT them to the upload's address first"
        ) from None
    # The copy, as the client can write to the original.
    found = await storage.inspect(key)
    if (found.size, found.sha256) == (upload.size_bytes, upload.sha256):
        return
    await storage.delete(upload.file_key)
    raise mismatch(upload, found.size)


def mismatch(upload: Upload, size: int) -> InvalidArgument:
    """The error for other bytes than were announced."""
    return InvalidArgument(
        "UPLOAD_MISMATCH",
        f"{upload.name}: {size} bytes arrived, {upload.size_bytes} were announced, or their SHA-256 differs; "
        "send the file again",
        "upload_id",
        name=upload.name,
    )


class UploadSweeper:
    """Forgets old uploads, and deletes what was sent with them and became no document.

    Args:
        seconds: how long an upload lives; it is forgotten once links given until then have ended too.
    """

    def __init__(self, store: Store, storage: Storage, seconds: float) -> None:
        self._store = store
        self._storage = storage
        self._seconds = seconds

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep often until `stop` is set."""
        await sweep_often("uploads", self._sweep_some, self._seconds / SWEEPS_IN_A_LIFE, stop)

    async def _sweep_some(self) -> bool:
        """Sweep the first of the old uploads; whether there may be more."""
        old = await self._store.old_uploads(self._seconds + URL_LIFE.total_seconds(), SWEPT_AT_ONCE)
        for upload in old:
            # Also of one that is complete: bytes may have been sent again.
            await self._storage.delete(upload.file_key)
        await self._store.delete_uploads([upload.id for upload in old])
        if old:
            log.info("uploads_swept", count=len(old))
        return len(old) == SWEPT_AT_ONCE
