"""Child processes that parse, as a worker has them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import CollectorRegistry

from services.ingest.config import IngestConfig
from services.ingest.documents import Document
from services.ingest.formats import format_of
from services.ingest.metrics import IngestMetrics
from services.ingest.parsing.children import Children, child_environ
from services.ingest.parsing.exchange import FILE, Parsed
from services.ingest.parsing.options import ParseOptions
from services.runtime.ids import new_id
from tests.support.parse_processes import warm_ones


@asynccontextmanager
async def children(**settings: float | str) -> AsyncIterator[Children]:
    config = IngestConfig(**settings)  # type: ignore[arg-type]  # the settings that are whole numbers are
    one = Children(config, child_environ(os.environ), IngestMetrics(CollectorRegistry()))
    try:
        yield one
    finally:
        await one.close()
        assert warm_ones() == []


def document_called(name: str) -> Document:
    """A document that was uploaded."""
    now = datetime.now(UTC)
    return Document(
        id=new_id(),
        project_id=new_id(),
        parent_id=None,
        source_url="",
        name=name,
        media_type=format_of(name).media_type,
        size_bytes=1,
        sha256="",
        version=1,
        base_version=0,
        state="uploaded",
        failure=None,
        file_key="",
        text_key="",
        text_sha256="",
        text_bytes=0,
        char_count=0,
        page_count=0,
        image_count=0,
        chunk_count=0,
        section_count=0,
        parse_options=None,
        create_time=now,
        update_time=now,
    )


async def parse(
    one: Children, folder: Path, name: str, data: bytes = b"", options: ParseOptions | None = None
) -> Parsed:
    path = folder / name / FILE
    path.parent.mkdir(exist_ok=True)
    if data:
        path.write_bytes(data)
    for old in path.parent.iterdir():
        if old != path:
            old.unlink()
    async with one.parsed(document_called(name), path.parent, options or ParseOptions()) as parsed:
        return parsed
