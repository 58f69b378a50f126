"""What the generation room keeps at hand of the chunks that it read."""

from __future__ import annotations

import pytest

from services.generation.sources import chunk_reader
from services.generation.sources.chunk_reader import ChunkReader, size
from sishu.client import Client
from sishu.errors import ApiError
from sishu.ingest.v1 import document_service_pb2
from tests.integration.documents import HANDBOOK, SMALL, parsed_project

FILES = {"trees.md": HANDBOOK.encode()}


async def delete_document(client: Client, document_id: str) -> None:
    await client.documents.DeleteDocument(document_service_pb2.DeleteDocumentRequest(id=document_id))


async def test_a_chunk_that_was_read_is_not_read_again(client: Client) -> None:
    project = await parsed_project(client, FILES, **SMALL)
    reader = ChunkReader(client)
    chunks, token = await reader.page(project, [], "")
    assert (len(chunks), token) == (3, "")
    await delete_document(client, chunks[0].document_id)
    assert [await reader.get(chunk.id) for chunk in chunks] == chunks
    with pytest.raises(ApiError):
        await ChunkReader(client).get(chunks[0].id)


async def test_those_asked_for_longest_ago_make_room(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    project = await parsed_project(client, FILES, **SMALL)
    reader = ChunkReader(client)
    chunks, _ = await reader.page(project, [], "")
    await reader.get(chunks[0].id)
    monkeypatch.setattr(chunk_reader, "AT_HAND_CHARS", size(chunks[0]) + size(chunks[2]))
    await reader.page(project, [], "")
    await delete_document(client, chunks[0].document_id)
    assert await reader.get(chunks[2].id) == chunks[2]
    with pytest.raises(ApiError):
        await reader.get(chunks[0].id)
