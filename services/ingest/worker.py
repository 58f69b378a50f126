"""The ingest room's queue consumer: one document an item is read, normalised and split."""

from __future__ import annotations

import tempfile
from pathlib import Path

import structlog

from services.ingest.documents import Document
from services.ingest.parsing import Parsed, Parser
from services.ingest.splitting import SplitOptions
from services.ingest.store import Store
from services.runtime.errors import InvalidArgument
from services.runtime.ids import new_id
from services.runtime.jobs import Failure, Item, Jobs
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
        """Parse one document and replace its chunks.

        Raises:
            InvalidArgument: the file cannot be read; the document becomes FAILED as well.
        """
        document = await self._store.get_document(item.resource_id)
        try:
            parsed = await self._parse(document, SplitOptions(**item.payload))
        except InvalidArgument as error:
            await self._store.set_failed(document, Failure.of(error))
            raise
        key = f"documents/{document.project_id}/{document.id}/{new_id()}.md"
        stored = await self._storage.put_bytes(key, parsed.text.encode(), "text/markdown; charset=utf-8")
        async with self._jobs.finish(item) as connection:
            await self._store.set_parsed(connection, document, parsed, (key, stored.sha256, stored.size))
        log.info("document_parsed", document_id=document.id, name=document.name, chunks=len(parsed.pieces))

    async def _parse(self, document: Document, options: SplitOptions) -> Parsed:
        with tempfile.TemporaryDirectory(prefix="sishu-parse-") as folder:
            path = Path(folder) / "file"
            await self._storage.get_file(document.file_key, path)
            return await self._parser.parse(document, path, options)
