"""Between the contracts of imports and their domain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.dataset.examples.content import content_of
from services.dataset.examples.convert import example_to_pb, name_of, uuid_text
from services.dataset.examples.examples import Example
from services.dataset.imports.imports import (
    BAD_SHARE,
    GenerationSource,
    Import,
    ImportCounts,
    ImportOptions,
    ImportUpload,
)
from services.dataset.imports.rows import Fault, Imported
from services.dataset.imports.shapes.families import SFT, THINK
from services.runtime.convert import job_to_pb, timestamp
from sishu.dataset.v1 import example_pb2, import_pb2


def options_from_pb(message: import_pb2.ImportOptions) -> ImportOptions:
    """How rows are read."""
    marks = (message.think_start, message.think_end)
    return ImportOptions(
        shape=message.shape,
        columns=dict(message.columns),
        kind=name_of(example_pb2.ExampleKind, message.kind) or SFT,
        labels=list(message.labels),
        keep_thoughts=message.reasoning == import_pb2.REASONING_MODE_KEEP,
        think=list(marks if any(marks) else THINK),
        max_bad_rows=message.max_bad_rows if message.HasField("max_bad_rows") else None,
        max_bad_share=message.max_bad_share if message.HasField("max_bad_share") else BAD_SHARE,
        datasets=list(message.datasets),
        splits=list(message.splits),
        files=message.files,
        field=message.field,
        sheet=message.sheet,
        encoding=message.encoding,
        tokenizer=message.tokenizer,
    )


def generations_from_pb(message: import_pb2.ImportGenerations) -> GenerationSource:
    """Which generations are imported, each once."""
    ids = list(dict.fromkeys(map(uuid_text, message.generation_ids)))
    return GenerationSource(ids, message.with_rejected)


def options_to_pb(options: ImportOptions) -> import_pb2.ImportOptions:
    """The same as a message."""
    mode = import_pb2.REASONING_MODE_KEEP if options.keep_thoughts else import_pb2.REASONING_MODE_PART
    return import_pb2.ImportOptions(
        shape=options.shape,
        columns=options.columns,
        kind=example_pb2.ExampleKind.Value(f"EXAMPLE_KIND_{options.kind.upper()}"),
        labels=options.labels,
        reasoning=mode,
        think_start=options.think[0],
        think_end=options.think[1],
        max_bad_rows=options.max_bad_rows,
        max_bad_share=options.max_bad_share,
        datasets=options.datasets,
        splits=options.splits,
        files=options.files,
        field=options.field,
        sheet=options.sheet,
        encoding=options.encoding,
        tokenizer=options.tokenizer,
    )


def import_to_pb(one: Import) -> import_pb2.Import:
    """An import."""
    return import_pb2.Import(
        id=one.id,
        project_id=one.project_id,
        file=file_to_pb(one.upload) if one.upload else None,
        generations=import_pb2.ImportGenerations(**vars(one.generations)) if one.generations else None,
        options=options_to_pb(one.options),
        job=job_to_pb(one.job),
        counts=counts_to_pb(one.counts) if one.counts else None,
        profile=profile_to_pb(one.profile) if one.profile else None,
        create_time=timestamp(one.create_time),
    )


def file_to_pb(upload: ImportUpload) -> import_pb2.ImportFile:
    """An uploaded file."""
    return import_pb2.ImportFile(upload_id=upload.id, name=upload.name, size_bytes=upload.size_bytes)


def counts_to_pb(counts: ImportCounts) -> import_pb2.ImportCounts:
    """What became of rows."""
    return import_pb2.ImportCounts(**vars(counts))


def profile_to_pb(profile: Mapping[str, Any]) -> import_pb2.ImportProfile:
    """What rows are like."""
    return import_pb2.ImportProfile(
        kinds=profile["kinds"],
        languages=profile["languages"],
        turns={int(turns): count for turns, count in profile["turns"].items()},
        characters=lengths_to_pb(profile["characters"]),
        duplicates=profile["duplicates"],
        empty_columns=profile["empty_columns"],
        unread_columns=profile["unread_columns"],
        tokens=lengths_to_pb(profile["tokens"]) if profile["tokens"] else None,
    )


def lengths_to_pb(lengths: Mapping[str, Any]) -> import_pb2.LengthProfile:
    """How long things are."""
    return import_pb2.LengthProfile(
        count=lengths["count"],
        total=lengths["total"],
        min=lengths["min"],
        max=lengths["max"],
        quantiles=[import_pb2.Quantile(share=share, length=length) for share, length in lengths["quantiles"]],
        bins={int(power): count for power, count in lengths["bins"].items()},
    )


def fault_to_pb(fault: Fault) -> import_pb2.ImportFault:
    """A bad row."""
    return import_pb2.ImportFault(
        file=fault.file, row=fault.row, field=fault.field, reason=fault.reason, message=fault.message
    )


def preview_to_pb(one: Imported) -> example_pb2.Example:
    """The example that a row would make."""
    example = Example("", "", one.kind, **content_of(one.content), score=one.score, labels=one.labels)
    return example_to_pb(example)
