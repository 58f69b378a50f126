"""`sishu <resource> list|get|delete`: the same three commands for every resource, from one table."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any

import typer
from google.protobuf.message import Message

from sishu.cli.action_table import ACTIONS
from sishu.cli.context import with_client
from sishu.cli.find_projects import find_project, is_id
from sishu.cli.late import found_at
from sishu.cli.options import IdArgument, LimitOption, ProjectOption
from sishu.cli.output import show_deleted, show_many, show_one
from sishu.cli.resource_table import RESOURCES, Resource
from sishu.cli.texts import say
from sishu.client import Client
from sishu.errors import ApiError


def commands_of(name: str) -> typer.Typer:
    """The commands of the resource of this name."""
    return commands(next(one for one in RESOURCES if one.name == name))


def commands(resource: Resource) -> typer.Typer:
    """The commands of a resource: `list`, `get`, `delete`, and what else there is."""
    app = typer.Typer(no_args_is_help=True, help=say(resource.name))
    app.command("list", help=say("list"))(own(resource, "list") or list_command(resource))
    if resource.gettable:
        app.command("get", help=say("get"))(own(resource, "get") or get_command(resource))
    if resource.deletable:
        app.command("delete", help=say("delete"))(own(resource, "delete") or delete_command(resource))
    for name, text, place in ACTIONS.get(resource.name, []):
        app.command(name, help=say(text))(found_at(place))
    return app


def own(resource: Resource, verb: str) -> Callable[..., None] | None:
    """The command of a resource that takes more than others of its name, if there is one."""
    place = OWN.get((resource.name, verb))
    return found_at(place)(resource) if place else None


OWN = {
    ("question", "list"): "filtered_lists:list_questions",
    ("example", "list"): "filtered_lists:list_examples",
    ("run", "get"): "run_watch:get_run",
    ("provider", "get"): "named_providers:get_provider",
    ("provider", "delete"): "named_providers:delete_provider",
}
"""Commands with options of their own, which are read only when they are wanted."""


def get_command(resource: Resource) -> Callable[..., None]:
    """The `get` command."""

    def get(resource_id: IdArgument) -> None:
        show_found(resource, lambda client: resolved(client, resource, resource_id))

    return get


def show_found(resource: Resource, find: Callable[[Client], Awaitable[str]]) -> None:
    """Show a resource whole."""

    async def work(client: Client) -> Message:
        answer = await resource.call(client, "Get", id=await find(client))
        found: Message = getattr(answer, resource.field)
        return found

    show_one(with_client(work))


def delete_command(resource: Resource) -> Callable[..., None]:
    """The `delete` command."""

    def delete(resource_id: IdArgument) -> None:
        delete_found(resource, lambda client: resolved(client, resource, resource_id))

    return delete


def delete_found(resource: Resource, find: Callable[[Client], Awaitable[str]]) -> None:
    """Delete a resource, and show what that has counted."""

    async def work(client: Client) -> Message:
        found = await find(client)
        try:
            answer: Message = await resource.call(client, "Delete", id=found)
        except ApiError as error:
            if error.code in FINAL:
                raise
            # A project that is half deleted has its id only.
            again = f"sishu {resource.name} delete {found}"
            message = f"{error.message}; `{again}` tries again"
            metadata = {**error.metadata, "again": again}
            raise ApiError(error.code, error.reason, message, metadata=metadata) from error
        return answer

    show_deleted(with_client(work))


FINAL = {"NOT_FOUND", "INVALID_ARGUMENT"}
"""Codes of errors after which the same command fails again."""


def list_command(resource: Resource) -> Callable[..., None]:
    """The `list` command; everything but projects and deployments is listed by project."""
    if resource.name in {"project", "deployment"}:
        return list_all_of(resource)
    if resource.by_document:
        return list_by_document(resource)
    return list_by_project(resource)


def list_all_of(resource: Resource) -> Callable[..., None]:
    """A `list` of all that there are."""

    def list_all(limit: LimitOption = 100) -> None:
        listed(resource, limit)

    return list_all


def list_by_project(resource: Resource) -> Callable[..., None]:
    """A `list` of a project's."""

    def list_of_project(project_name: ProjectOption, limit: LimitOption = 100) -> None:
        listed(resource, limit, project_name)

    return list_of_project


def list_by_document(resource: Resource) -> Callable[..., None]:
    """A `list` of a project's, or of one document."""

    def list_of_document(
        project_name: ProjectOption,
        document_id: Annotated[str, typer.Option("--document", help=say("option_document"))] = "",
        excluded: Annotated[bool, typer.Option("--excluded", help=say("option_excluded"))] = False,
        limit: LimitOption = 100,
    ) -> None:
        shown: dict[str, Any] = {"show_excluded": True} if excluded and resource.name == "chunk" else {}
        listed(resource, limit, project_name, document=document_id, **shown)

    return list_of_document


def listed(
    resource: Resource, limit: int, project_name: str = "", document: str = "", **filters: Any
) -> None:
    """Show the first `limit` resources in a table.

    Args:
        resource: which.
        limit: most of them.
        project_name: name or id of a project; empty for all.
        document: name or id of a document; empty for all.
        filters: further fields of the request.
    """

    async def work(client: Client) -> list[Message]:
        if project_name:
            filters["project_id"] = (await find_project(client, project_name)).id
        if document:
            found = await found_at("find_names:document_ids")(client, filters["project_id"], [document])
            filters["document_id"] = found[0]
        return [message async for message in rows(client, resource, limit, **filters)]

    show_many(with_client(work), resource.columns)


async def rows(client: Client, resource: Resource, limit: int, **filters: Any) -> AsyncIterator[Message]:
    """The first `limit` resources, page by page."""
    token = ""
    while limit > 0:
        page = await resource.call(
            client, "List", "s", page_size=min(limit, 1000), page_token=token, **filters
        )
        for message in getattr(page, f"{resource.field}s"):
            yield message
            limit -= 1
        token = page.next_page_token
        if not token:
            return


async def resolved(client: Client, resource: Resource, name: str) -> str:
    """The id; a project may be given by name, a version by number or tag."""
    if resource.name == "dataset":
        version_id: str = await found_at("find:find_version")(client, name)
        return version_id
    # By id also a project whose deletion failed in the middle, which is found no more.
    return name if resource.name != "project" or is_id(name) else (await find_project(client, name)).id
