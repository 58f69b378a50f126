"""Read chunks from the ingest room; the last ones stay at hand, since many questions are about one chunk."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from services.runtime.at_once import each_of
from sishu.client import Client
from sishu.errors import ApiError
from sishu.ingest.v1 import chunk_pb2, chunk_service_pb2

AT_HAND_CHARS = 8_000_000
ROW_CHARS = 1000
"""What a chunk takes beside its text, as if it were characters."""
PAGE = 200


@dataclass(frozen=True)
class SourceChunk:
    """A chunk, as far as this room needs it.

    Args:
        id: UUID of the chunk; it stands for the text.
        project_id: UUID of its project.
        document_id: UUID of its document.
        document_version: version in whose text `char_start` counts.
        text: what it says.
        char_start: place in the document's text.
        overlap: characters at its start that the chunk before says too.
        source: the document's own text at this place, where the chunk was edited; else the text.
        heading_path: titles of the headings above it, outermost first.
        section_id: the innermost section in which it begins; empty before the first heading.
        table_header: head of the table in whose rows it begins, which stands before it; empty elsewhere.
    """

    id: str
    project_id: str
    document_id: str
    document_version: int
    text: str
    char_start: int
    overlap: int
    source: str
    heading_path: Sequence[str] = ()
    section_id: str = ""
    table_header: str = ""


class ChunkReader:
    """Reads chunks by id and by project."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._at_hand: OrderedDict[str, SourceChunk] = OrderedDict()
        self._chars = 0

    async def get(self, chunk_id: str) -> SourceChunk:
        """One chunk. Its id stands for its text; its place may be that in an earlier version, which stays.

        Raises:
            ApiError: the ingest room has no such chunk, or is away.
        """
        at_hand = self._at_hand.get(chunk_id)
        if at_hand:
            self._at_hand.move_to_end(chunk_id)
            return at_hand
        request = chunk_service_pb2.GetChunkRequest(id=chunk_id)
        return await self._with_source((await self._client.chunks.GetChunk(request)).chunk)

    async def several(self, chunk_ids: Sequence[str]) -> list[SourceChunk]:
        """Some chunks, in the order of their ids.

        Raises:
            ApiError: the ingest room has not all of them, or is away.
        """
        return await each_of(chunk_ids, self.get)

    async def those_there(self, chunk_ids: Sequence[str]) -> list[SourceChunk]:
        """Some chunks, in the order of their ids, without those that were deleted.

        Raises:
            ApiError: the ingest room is away.
        """
        found = await each_of(chunk_ids, self._find)
        return [chunk for chunk in found if chunk]

    async def _find(self, chunk_id: str) -> SourceChunk | None:
        """One chunk; nothing where it was deleted."""
        try:
            return await self.get(chunk_id)
        except ApiError as error:
            if error.reason != "CHUNK_NOT_FOUND":
                raise
            return None

    async def page(
        self, project_id: str, document_ids: Sequence[str], token: str
    ) -> tuple[list[SourceChunk], str]:
        """A page of the chunks of a project, or of some documents of it, and the token of the next.

        The token says at which of the documents to go on, and where in it; it is empty at the start and
        at the end.
        """
        documents, chunks = document_ids or [""], list[SourceChunk]()
        place, _, inner = token.partition(":")
        at = int(place or 0)
        while at < len(documents) and len(chunks) < PAGE:
            request = chunk_service_pb2.ListChunksRequest(
                project_id=project_id,
                document_id=documents[at],
                page_size=PAGE - len(chunks),
                page_token=inner,
            )
            page = await self._client.chunks.ListChunks(request)
            chunks += await each_of(page.chunks, self._with_source)
            inner = page.next_page_token
            at += not inner
        return chunks, f"{at}:{inner}" if at < len(documents) else ""

    async def any(self, project_id: str) -> bool:
        """Whether a project has a chunk."""
        request = chunk_service_pb2.ListChunksRequest(project_id=project_id, page_size=1)
        return bool((await self._client.chunks.ListChunks(request)).chunks)

    async def _with_source(self, chunk: chunk_pb2.Chunk) -> SourceChunk:
        """A chunk of the contract, now at hand; of an edited one also what stands in the document."""
        source = chunk.text
        if chunk.edit_of:
            request = chunk_service_pb2.GetChunkRequest(id=chunk.edit_of)
            source = (await self._client.chunks.GetChunk(request)).chunk.text
        found = SourceChunk(
            chunk.id,
            chunk.project_id,
            chunk.document_id,
            chunk.document_version,
            chunk.text,
            chunk.span.start,
            chunk.overlap,
            source,
            list(chunk.heading_path),
            chunk.section_id,
            chunk.table_header,
        )
        self._keep(found)
        return found

    def _keep(self, chunk: SourceChunk) -> None:
        """Put a chunk at hand in place of those that were asked for longest ago."""
        before = self._at_hand.pop(chunk.id, None)
        self._chars += size(chunk) - (size(before) if before else 0)
        self._at_hand[chunk.id] = chunk
        while self._chars > AT_HAND_CHARS:
            self._chars -= size(self._at_hand.popitem(last=False)[1])


def size(chunk: SourceChunk) -> int:
    """What a chunk takes in memory, in characters."""
    source = 0 if chunk.source is chunk.text else len(chunk.source)
    return ROW_CHARS + len(chunk.text) + source + len(chunk.table_header)
