"""Find projects by what people call them."""

from __future__ import annotations

import uuid

from sishu.client import Client
from sishu.errors import ApiError
from sishu.ingest.v1.project_pb2 import Project
from sishu.ingest.v1.project_service_pb2 import GetProjectRequest, ListProjectsRequest


def is_id(text: str) -> bool:
    """Whether a text is a UUID."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


async def find_project(client: Client, name: str) -> Project:
    """A project by name or id.

    Raises:
        ApiError: there is none.
    """
    if is_id(name):
        return (await client.projects.GetProject(GetProjectRequest(id=name))).project
    found = (await client.projects.ListProjects(ListProjectsRequest(name=name))).projects
    if not found:
        raise ApiError(
            "NOT_FOUND",
            "PROJECT_NOT_FOUND",
            f"there is no project {name!r}; see `sishu project list`",
            metadata={"name": name},
        )
    return found[0]
