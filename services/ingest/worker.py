"""The ingest room's queue consumer: reads, normalises and splits one document an item."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import structlog

from services.ingest.chunks import Chunk, cut
from services.ingest.config import IngestConfig
from services.ingest.documents import Document
from services.ingest.readers import Reading, read_document
from services.ingest.splitting import SplitOptions
from services.ingest.store import Store
from services.runtime.errors import DeadlineExceeded, InvalidArgument
from services.runtime.ids import new_id
from services.runtime.jobs import Failure, Item, Jobs
from services.runtime.storage import Storage

log = structlog.get_logger()


class ParseWorker:
    """Does the items of `parse_documents` jobs."""

    def __init__(self, jobs: Jobs, store: Store, storage: Storage, config: IngestConfig) -> None:
        self._jobs = jobs
        self._store = store
        self._storage = storage
        self._config = config

    async def parse_document(self, item: Item) -> None:
        """Parse one document and replace its chunks.

        Raises:
            InvalidArgument: the file cannot be read; the document becomes FAILED as well.
        """
        document = await self._store.get_document(item.resource_id)
        try:
            reading, chunks = await self._read(document, SplitOptions(**item.payload))
        except InvalidArgument as error:
            await self._store.set_failed(document, Failure.of(error))
            raise
        text = reading.text.encode()
        key = f"documents/{document.project_id}/{document.id}/{new_id()}.md"
        stored = await self._storage.put_bytes(key, text, "text/markdown; charset=utf-8")
        sizes = (len(reading.text), len(reading.page_starts))
        async with self._jobs.finish(item) as connection:
            await self._store.set_parsed(
                connection, document, (key, stored.sha256, stored.size), sizes, chunks
            )
        log.info("document_parsed", document_id=document.id, name=document.name, chunks=len(chunks))

    async def _read(self, document: Document, options: SplitOptions) -> tuple[Reading, list[Chunk]]:
        with tempfile.TemporaryDirectory(prefix="sishu-parse-") as folder:
            path = Path(folder) / "file"
            await self._storage.get_file(document.file_key, path)
            try:
                return await asyncio.wait_for(
                    asyncio.to_thread(read_and_cut, path, document, options), self._config.parse_seconds
                )
            except TimeoutError:
                raise DeadlineExceeded(
                    "PARSE_TIMED_OUT",
                    f"{document.name}: reading took longer than {self._config.parse_seconds:.0f} s; "
                    "split the file or raise SISHU_INGEST_PARSE_SECONDS",
                    name=document.name,
                ) from None


def read_and_cut(path: Path, document: Document, options: SplitOptions) -> tuple[Reading, list[Chunk]]:
    """Read a file and cut its text; pure work for a thread."""
    reading = read_document(path, document.media_type, document.name)
    return reading, cut(reading, document.project_id, document.id, document.version, options)
