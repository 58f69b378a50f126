"""Imports of data files and of generations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from sishu.cli.context import with_client
from sishu.cli.failures import in_words
from sishu.cli.find_projects import find_project
from sishu.cli.options import IdArgument, LimitOption, ProjectOption, WaitOption, takes
from sishu.cli.output import CONSOLE, ERRORS, show_many, show_one
from sishu.cli.parse_options import chosen
from sishu.cli.settings import SETTINGS
from sishu.cli.texts import say
from sishu.client import Client
from sishu.dataset.v1 import import_service_pb2 as pb
from sishu.dataset.v1.example_pb2 import ExampleKind
from sishu.dataset.v1.import_pb2 import (
    REASONING_MODE_KEEP,
    REASONING_MODE_PART,
    Import,
    ImportFault,
    ImportFile,
    ImportGenerations,
    ImportOptions,
)
from sishu.errors import ApiError
from sishu.learn.data_files import upload_data
from sishu.learn.jobs import import_in, wait_for_success

DataArgument = Annotated[Path, typer.Argument(help=say("import_path"))]
Words = list[str] | None


@dataclass(frozen=True)
class RowOptions:
    """How rows are read; each option that is empty is left to the service."""

    shape: Annotated[str, typer.Option(help=say("import_shape"))] = ""
    column: Annotated[Words, typer.Option(help=say("import_column"))] = None
    kind: Annotated[str, typer.Option(help=say("import_kind"))] = ""
    label: Annotated[Words, typer.Option(help=say("import_label"))] = None
    keep_thoughts: Annotated[bool, typer.Option("--keep-thoughts", help=say("import_keep_thoughts"))] = False
    think: Annotated[str, typer.Option(help=say("import_think"))] = ""
    max_bad_rows: Annotated[int | None, typer.Option(help=say("import_bad_rows"))] = None
    max_bad_share: Annotated[float | None, typer.Option(help=say("import_bad_share"))] = None
    dataset: Annotated[Words, typer.Option(help=say("import_dataset"))] = None
    split: Annotated[Words, typer.Option(help=say("import_split"))] = None
    files: Annotated[str, typer.Option(help=say("import_files"))] = ""
    field: Annotated[str, typer.Option(help=say("import_field"))] = ""
    sheet: Annotated[str, typer.Option(help=say("import_sheet"))] = ""
    encoding: Annotated[str, typer.Option(help=say("encoding"))] = ""
    tokenizer: Annotated[str, typer.Option(help=say("import_tokenizer"))] = ""


@takes(RowOptions)
def create_import(
    path: DataArgument, project: ProjectOption, options: RowOptions, wait: WaitOption = False
) -> None:
    """`sishu import create`: upload a file or folder, and make examples of its rows."""
    wanted = row_options(options)

    async def work(client: Client) -> Import:
        project_id = (await find_project(client, project)).id
        file = ImportFile(upload_id=await upload_data(client, project_id, path))
        return await created(client, Import(project_id=project_id, file=file, options=wanted), wait)

    show_one(with_client(work))


def import_generations(
    generation_ids: Annotated[list[str], typer.Argument(metavar="GENERATION_ID...", help=say("generation"))],
    project: ProjectOption,
    with_rejected: Annotated[bool, typer.Option("--with-rejected", help=say("import_with_rejected"))] = False,
    label: Annotated[Words, typer.Option(help=say("import_label"))] = None,
    tokenizer: Annotated[str, typer.Option(help=say("import_tokenizer"))] = "",
    wait: WaitOption = False,
) -> None:
    """`sishu import generations`: make examples of what generations have made."""
    source = ImportGenerations(generation_ids=generation_ids, with_rejected=with_rejected)
    options = ImportOptions(labels=label, tokenizer=tokenizer)

    async def work(client: Client) -> Import:
        project_id = (await find_project(client, project)).id
        return await created(client, Import(project_id=project_id, generations=source, options=options), wait)

    show_one(with_client(work))


async def created(client: Client, wanted: Import, wait: bool) -> Import:
    """A new import, when it has ended if that is waited for.

    Raises:
        ApiError: it is refused, or it failed.
    """
    wrapped: dict[str, Any] = {"import": wanted}
    made = import_in(await client.imports.CreateImport(pb.CreateImportRequest(**wrapped)))
    if not wait:
        return made
    try:
        await wait_for_success(client, "dataset", made.job)
    finally:
        made = import_in(await client.imports.GetImport(pb.GetImportRequest(id=made.id)))
        tell_faults(made)
        tell_unread(f"{name} ({count})" for name, count in by_count(made.profile.unread_columns))
    return made


@takes(RowOptions)
def preview_import(
    path: DataArgument,
    project: ProjectOption,
    options: RowOptions,
    rows: Annotated[int, typer.Option(help=say("import_rows"))] = 5,
) -> None:
    """`sishu import preview`: what the first rows would become."""
    wanted = row_options(options)

    async def work(client: Client) -> pb.PreviewImportResponse:
        upload_id = await upload_data(client, (await find_project(client, project)).id, path)
        request = pb.PreviewImportRequest(upload_id=upload_id, options=wanted, rows=rows)
        return await client.imports.PreviewImport(request)

    answer = with_client(work)
    for example in answer.examples:
        show_one(example)
    show_faults(list(answer.faults))
    tell_unread(answer.unread_columns)


def list_faults(import_id: IdArgument, limit: LimitOption = 100) -> None:
    """`sishu import faults`."""

    async def work(client: Client) -> list[ImportFault]:
        request = pb.ListImportFaultsRequest(import_id=import_id, page_size=min(limit, 1000))
        found: list[ImportFault] = []
        while len(found) < limit:
            page = await client.imports.ListImportFaults(request)
            found += page.import_faults
            request.page_token = page.next_page_token
            if not request.page_token:
                break
        return found[:limit]

    show_faults(with_client(work))


def show_faults(faults: list[ImportFault]) -> None:
    """Print bad rows, each with all that is to be said of it."""
    if SETTINGS.json:
        show_many(faults, ())
        return
    for fault in faults:
        known = {"field": fault.field} if fault.field else {}
        told = in_words(fault.reason, fault.message, known)
        line = f"{fault.file}:{fault.row}: {told} [{fault.reason}]"
        CONSOLE.print(line, markup=False, highlight=False, soft_wrap=True)


def tell_faults(made: Import) -> None:
    """Say how many rows are bad, and where to look."""
    if made.counts.bad:
        words = say("import_bad").format(made.counts.bad, made.counts.rows, made.id)
        ERRORS.print(words, highlight=False, markup=False, soft_wrap=True)


def by_count(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Names and their counts, the highest first."""
    return sorted(counts.items(), key=lambda one: (-one[1], one[0]))


