"""The ingest room's queue consumers: one document an item is read, cleaned and split; one URL is fetched."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import structlog

from services.ingest.at_once import all_done
from services.ingest.deletion_store import DeletionStore
from services.ingest.documents import Document, NewFile, member_name
from services.ingest.fetching.fetcher import Fetcher
from services.ingest.formats import format_of
from services.ingest.member_store import MemberStore
from services.ingest.metrics import IngestMetrics
from services.ingest.objects import FreshObjects
from services.ingest.parse_store import Outdated, ParseStore, StoredText
from services.ingest.parsing.exchange import FILE, Parsed, ParsedText
from services.ingest.parsing.options import ParseOptions
from services.ingest.parsing.parser import Parser
from services.ingest.readers.reading import IMAGES, MEMBERS
from services.ingest.store import Store, parse_item
from services.runtime.db import Connection
from services.runtime.errors import InvalidArgument, NotFound, Unavailable
from services.runtime.ids import new_id
from services.runtime.jobs import Item, ItemClosed, Jobs
from services.runtime.storage import Storage, file_info
from services.runtime.work_folders import work_folder

SENT_AT_ONCE = 8
MOST_ITEMS = 100_000
"""Documents that one job parses, those inside others included, where archives are opened."""
MARKDOWN = "text/markdown; charset=utf-8"

log = structlog.get_logger()


class ParseWorker:
    """Does the items of `parse_documents` jobs."""

    def __init__(
        self,
        jobs: Jobs,
        store: Store,
        parses: ParseStore,
        deletions: DeletionStore,
        storage: Storage,
        fresh_objects: FreshObjects,
        parser: Parser,
        metrics: IngestMetrics,
    ) -> None:
        self._metrics = metrics
        self._jobs = jobs
        self._store = store
        self._members = MemberStore(store)
        self._parses = parses
        self._deletions = deletions
        self._storage = storage
        self._fresh_objects = fresh_objects
        self._parser = parser

    async def parse_document(self, item: Item) -> None:
        """Parse a version of a document and replace the document's chunks; an older version is skipped.

        The version becomes FAILED with its item, unless it was parsed before. What the document holds becomes
        items of the same job.

        Raises:
            SishuError: it cannot be parsed, or not now, such as after another parse cleaned it meanwhile.
        """
        document = await self._wanted(item)
        if document is None:
            await self._skip(item)
            return
        if document.refusal:
            refusal = document.refusal
            raise InvalidArgument(refusal.reason, refusal.message, **refusal.metadata)
        options = ParseOptions.of(item.payload)
        try:
            with work_folder("ingest") as folder:
                await self._storage.get_file(document.file_key, folder / FILE)
                async with self._parser.parsed(document, folder, options) as parsed:
                    await self._check_count(item, document, len(parsed.members))
                    await self._keep(item, document, folder, parsed, options)
        except Outdated:
            await self._forget_if_gone(document)
            if await self._wanted(item):
                # The same bytes: this parse was asked for with options of its own.
                raise Unavailable(
                    "PARSED_MEANWHILE", f"{document.name}: another parse of it ended first; try again"
                ) from None
            await self._skip(item)
        except (ItemClosed, NotFound):
            await self._forget_if_gone(document)
            raise

    async def _check_count(self, item: Item, document: Document, members: int) -> None:
        """Refuse an archive that would make a job endless: each layer of archives multiplies the one above.

        Raises:
            InvalidArgument: it would.
        """
        if members and (await self._jobs.get(item.job_id)).total + members > MOST_ITEMS:
            raise InvalidArgument(
                "ARCHIVE_BOMB",
                f"{document.name}: with its {members} files the job would pass {MOST_ITEMS}; unpack it, "
                "and upload what is wanted",
                name=document.name,
            )

    async def _wanted(self, item: Item) -> Document | None:
        """The document that an item is to parse; nothing when it went, or has other bytes by now."""
        try:
            document = await self._store.get_document(item.resource_id)
            version = await self._store.get_version(document, int(item.key.rpartition(":")[2]))
        except NotFound:
            return None
        # Cleaning makes later versions of the same bytes.
        return document if version.file_key == document.file_key else None

    async def _forget_if_gone(self, document: Document) -> None:
        """Delete what was kept for a document that was deleted meanwhile, such as paid answers."""
        try:
            await self._store.get_document(document.id)
        except NotFound:
            await self._storage.delete_prefix(f"documents/{document.project_id}/{document.id}/")

    async def _skip(self, item: Item) -> None:
        async with self._jobs.finish(item, skipped=True):
            pass

    async def _keep(
        self, item: Item, document: Document, folder: Path, parsed: Parsed, options: ParseOptions
    ) -> None:
        """Store what was made: objects first, then all rows at once."""
        prefix = f"documents/{document.project_id}/{document.id}/{new_id()}/"
        async with self._fresh_objects.under(prefix) as fresh:
            texts = [await self._send_text(prefix, text) for text in parsed.texts]
            await self._send_images(prefix, folder, parsed)
            files, sent = await self._send_members(prefix, document, folder, parsed)
            async with self._jobs.finish(item) as connection:
                taken = await self._parses.set_parsed(connection, document, parsed, texts, options)
                held = await self._put_members(connection, item, document, files, sent, options)
                if taken or held:
                    await fresh.take(connection)
        self._metrics.chunks.inc(len(parsed.pieces))
        self._metrics.bytes.inc(document.size_bytes)
        log.info("document_parsed", document_id=document.id, name=document.name, chunks=len(parsed.pieces))

    async def _send_text(self, prefix: str, text: ParsedText) -> StoredText:
        key = prefix + text.path.name
        return StoredText(text, prefix, key, await self._storage.put_file(key, text.path, MARKDOWN))

    async def _send_images(self, prefix: str, folder: Path, parsed: Parsed) -> None:
        found = {image.name: image.media_type for text in parsed.texts for image in text.images}
        await together(
            [
                (f"{prefix}images/{name}", folder / IMAGES / name, media_type)
                for name, media_type in found.items()
            ],
            self._storage,
        )

    async def _send_members(
        self, prefix: str, document: Document, folder: Path, parsed: Parsed
    ) -> tuple[list[NewFile], set[str]]:
        """Send the files that a document holds, but those of which the project has a document already.

        Returns the files, and the keys of those that were sent.
        """
        files, sources = [], []
        for member in parsed.members:
            path = folder / MEMBERS / member.file
            name = member_name(document.name, member.name)
            info = await asyncio.to_thread(file_info, path)
            media_type = format_of(name).media_type
            key = f"{prefix}members/{member.file}"
            file = NewFile(
                document.project_id,
                name,
                media_type,
                info.size,
                info.sha256,
                key,
                parent_id=document.id,
                refusal=member.refusal,
            )
            files.append(file)
            sources.append((key, path, media_type))
        known = await self._members.known(files)
        sent = [source for source, there in zip(sources, known, strict=True) if not there]
        await together(sent, self._storage)
        return files, {key for key, _, _ in sent}

    async def _put_members(
        self,
        connection: Connection,
        item: Item,
        document: Document,
        files: Sequence[NewFile],
        sent: set[str],
        options: ParseOptions,
    ) -> bool:
        """Make documents of files, and items that parse them; whether any of the sent objects is in use.

        What the holder held before and holds no more is deleted.

        Raises:
            Unavailable: a document went that had the bytes of a file, which were therefore not sent.
        """
        held = await self._members.put(connection, files)
        if document.is_holder:
            gone = await self._deletions.begin_members(connection, document.id, [one.id for one in held])
            if gone:
                log.info("members_gone", document_id=document.id, count=gone)
        new = [parse_item(one.id, one.version, options.for_others) for one in held if one.state != "parsed"]
        await self._jobs.add_items(connection, item.job_id, new)
        used = {one.file_key for one in held} & {file.file_key for file in files}
        if used - sent:
            raise Unavailable("MEMBER_GONE", "a document with the bytes of a member was deleted meanwhile")
        return bool(used)


class FetchWorker:
    """Does the items of `fetch_documents` jobs."""

    def __init__(
        self, jobs: Jobs, store: Store, storage: Storage, fresh_objects: FreshObjects, fetcher: Fetcher
    ) -> None:
        self._jobs = jobs
        self._store = store
        self._storage = storage
        self._fresh_objects = fresh_objects
        self._fetcher = fetcher

    async def fetch_document(self, item: Item) -> None:
        """Get a file from the web, and make a document of it, or its next version.

        Raises:
            SishuError: it cannot be had, or not now.
        """
        with work_folder("ingest") as folder:
            path = folder / FILE
            found = await self._fetcher.fetch(item.key, path)
            prefix = f"documents/{item.project_id}/{new_id()}/"
            key = f"{prefix}file"
            file = NewFile(
                item.project_id,
                found.name,
                found.media_type,
                found.size_bytes,
                found.sha256,
                key,
                source_url=found.url,
            )
            async with self._fresh_objects.under(prefix) as fresh:
                await self._storage.put_file(key, path, found.media_type)
                async with self._jobs.finish(item) as connection:
                    await self._store.keep_project(connection, item.project_id)
                    document = await self._store.put_file(connection, file)
                    await self._store.note_fetched(connection, item.job_id, document.id)
                    if document.file_key == key:
                        await fresh.take(connection)
        log.info("document_fetched", document_id=document.id, name=document.name)


async def together(files: Sequence[tuple[str, Path, str]], storage: Storage) -> None:
    """Store files, some at a time; each comes with its key and media type.

    Raises:
        SishuError: what storing one of them raised first; the rest was ended.
    """
    slots = asyncio.Semaphore(SENT_AT_ONCE)

    async def send(key: str, path: Path, media_type: str) -> None:
        async with slots:
            await storage.put_file(key, path, media_type)

    await all_done(send(*file) for file in files)
