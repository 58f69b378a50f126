"""Which questions are listed, as options of the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from sishu.cli.find_names import document_ids, tag_ids
from sishu.cli.parse_options import chosen
from sishu.cli.question_templates import template_ids
from sishu.cli.texts import say
from sishu.client import Client
from sishu.generation.v1.question_pb2 import QuestionState, QuestionType


@dataclass(frozen=True)
class QuestionOptions:
    """The options; each that is empty leaves all in."""

    type_: Annotated[str, typer.Option("--type", help=say("question_type"))] = ""
    state: Annotated[str, typer.Option(help=say("question_state"))] = ""
    template: Annotated[str, typer.Option(help=say("question_of_template"))] = ""
    generation: Annotated[str, typer.Option(help=say("candidate_generation"))] = ""
    document: Annotated[str, typer.Option(help=say("question_document"))] = ""
    chunk: Annotated[str, typer.Option(help=say("candidate_chunk"))] = ""
    tag: Annotated[str, typer.Option(help=say("question_tag"))] = ""
    genre_audience: Annotated[str, typer.Option(help=say("question_genre_audience"))] = ""
    source_gone: Annotated[bool, typer.Option("--source-gone", help=say("option_source_gone"))] = False


async def question_filter(client: Client, options: QuestionOptions, project_id: str) -> dict[str, Any]:
    """The fields of `ListQuestionsRequest` that the options say."""
    wanted: dict[str, Any] = {
        "type": chosen(QuestionType, "QUESTION_TYPE", options.type_ or "unspecified"),
        "state": chosen(QuestionState, "QUESTION_STATE", options.state or "unspecified"),
        "generation_id": options.generation,
        "chunk_id": options.chunk,
        "genre_audience_id": options.genre_audience,
        "source_gone": options.source_gone,
    }
    if options.template:
        (wanted["question_template_id"],) = await template_ids(client, project_id, [options.template])
    if options.document:
        (wanted["document_id"],) = await document_ids(client, project_id, [options.document])
    if options.tag:
        (wanted["tag_id"],) = await tag_ids(client, project_id, [options.tag])
    return wanted
