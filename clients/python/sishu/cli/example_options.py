"""Which examples are meant, as options of the command line."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import typer
from google.protobuf.timestamp_pb2 import Timestamp

from sishu.cli.find_names import document_ids, tag_ids
from sishu.cli.parse_options import chosen
from sishu.cli.texts import say
from sishu.client import Client
from sishu.dataset.v1.example_filter_pb2 import ExampleFilter
from sishu.dataset.v1.example_pb2 import ExampleKind, ExampleState, ReviewState
from sishu.errors import ApiError

AuthorOption = Annotated[str, typer.Option(envvar="SISHU_AUTHOR", help=say("example_author"))]


@dataclass(frozen=True)
class ExampleOptions:
    """The options; each that is empty leaves all in."""

    state: Annotated[str, typer.Option(help=say("filter_state"))] = ""
    kind: Annotated[list[str] | None, typer.Option(help=say("filter_kind"))] = None
    of_generation: Annotated[
        list[str] | None, typer.Option("--generation", help=say("filter_generation"))
    ] = None
    of_import: Annotated[list[str] | None, typer.Option("--import", help=say("filter_import"))] = None
    document: Annotated[list[str] | None, typer.Option(help=say("filter_document"))] = None
    section: Annotated[list[str] | None, typer.Option(help=say("filter_section"))] = None
    tag: Annotated[list[str] | None, typer.Option(help=say("filter_tag"))] = None
    label: Annotated[list[str] | None, typer.Option(help=say("filter_label"))] = None
    min_score: Annotated[float | None, typer.Option(help=say("filter_min_score"))] = None
    max_score: Annotated[float | None, typer.Option(help=say("filter_max_score"))] = None
    rejection_reason: Annotated[list[str] | None, typer.Option(help=say("filter_reason"))] = None
    language: Annotated[list[str] | None, typer.Option(help=say("filter_language"))] = None
    question_type: Annotated[list[str] | None, typer.Option(help=say("filter_question_type"))] = None
    prompt_version: Annotated[list[str] | None, typer.Option(help=say("filter_prompt_version"))] = None
    model: Annotated[list[str] | None, typer.Option(help=say("filter_model"))] = None
    min_characters: Annotated[int | None, typer.Option(help=say("filter_min_characters"))] = None
    max_characters: Annotated[int | None, typer.Option(help=say("filter_max_characters"))] = None
    since: Annotated[str, typer.Option(help=say("filter_since"))] = ""
    before: Annotated[str, typer.Option(help=say("filter_before"))] = ""
    source_gone: Annotated[bool, typer.Option("--source-gone", help=say("option_source_gone"))] = False
    example_id: Annotated[list[str] | None, typer.Option("--id", help=say("filter_id"))] = None
    text: Annotated[str, typer.Option(help=say("filter_text"))] = ""
    deleted: Annotated[bool, typer.Option("--deleted", help=say("filter_deleted"))] = False
    review: Annotated[list[str] | None, typer.Option(help=say("filter_review"))] = None


def example_filter(options: ExampleOptions) -> ExampleFilter:
    """The options as a filter, in which documents and tags stand as they were given (see `with_ids`).

    Raises:
        ApiError: a word or a time is none.
    """
    return ExampleFilter(
        states=[chosen(ExampleState, "EXAMPLE_STATE", options.state)] if options.state else [],
        kinds=[chosen(ExampleKind, "EXAMPLE_KIND", one) for one in options.kind or []],
        generation_ids=options.of_generation,
        import_ids=options.of_import,
        document_ids=options.document,
        heading_path=options.section,
        tag_ids=options.tag,
        labels=options.label,
        min_score=options.min_score,
        max_score=options.max_score,
        rejection_reasons=options.rejection_reason,
        languages=options.language,
        question_types=options.question_type,
        prompt_versions=options.prompt_version,
        models=options.model,
        min_characters=options.min_characters,
        max_characters=options.max_characters,
        create_time_from=moment(options.since),
        create_time_before=moment(options.before),
        source_gone=True if options.source_gone else None,
        example_ids=options.example_id,
        text=options.text,
        deleted=options.deleted,
        review_states=[chosen(ReviewState, "REVIEW_STATE", one) for one in options.review or []],
    )


async def with_ids(client: Client, project_id: str, wanted: ExampleFilter) -> ExampleFilter:
    """The same filter with ids where documents and tags were given by their names.

    Raises:
        ApiError: there is none of a name, or there are several, or no project.
    """
    wanted.document_ids[:] = await document_ids(client, project_id, wanted.document_ids)
    wanted.tag_ids[:] = await tag_ids(client, project_id, wanted.tag_ids)
    return wanted


def moment(text: str) -> Timestamp | None:
    """A time of this machine's clock; nothing for nothing.

    Raises:
        ApiError: it is none.
    """
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise ApiError("INVALID_ARGUMENT", "TIME_INVALID", say("wrong_time").format(text)) from None
    found = Timestamp()
    found.FromDatetime(time)
    return found


def named_author(author: str) -> str:
    """Who does it: by default the user of this machine, where it knows one."""
    try:
        return author or getpass.getuser()
    except (KeyError, OSError):
        return ""
