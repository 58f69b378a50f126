"""From the file of a document to its chunks: some steps in child processes, some done by servers."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path

import structlog

from services.ingest.cleaning.rewriting import Rewriter
from services.ingest.config import RewriteConfig
from services.ingest.documents import Document
from services.ingest.formats import BY_MEDIA_TYPE
from services.ingest.paid_answers import PaidAnswers
from services.ingest.parse_options import ParseOptions
from services.ingest.parse_steps import READ_TEXT, REWRITES
from services.ingest.parsing import Parsed, Parser
from services.runtime.errors import FailedPrecondition
from services.runtime.storage import Storage

log = structlog.get_logger()


class DocumentParser:
    """Parses documents.

    Args:
        parser: the child processes.
        storage: keeps the answers that were paid for.
        rewriting: the language model that tidies texts; none without a URL.
    """

    def __init__(self, parser: Parser, storage: Storage, rewriting: RewriteConfig) -> None:
        self._parser = parser
        self._storage = storage
        self._rewriter = Rewriter(rewriting) if rewriting.url else None

    async def parse(self, document: Document, folder: Path, options: ParseOptions) -> Parsed:
        """Read, clean and cut the file `file` in a folder; more files appear beside it.

        Raises:
            SishuError: it cannot be parsed, or not now.
        """
        if not options.clean.rewrite:
            return await self._parser.parse(document, folder, options)
        if self._rewriter is None:
            raise FailedPrecondition(
                "REWRITE_NOT_CONFIGURED",
                f"{document.name}: no language model tidies texts here; set SISHU_INGEST_REWRITE_URL and "
                "SISHU_INGEST_REWRITE_MODEL on the ingest workers",
                name=document.name,
            )
        await self._parser.run("read", document, folder, options)
        await self._rewrite(self._rewriter, document, folder)
        return await self._parser.parse(document, folder, options, "cut")

    async def close(self) -> None:
        """End the processes, and close the connections."""
        await self._parser.close()
        if self._rewriter:
            await self._rewriter.close()

    async def _rewrite(self, rewriter: Rewriter, document: Document, folder: Path) -> None:
        """Have the text of the step `read` tidied; the edits are for the step `cut`."""
        text = (await asyncio.to_thread((folder / READ_TEXT).read_bytes)).decode()
        answers = PaidAnswers(self._storage, f"documents/{document.project_id}/{document.id}/")
        done = await rewriter.rewrite(text, BY_MEDIA_TYPE[document.media_type].syntax, answers)
        log.info(
            "text_rewritten",
            document_id=document.id,
            blocks=done.blocks,
            kept=dict(done.kept),
            failed=done.failed,
            prompt_tokens=done.prompt_tokens,
            completion_tokens=done.completion_tokens,
        )
        edits = json.dumps([asdict(edit) for edit in done.edits])
        await asyncio.to_thread((folder / REWRITES).write_text, edits, "utf-8")
