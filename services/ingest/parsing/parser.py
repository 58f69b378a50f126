"""From the file of a document to its chunks: some steps in child processes, some done by servers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

import structlog

from services.ingest.cleaning.rewriting import Rewriter
from services.ingest.config import RewriteConfig, TranscriberConfig
from services.ingest.documents import Document
from services.ingest.formats import BY_MEDIA_TYPE
from services.ingest.models.paid_answers import PaidAnswers
from services.ingest.parsing.children import Children
from services.ingest.parsing.exchange import (
    FILE,
    PAGES,
    PARSE,
    READ,
    READ_TEXT,
    RENDER,
    REWRITES,
    SPLIT,
    Parsed,
)
from services.ingest.parsing.options import ParseOptions
from services.ingest.transcribing.mineru import transcribe_file
from services.ingest.transcribing.transcripts import write_transcripts
from services.ingest.transcribing.vision import require_vision, transcribe_pages
from services.runtime.errors import FailedPrecondition, Unavailable
from services.runtime.storage import Storage

PDF = "application/pdf"

log = structlog.get_logger()


class Parser:
    """Parses documents.

    Args:
        children: read, clean and cut.
        storage: keeps the answers that were paid for.
        transcribing: who reads PDF pages for us.
        rewriting: the language model that tidies texts; none without a URL.
    """

    def __init__(
        self, children: Children, storage: Storage, transcribing: TranscriberConfig, rewriting: RewriteConfig
    ) -> None:
        self._children = children
        self._transcribing = transcribing
        self._storage = storage
        self._rewriter = Rewriter(rewriting) if rewriting.url else None

    @asynccontextmanager
    async def parsed(self, document: Document, folder: Path, options: ParseOptions) -> AsyncIterator[Parsed]:
        """Read, clean and cut the file `file` in a folder; more files appear beside it.

        Where what was made is large nothing else is parsed as long as the caller has it.

        Raises:
            SishuError: it cannot be parsed, or not now.
        """
        await self._transcribe(document, folder, options)
        step = PARSE
        if options.clean.rewrite:
            await self._read_and_rewrite(document, folder, options)
            step = SPLIT
        async with self._children.parsed(document, folder, options, step) as parsed:
            yield parsed

    async def _read_and_rewrite(self, document: Document, folder: Path, options: ParseOptions) -> None:
        """Read and clean a document, and have its text tidied; what is left is to cut it."""
        if self._rewriter is None:
            raise FailedPrecondition(
                "REWRITE_NOT_CONFIGURED",
                f"{document.name}: no language model tidies texts here; set SISHU_INGEST_REWRITE_URL and "
                "SISHU_INGEST_REWRITE_MODEL on the ingest workers",
                name=document.name,
            )
        await self._children.run(READ, document, folder, options)
        await self._rewrite(self._rewriter, document, folder)

    async def close(self) -> None:
        """End the processes, and close the connections."""
        await self._children.close()
        if self._rewriter:
            await self._rewriter.close()

    async def _transcribe(self, document: Document, folder: Path, options: ParseOptions) -> None:
        """Have pages of a PDF read by a vision model, or all by MinerU, where it is asked for."""
        readers = {options.read.page_reader, *options.read.page_readers.values()}
        if document.media_type != PDF or not readers & {"vision", "mineru"}:
            return
        config = self._transcribing
        if options.read.page_reader == "mineru":
            room = self._children.memory.for_answer
            await transcribe_file(config, document.name, folder / FILE, room)
            return
        require_vision(config, document.name)
        await self._children.run(RENDER, document, folder, options)
        pages = {int(path.stem): path for path in sorted((folder / PAGES).glob("*.png"))}
        made = await transcribe_pages(config, document.name, pages, self._answers(document))
        await asyncio.to_thread(write_transcripts, folder, made.pages.items(), dict(made.images))

    def _answers(self, document: Document) -> PaidAnswers:
        return PaidAnswers(self._storage, f"documents/{document.project_id}/{document.id}/")

    async def _rewrite(self, rewriter: Rewriter, document: Document, folder: Path) -> None:
        """Have the text of the step `read` tidied; the changes are for the step `split`."""
        text = (await asyncio.to_thread((folder / READ_TEXT).read_bytes)).decode()
        syntax = BY_MEDIA_TYPE[document.media_type].syntax
        done = await rewriter.rewrite(text, syntax, self._answers(document))
        log.info(
            "text_rewritten",
            document_id=document.id,
            blocks=done.blocks,
            kept=dict(done.kept),
            failed=done.failed,
            prompt_tokens=done.prompt_tokens,
            completion_tokens=done.completion_tokens,
        )
        if done.failed:
            # What was answered is kept, so another try asks for the rest only.
            raise Unavailable(
                "REWRITE_INCOMPLETE",
                f"{document.name}: no answer came for {done.failed} of {done.blocks} parts "
                "of the text; try again later",
                name=document.name,
            )
        changes = json.dumps([asdict(change) for change in done.changes])
        await asyncio.to_thread((folder / REWRITES).write_text, changes, "utf-8")
