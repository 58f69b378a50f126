"""`sishu question list` and `sishu example list`, which have filters of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer
from google.protobuf.message import Message

from sishu.cli.context import with_client
from sishu.cli.example_options import ExampleOptions, example_filter, with_ids
from sishu.cli.example_words import SAID
from sishu.cli.find_projects import find_project
from sishu.cli.options import LimitOption, ProjectOption, takes
from sishu.cli.output import show_many
from sishu.cli.parse_options import chosen
from sishu.cli.question_filters import QuestionOptions, question_filter
from sishu.cli.resource_table import Resource
from sishu.cli.resources import rows
from sishu.cli.texts import say
from sishu.client import Client
from sishu.dataset.v1.example_filter_pb2 import ExampleOrder


def list_questions(resource: Resource) -> Callable[..., None]:
    """The `list` of questions with its filters."""

    @takes(QuestionOptions)
    def list_of_questions(
        project_name: ProjectOption, limit: LimitOption = 100, *, options: QuestionOptions
    ) -> None:
        async def work(client: Client) -> list[Message]:
            project_id = (await find_project(client, project_name)).id
            filters = await question_filter(client, options, project_id)
            return [one async for one in rows(client, resource, limit, project_id=project_id, **filters)]

        show_many(with_client(work), resource.columns)

    return list_of_questions


def list_examples(resource: Resource) -> Callable[..., None]:
    """The `list` of examples with its filters."""

    @takes(ExampleOptions)
    def list_of_examples(
        project_name: ProjectOption,
        order: Annotated[str, typer.Option(help=say("example_order"))] = "oldest",
        limit: LimitOption = 100,
        *,
        options: ExampleOptions,
    ) -> None:
        wanted, by = example_filter(options), chosen(ExampleOrder, "EXAMPLE_ORDER", order)

        async def work(client: Client) -> list[Message]:
            project_id = (await find_project(client, project_name)).id
            filters = {"filter": await with_ids(client, project_id, wanted), "order": by}
            return [one async for one in rows(client, resource, limit, project_id=project_id, **filters)]

        show_many(with_client(work), (*resource.columns, *SAID), SAID)

    return list_of_examples
