"""Between the contracts of the ingest room and its domain."""

from __future__ import annotations

from typing import Any

from services.ingest.chunks import Chunk
from services.ingest.documents import CleanChange, Document, DocumentImage
from services.ingest.parsing.options import CleanOptions, ParseOptions, encoding_named
from services.ingest.projects import Project
from services.ingest.readers import ReadOptions
from services.ingest.sections import StoredSection
from services.ingest.splitting import DEFAULT_MAX, DEFAULT_MIN, SplitOptions
from services.runtime.convert import failure_to_pb, stored_object, timestamp
from services.runtime.storage import Link
from sishu.common.v1 import text_span_pb2
from sishu.ingest.v1 import chunk_pb2, document_pb2, document_service_pb2, project_pb2, section_pb2


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
        parent_id=document.parent_id or "",
        source_url=document.source_url,
        base_version=document.base_version,
        image_count=document.image_count,
        section_count=document.section_count,
        encoding=document.encoding,
        **options_to_pb(document.parse_options),
    )


def options_to_pb(options: ParseOptions | None) -> dict[str, Any]:
    """The options that a parse took, by the fields of a document; none where there was no parse."""
    if options is None:
        return {}
    return {
        "read_options": read_options_to_pb(options.read),
        "clean_options": clean_options_to_pb(options.clean),
        "split_options": split_options_to_pb(options.split),
    }


def read_options_to_pb(options: ReadOptions) -> document_pb2.ReadOptions:
    """How a file was read."""
    pages = [
        document_pb2.PageChoice(page=page, page_reader=page_reader_to_pb(reader))
        for page, reader in sorted(options.page_readers.items())
    ]
    return document_pb2.ReadOptions(
        page_reader=page_reader_to_pb(options.page_reader), pages=pages, encoding=options.encoding
    )


def clean_options_to_pb(options: CleanOptions) -> document_pb2.CleanOptions:
    """How a text was cleaned."""
    rules = [document_pb2.CleanRule.Value(f"CLEAN_RULE_{rule.upper()}") for rule in options.rules]
    return document_pb2.CleanOptions(rules=rules, rewrite=options.rewrite)


def split_options_to_pb(options: SplitOptions) -> chunk_pb2.SplitOptions:
    """How a text was cut."""
    return chunk_pb2.SplitOptions(
        strategy=chunk_pb2.SplitStrategy.Value(f"SPLIT_STRATEGY_{options.strategy.upper()}"),
        min_size=options.min_size,
        max_size=options.max_size,
        unit=chunk_pb2.SizeUnit.Value(f"SIZE_UNIT_{options.unit.upper()}"),
        overlap=options.overlap,
        tokenizer=options.tokenizer,
        separators=options.separators,
        cut_points=options.cut_points,
    )


def page_reader_to_pb(reader: str) -> document_pb2.PageReader.ValueType:
    """A way to read pages."""
    return document_pb2.PageReader.Value(f"PAGE_READER_{reader.upper()}")


def document_state(state: document_pb2.DocumentState.ValueType) -> str | None:
    """The stored name of a document state; nothing for unspecified."""
    return None if state == 0 else document_pb2.DocumentState.Name(state)[len("DOCUMENT_STATE_") :].lower()


def document_image_to_pb(image: DocumentImage, link: Link) -> document_pb2.DocumentImage:
    """A picture at its place, with a link to read it."""
    return document_pb2.DocumentImage(
        index=image.index,
        object=stored_object(image.name, image.file_key, image.size_bytes, image.sha256, link),
        media_type=image.media_type,
        span=text_span_pb2.TextSpan(start=image.char_start, end=image.char_end),
        page=image.page,
    )


def clean_change_to_pb(change: CleanChange) -> document_pb2.CleanChange:
    """A change that cleaning made."""
    return document_pb2.CleanChange(
        index=change.index,
        span=text_span_pb2.TextSpan(start=change.char_start, end=change.char_end),
        removed=change.removed,
        added=change.added,
        rule=change.rule,
    )


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
        overlap=chunk.overlap,
        section_id=chunk.section_id or "",
        table_header=chunk.table_header,
        excluded=chunk.excluded,
        edit_of=chunk.edit_of or "",
        made_from=chunk.made_from,
    )


def section_to_pb(section: StoredSection) -> section_pb2.Section:
    """A section."""
    return section_pb2.Section(
        id=section.id,
        project_id=section.project_id,
        document_id=section.document_id,
        document_version=section.document_version,
        index=section.index,
        parent_id=section.parent_id or "",
        level=section.level,
        title=section.title,
        span=text_span_pb2.TextSpan(start=section.char_start, end=section.char_end),
        page_start=section.page_start,
    )


def parse_options(request: document_service_pb2.ParseDocumentsRequest) -> ParseOptions:
    """How to parse, with the defaults where nothing was said.

    Raises:
        InvalidArgument: options contradict each other.
    """
    clean = request.clean_options
    rules = tuple(name_of(document_pb2.CleanRule.Name(rule), "CLEAN_RULE_") for rule in clean.rules)
    return ParseOptions(
        read_options(request.read_options),
        CleanOptions(rules, clean.rewrite),
        split_options(request.split_options),
    )


def read_options(message: document_pb2.ReadOptions) -> ReadOptions:
    """How to read files.

    Raises:
        InvalidArgument: there is no such encoding.
    """
    pages = {choice.page: page_reader(choice.page_reader) for choice in message.pages}
    return ReadOptions(page_reader(message.page_reader), pages, encoding_named(message.encoding))


def page_reader(reader: document_pb2.PageReader.ValueType) -> str:
    """A way to read pages; by default as each page needs it."""
    return name_of(document_pb2.PageReader.Name(reader), "PAGE_READER_") if reader else "auto"


def split_options(message: chunk_pb2.SplitOptions) -> SplitOptions:
    """Split options, with the defaults where nothing was said.

    Raises:
        InvalidArgument: the options contradict each other.
    """
    largest = message.max_size or max(DEFAULT_MAX, message.min_size)
    strategy, unit = message.strategy, message.unit
    return SplitOptions(
        strategy=name_of(chunk_pb2.SplitStrategy.Name(strategy), "SPLIT_STRATEGY_")
        if strategy
        else "structure",
        unit=name_of(chunk_pb2.SizeUnit.Name(unit), "SIZE_UNIT_") if unit else "characters",
        min_size=message.min_size or min(DEFAULT_MIN, largest),
        max_size=largest,
        overlap=message.overlap,
        tokenizer=message.tokenizer,
        separators=tuple(message.separators),
        cut_points=tuple(message.cut_points),
    )


def name_of(constant: str, prefix: str) -> str:
    """The stored name of an enum's value."""
    return constant.removeprefix(prefix).lower()
