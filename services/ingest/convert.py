"""Between the contracts of the ingest room and its domain."""

from __future__ import annotations

from collections.abc import Mapping

from services.ingest.chunks import Chunk
from services.ingest.documents import Document
from services.ingest.projects import Project
from services.ingest.splitting import DEFAULT_MAX, DEFAULT_MIN, SplitOptions
from services.runtime.convert import failure_to_pb, timestamp
from sishu.common.v1 import text_span_pb2
from sishu.ingest.v1 import chunk_pb2, document_pb2, project_pb2


def project_to_pb(project: Project) -> project_pb2.Project:
    """A project."""
    return project_pb2.Project(
        id=project.id,
        name=project.name,
        description=project.description,
        create_time=timestamp(project.create_time),
        update_time=timestamp(project.update_time),
    )


def document_to_pb(document: Document) -> document_pb2.Document:
    """A document."""
    return document_pb2.Document(
        id=document.id,
        project_id=document.project_id,
        name=document.name,
        media_type=document.media_type,
        size_bytes=document.size_bytes,
        sha256=document.sha256,
        version=document.version,
        state=document_pb2.DocumentState.Value(f"DOCUMENT_STATE_{document.state.upper()}"),
        failure=failure_to_pb(document.failure),
        char_count=document.char_count,
        page_count=document.page_count,
        chunk_count=document.chunk_count,
        create_time=timestamp(document.create_time),
        update_time=timestamp(document.update_time),
        text_sha256=document.text_sha256,
        split_options=split_options_to_pb(document.split_options),
    )


def split_options_to_pb(taken: Mapping[str, int] | None) -> chunk_pb2.SplitOptions | None:
    """The split options that a parse took, if there was one."""
    if taken is None:
        return None
    return chunk_pb2.SplitOptions(
        strategy=chunk_pb2.SPLIT_STRATEGY_STRUCTURE,
        min_chars=taken["min_chars"],
        max_chars=taken["max_chars"],
    )


def document_state(state: document_pb2.DocumentState.ValueType) -> str | None:
    """The stored name of a document state; nothing for unspecified."""
    return None if state == 0 else document_pb2.DocumentState.Name(state)[len("DOCUMENT_STATE_") :].lower()


def chunk_to_pb(chunk: Chunk) -> chunk_pb2.Chunk:
    """A chunk."""
    return chunk_pb2.Chunk(
        id=chunk.id,
        project_id=chunk.project_id,
        document_id=chunk.document_id,
        document_version=chunk.document_version,
        index=chunk.index,
        text=chunk.text,
        span=text_span_pb2.TextSpan(start=chunk.char_start, end=chunk.char_end),
        page_start=chunk.page_start,
        page_end=chunk.page_end,
        heading_path=chunk.heading_path,
        token_count=chunk.token_count,
        sha256=chunk.sha256,
    )


def split_options(message: chunk_pb2.SplitOptions) -> SplitOptions:
    """Split options, with the defaults where nothing was said.

    Raises:
        InvalidArgument: the sizes contradict each other.
    """
    largest = message.max_chars or max(DEFAULT_MAX, message.min_chars)
    return SplitOptions(message.min_chars or min(DEFAULT_MIN, largest), largest)
