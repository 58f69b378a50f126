"""Between the contracts of exports and their domain."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from services.dataset.examples.convert import name_of, names_of, uuid_text, value_of
from services.dataset.exports.exports import Export, ExportFile
from services.dataset.exports.options import Column, ExportFilter, ExportOptions
from services.dataset.versions.convert import split_name, split_to_pb
from services.runtime.convert import job_to_pb, stored_object, timestamp
from services.runtime.errors import InvalidArgument
from services.runtime.storage import Link
from sishu.common.v1 import object_pb2
from sishu.dataset.v1 import example_pb2, export_pb2

LONG_TEXTS = ("system_prompt", "reasoning_open", "reasoning_close")
FILTER_TEXTS = ("labels", "languages", "question_types", "sources", "text")


def export_to_pb(export: Export) -> export_pb2.Export:
    """An export; its files are told once it is ready."""
    return export_pb2.Export(
        id=export.id,
        project_id=export.project_id,
        dataset_version_id=export.dataset_version_id,
        options=options_to_pb(export.options),
        state=export_pb2.ExportState.Value(f"EXPORT_STATE_{export.state.upper()}"),
        job=job_to_pb(export.job),
        files=map(file_to_pb, export.files) if export.made else [],
        create_time=timestamp(export.create_time),
    )


def file_to_pb(file: ExportFile) -> export_pb2.ExportFile:
    """A file of an export."""
    return export_pb2.ExportFile(
        name=file.name,
        shape=file.shape,
        split=split_to_pb(file.split),
        rows=file.rows,
        size_bytes=file.size_bytes,
        sha256=file.sha256,
        example_counts=file.examples,
        left_out=[
            export_pb2.LeftOut(reason=reason, kind=kind, count=count)
            for reason, kinds in file.left_out.items()
            for kind, count in kinds.items()
        ],
    )


def link_to_pb(file: ExportFile, link: Link) -> object_pb2.StoredObject:
    """A file with a link to read it; its name is its path."""
    return stored_object(file.name, file.key, file.size_bytes, file.sha256, link)


def bare_name(file: ExportFile) -> str:
    """Its name without a folder, under which browsers store it."""
    return PurePosixPath(file.name).name


def options_to_pb(options: ExportOptions) -> export_pb2.ExportOptions:
    """How an export is made."""
    return export_pb2.ExportOptions(
        shape=options.shape,
        bundle=options.bundle,
        file_type=value_of(export_pb2.ExportFileType, options.file_type),
        compression=value_of(export_pb2.ExportCompression, options.compression),
        reasoning=value_of(export_pb2.ExportReasoning, options.reasoning),
        reasoning_open=options.reasoning_open,
        reasoning_close=options.reasoning_close,
        reasoning_field=options.reasoning_field,
        system_prompt=options.system_prompt,
        replace_system=options.replace_system,
        splits=map(split_to_pb, options.splits),
        kinds=[value_of(example_pb2.ExampleKind, kind) for kind in options.kinds],
        max_per_tag=options.max_per_tag,
        max_per_label=options.max_per_label,
        seed=options.seed,
        columns=[export_pb2.ExportColumn(name=one.name, template=one.template) for one in options.columns],
        filter=filter_to_pb(options.filter),
    )


def options_from_pb(message: export_pb2.ExportOptions) -> ExportOptions:
    """How an export is to be made, with the defaults where nothing was said.

    Raises:
        InvalidArgument: a text cannot be stored.
    """
    check_texts(message)
    usual = ExportOptions()
    has = message.HasField
    return ExportOptions(
        shape=message.shape,
        bundle=message.bundle,
        file_type=name_of(export_pb2.ExportFileType, message.file_type) or "",
        compression=name_of(export_pb2.ExportCompression, message.compression) or "",
        reasoning=name_of(export_pb2.ExportReasoning, message.reasoning) or "",
        reasoning_open=message.reasoning_open if has("reasoning_open") else usual.reasoning_open,
        reasoning_close=message.reasoning_close if has("reasoning_close") else usual.reasoning_close,
        reasoning_field=message.reasoning_field or usual.reasoning_field,
        system_prompt=message.system_prompt,
        replace_system=message.replace_system,
        splits=sorted({name for split in message.splits if (name := split_name(split))}),
        kinds=sorted(set(names_of(example_pb2.ExampleKind, message.kinds))),
        max_per_tag=message.max_per_tag,
        max_per_label=message.max_per_label,
        seed=message.seed,
        columns=[Column(column.name, column.template) for column in message.columns],
        filter=filter_from_pb(message.filter),
    )


def filter_to_pb(wanted: ExportFilter) -> export_pb2.ExportFilter | None:
    """A filter; nothing for one that leaves all in."""
    said = wanted.said
    states = [value_of(example_pb2.ReviewState, state) for state in wanted.review_states]
    return export_pb2.ExportFilter(**{**said, "review_states": states}) if said else None


def filter_from_pb(message: export_pb2.ExportFilter) -> ExportFilter:
    """Which examples are exported."""
    return ExportFilter(
        document_ids=[uuid_text(one) for one in message.document_ids],
        tag_ids=[uuid_text(one) for one in message.tag_ids],
        labels=list(message.labels),
        min_score=message.min_score if message.HasField("min_score") else None,
        max_score=message.max_score if message.HasField("max_score") else None,
        languages=list(message.languages),
        question_types=list(message.question_types),
        sources=list(message.sources),
        review_states=names_of(example_pb2.ReviewState, message.review_states),
        text=message.text,
    )


def check_texts(message: export_pb2.ExportOptions) -> None:
    """Demand that no text holds what cannot be stored."""
    texts: Sequence[tuple[str, str]] = [
        *((name, getattr(message, name)) for name in LONG_TEXTS),
        *((f"columns[{at}]", one.name + one.template) for at, one in enumerate(message.columns)),
        *((f"filter.{name}", "".join(getattr(message.filter, name))) for name in FILTER_TEXTS),
    ]
    for name, text in texts:
        if "\0" in text:
            field = f"export.options.{name}"
            raise InvalidArgument("FIELD_INVALID", f"{field}: NUL characters cannot be stored", field)
