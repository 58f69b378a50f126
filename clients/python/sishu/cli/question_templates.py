"""`sishu question-template`: questions that are asked about every chunk."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from google.protobuf.field_mask_pb2 import FieldMask

from sishu.cli.context import with_client
from sishu.cli.documents import first
from sishu.cli.find_projects import find_project, is_id
from sishu.cli.options import LimitOption, ProjectOption
from sishu.cli.output import show_deleted, show_many, show_one
from sishu.cli.prompts import read_template
from sishu.cli.texts import say
from sishu.client import Client
from sishu.errors import ApiError
from sishu.generation.v1 import question_template_service_pb2 as pb
from sishu.generation.v1.question_template_pb2 import (
    TEMPLATE_ANSWER_JSON,
    TEMPLATE_ANSWER_LABEL,
    TEMPLATE_ANSWER_TEXT,
    QuestionTemplate,
)

app = typer.Typer(no_args_is_help=True, help=say("question_template"))

TemplateArgument = Annotated[str, typer.Argument(metavar="TEMPLATE", help=say("question_template_named"))]
DescriptionOption = Annotated[str | None, typer.Option(help=say("question_template_description"))]
LabelOption = Annotated[list[str] | None, typer.Option(help=say("question_template_label"))]
SeveralOption = Annotated[bool, typer.Option("--several-labels", help=say("question_template_several"))]
SchemaOption = Annotated[str, typer.Option(metavar="FILE", help=say("question_template_schema"))]

COLUMNS = ("id", "name", "answer", "text", "labels")
MOST = 1_000_000
"""Templates that are looked through for a name."""


@app.command("list", help=say("list"))
def list_templates(project: ProjectOption, limit: LimitOption = 100) -> None:
    """Print templates, oldest first."""

    async def work(client: Client) -> list[QuestionTemplate]:
        return await templates_of(client, (await find_project(client, project)).id, limit)

    show_many(with_client(work), COLUMNS)


@app.command("show", help=say("get"))
def show_template(template: TemplateArgument, project: ProjectOption) -> None:
    """Print a template whole."""
    show_one(with_client(lambda client: found(client, project, template)))


@app.command("add", help=say("question_template_add"))
def add_template(
    name: Annotated[str, typer.Argument(metavar="NAME", help=say("argument_name"))],
    project: ProjectOption,
    text: Annotated[str, typer.Option(help=say("question_template_text"))],
    description: DescriptionOption = None,
    label: LabelOption = None,
    several_labels: SeveralOption = False,
    json_schema: SchemaOption = "",
) -> None:
    """Add a template."""
    answer = wanted_answer(label, json_schema, several_labels=several_labels)

    async def work(client: Client) -> QuestionTemplate:
        wanted = QuestionTemplate(
            project_id=(await find_project(client, project)).id,
            name=name,
            text=text,
            description=description or "",
            **answer,
        )
        request = pb.CreateQuestionTemplateRequest(question_template=wanted)
        return (await client.question_templates.CreateQuestionTemplate(request)).question_template

    show_one(with_client(work))


@app.command("update", help=say("question_template_update"))
def update_template(
    template: TemplateArgument,
    project: ProjectOption,
    name: Annotated[str | None, typer.Option(help=say("provider_name"))] = None,
    text: Annotated[str | None, typer.Option(help=say("question_template_text"))] = None,
    description: DescriptionOption = None,
    label: LabelOption = None,
    several_labels: Annotated[
        bool | None,
        typer.Option("--several-labels/--one-label", help=say("question_template_several")),
    ] = None,
    json_schema: SchemaOption = "",
    as_text: Annotated[bool, typer.Option("--as-text", help=say("question_template_as_text"))] = False,
) -> None:
    """Change a template."""
    given = {"name": name, "text": text, "description": description}
    wanted: dict[str, Any] = {field: value for field, value in given.items() if value is not None}
    answers = bool(as_text or label or json_schema) or several_labels is not None
    if not wanted and not answers:
        raise ApiError("INVALID_ARGUMENT", "OPTION_MISSING", say("wrong_nothing"))

    async def work(client: Client) -> QuestionTemplate:
        known = await found(client, project, template)
        if as_text or json_schema:
            wanted.update(wanted_answer(label, json_schema, several_labels=bool(several_labels)))
        elif answers:
            wanted.update(changed_labels(known, label, several_labels))
        request = pb.UpdateQuestionTemplateRequest(
            question_template=QuestionTemplate(id=known.id, **wanted), update_mask=FieldMask(paths=wanted)
        )
        return (await client.question_templates.UpdateQuestionTemplate(request)).question_template

    show_one(with_client(work))


@app.command("delete", help=say("delete"))
def delete_template(template: TemplateArgument, project: ProjectOption) -> None:
    """Delete a template; its questions stay."""

    async def work(client: Client) -> pb.DeleteQuestionTemplateResponse:
        known = await found(client, project, template)
        request = pb.DeleteQuestionTemplateRequest(id=known.id)
        return await client.question_templates.DeleteQuestionTemplate(request)

    show_deleted(with_client(work))


def wanted_answer(labels: list[str] | None, schema_file: str, *, several_labels: bool) -> dict[str, Any]:
    """All fields of a template that say how it is answered.

    Raises:
        ApiError: the file of the schema cannot be read.
    """
    schema = read_template(schema_file).strip("\ufeff \n") if schema_file else ""
    chosen = TEMPLATE_ANSWER_LABEL if labels or several_labels else TEMPLATE_ANSWER_TEXT
    return {
        "answer": TEMPLATE_ANSWER_JSON if schema else chosen,
        "labels": labels or [],
        "several_labels": several_labels,
        "json_schema": schema,
    }


def changed_labels(
    known: QuestionTemplate, labels: list[str] | None, several_labels: bool | None
) -> dict[str, Any]:
    """The fields of a template that is answered by labels; what is not said stays."""
    several = known.several_labels if several_labels is None else several_labels
    return wanted_answer(labels or list(known.labels), "", several_labels=several)


async def templates_of(client: Client, project_id: str, limit: int = MOST) -> list[QuestionTemplate]:
    """The templates of a project."""
    request = pb.ListQuestionTemplatesRequest(project_id=project_id)
    return await first(client.question_templates.ListQuestionTemplates, request, "question_templates", limit)


async def found(client: Client, project: str, name: str) -> QuestionTemplate:
    """A template of a project by name or id.

    Raises:
        ApiError: there is none.
    """
    if is_id(name):
        request = pb.GetQuestionTemplateRequest(id=name)
        return (await client.question_templates.GetQuestionTemplate(request)).question_template
    project_id = (await find_project(client, project)).id
    return named(await templates_of(client, project_id), name)


def named(templates: list[QuestionTemplate], name: str) -> QuestionTemplate:
    """The template of a name.

    Raises:
        ApiError: there is none.
    """
    for one in templates:
        if one.name == name:
            return one
    raise ApiError(
        "NOT_FOUND",
        "QUESTION_TEMPLATE_NOT_FOUND",
        f"there is no question template {name!r}; see `sishu question-template list`",
        metadata={"name": name},
    )


async def template_ids(client: Client, project_id: str, names: list[str]) -> list[str]:
    """The ids of templates, each given by name or id.

    Raises:
        ApiError: the project has none of a name.
    """
    known = [] if all(map(is_id, names)) else await templates_of(client, project_id)
    return [name if is_id(name) else named(known, name).id for name in names]
