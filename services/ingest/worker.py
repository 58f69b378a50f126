"""The ingest room's queue consumer: one document an item is read, normalised and split."""

from __future__ import annotations

import tempfile
from pathlib import Path

import structlog

from services.ingest.documents import Document
from services.ingest.objects import fresh_object
from services.ingest.parsing import Parsed, Parser
from services.ingest.splitting import SplitOptions
from services.ingest.store import Store
from services.runtime.faults import RETRYABLE, as_sishu_error
from services.runtime.ids import new_id
from services.runtime.jobs import Failure, Item, ItemClosed, Jobs
from services.runtime.storage import Storage
from services.runtime.worker import MOST_ATTEMPTS

log = structlog.get_logger()


class ParseWorker:
    """Does the items of `parse_documents` jobs."""

    def __init__(self, jobs: Jobs, store: Store, storage: Storage, parser: Parser) -> None:
        self._jobs = jobs
        self._store = store
        self._storage = storage
        self._parser = parser

    async def parse_document(self, item: Item) -> None:
        """Parse one document and replace its chunks; when the item ends badly, the document becomes FAILED.

        Raises:
            SishuError: the document cannot be parsed, or not now.
        """
        document = await self._store.get_document(item.resource_id)
        try:
            await self._store_parsed(item, document, await self._parse(document, item))
        except ItemClosed:
            raise
        except Exception as raised:
            error = as_sishu_error(raised)
            if error.code not in RETRYABLE or item.attempt >= MOST_ATTEMPTS:
                await self._store.set_failed(document, Failure.of(error))
            raise error from raised

    async def _parse(self, document: Document, item: Item) -> Parsed:
        with tempfile.TemporaryDirectory(prefix="sishu-parse-") as folder:
            path = Path(folder) / "file"
            await self._storage.get_file(document.file_key, path)
            return await self._parser.parse(document, path, SplitOptions(**item.payload))

    async def _store_parsed(self, item: Item, document: Document, parsed: Parsed) -> None:
        key = f"documents/{document.project_id}/{document.id}/{new_id()}.md"
        async with fresh_object(self._storage, key) as fresh:
            stored = await self._storage.put_bytes(key, parsed.text.encode(), "text/markdown; charset=utf-8")
            async with self._jobs.finish(item) as connection:
                text = (key, stored.sha256, stored.size)
                fresh.taken = await self._store.set_parsed(connection, document, parsed, text, item.payload)
        log.info("document_parsed", document_id=document.id, name=document.name, chunks=len(parsed.pieces))
