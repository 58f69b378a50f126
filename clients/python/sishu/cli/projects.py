"""`sishu project create`."""

from __future__ import annotations

from typing import Annotated

import typer

from sishu.cli.context import with_client
from sishu.cli.options import NameArgument
from sishu.cli.output import show_one
from sishu.cli.texts import say
from sishu.client import Client
from sishu.ingest.v1.project_pb2 import Project
from sishu.ingest.v1.project_service_pb2 import CreateProjectRequest


def create_project(
    name: NameArgument, description: Annotated[str, typer.Option(help=say("project_description"))] = ""
) -> None:
    """`sishu project create`."""

    async def work(client: Client) -> Project:
        request = CreateProjectRequest(project=Project(name=name, description=description))
        return (await client.projects.CreateProject(request)).project

    show_one(with_client(work))