def tell_unread(columns: Iterable[str]) -> None:
    """Say which columns no example was made of."""
    if names := ", ".join(columns):
        told = say("import_unread").format(names)
        ERRORS.print(told, highlight=False, markup=False, soft_wrap=True)


def row_options(options: RowOptions) -> ImportOptions:
    """The options as the service takes them.

    Raises:
        ApiError: a word is none of those that there are, or a pair is none.
    """
    start, _, end = options.think.partition(",")
    return ImportOptions(
        shape=options.shape,
        columns=dict(pair(one) for one in options.column or []),
        kind=chosen(ExampleKind, "EXAMPLE_KIND", options.kind or "unspecified"),
        labels=options.label,
        reasoning=REASONING_MODE_KEEP if options.keep_thoughts else REASONING_MODE_PART,
        think_start=start,
        think_end=end,
        max_bad_rows=options.max_bad_rows,
        max_bad_share=options.max_bad_share,
        datasets=options.dataset,
        splits=options.split,
        files=options.files,
        field=options.field,
        sheet=options.sheet,
        encoding=options.encoding,
        tokenizer=options.tokenizer,
    )


def pair(text: str) -> tuple[str, str]:
    """What is in a column, and its name.

    Raises:
        ApiError: there is no `=` between them.
    """
    what, mark, column = text.partition("=")
    if not mark or not what or not column:
        message = f"--column {text}: write what it holds and its name, such as instruction=question"
        raise ApiError("INVALID_ARGUMENT", "OPTION_INVALID", message)
    return what, column
