"""All steps from the file of a document to its chunks: some in child processes, some asked of other servers."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path

from services.ingest.cleaning.rewriting import Rewriter
from services.ingest.documents import Document
from services.ingest.parse_options import ParseOptions
from services.ingest.parse_steps import READ_TEXT, REWRITES
from services.ingest.parsing import Parsed, Parser
from services.ingest.transcribing import Transcriber


class DocumentParser:
    """Parses documents.

    Args:
        parser: the child processes.
        transcriber: has pages read by a vision model, or documents by MinerU.
        rewriter: has texts tidied by a language model.
    """

    def __init__(self, parser: Parser, transcriber: Transcriber, rewriter: Rewriter) -> None:
        self._parser = parser
        self._transcriber = transcriber
        self._rewriter = rewriter

    async def parse(self, document: Document, folder: Path, options: ParseOptions) -> Parsed:
        """Read, clean and cut the file `file` in a folder; more files appear beside it.

        Raises:
            SishuError: it cannot be parsed, or not now.
        """
        await self._transcribe(document, folder, options)
        if not options.clean.rewrite:
            return await self._parser.parse(document, folder, options)
        self._rewriter.check()
        await self._parser.run("read", document, folder, options)
        text = await asyncio.to_thread((folder / READ_TEXT).read_bytes)
        edits = await self._rewriter.rewrite(text.decode())
        (folder / REWRITES).write_text(json.dumps([asdict(edit) for edit in edits]), encoding="utf-8")
        return await self._parser.parse(document, folder, options, "cut")
