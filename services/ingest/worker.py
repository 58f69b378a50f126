"""The ingest room's queue consumer: one document an item is read, normalised and split."""

from __future__ import annotations

import tempfile
from pathlib import Path

import structlog

from services.ingest.documents import Document
from services.ingest.objects import fresh_object
from services.ingest.parsing import Parsed, Parser
from services.ingest.splitting import SplitOptions
from services.ingest.store import Outdated, Store, item_key
from services.runtime.ids import new_id
from services.runtime.jobs import Item, Jobs
from services.runtime.storage import Storage

log = structlog.get_logger()


class ParseWorker:
    """Does the items of `parse_documents` jobs."""

    def __init__(self, jobs: Jobs, store: Store, storage: Storage, parser: Parser) -> None:
        self._jobs = jobs
        self._store = store
        self._storage = storage
        self._parser = parser

    async def parse_document(self, item: Item) -> None:
        """Parse a version of a document and replace the document's chunks; an older version is skipped.

        The version becomes FAILED with its item.

        Raises:
            SishuError: it cannot be parsed, or not now.
        """
        document = await self._store.get_document(item.resource_id)
        if item.key != item_key(document.id, document.version):
            await self._skip(item)
            return
        try:
            await self._store_parsed(item, document, await self._parse(document, item))
        except Outdated:
            await self._skip(item)

    async def _skip(self, item: Item) -> None:
        async with self._jobs.finish(item, skipped=True):
            pass

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
