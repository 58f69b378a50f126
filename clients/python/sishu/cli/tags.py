"""`sishu tag`: the domain tree of a project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from google.protobuf.field_mask_pb2 import FieldMask
from rich.text import Text

from sishu.cli.context import with_client
from sishu.cli.find_names import SEPARATOR, paths_of, tag_ids, tags_of
from sishu.cli.find_projects import find_project, is_id
from sishu.cli.generations import CallWishes, ProviderOption, started, waited_for
from sishu.cli.options import ProjectOption, WaitOption, takes
from sishu.cli.output import CONSOLE, as_json, show_deleted, show_one
from sishu.cli.settings import SETTINGS
from sishu.cli.tables import WholeTable
from sishu.cli.texts import say
from sishu.client import Client
from sishu.errors import ApiError
from sishu.generation.v1 import generation_pb2 as generation_pb
from sishu.generation.v1 import tag_service_pb2 as pb
from sishu.generation.v1.tag_pb2 import Tag, TagPlace
from sishu.ingest.v1.chunk_service_pb2 import GetChunkRequest
from sishu.learn.generations import viewed

app = typer.Typer(no_args_is_help=True, help=say("tag"))

TagArgument = Annotated[str, typer.Argument(metavar="TAG", help=say("tag_argument"))]
TitleArgument = Annotated[str, typer.Argument(metavar="TITLE", help=say("tag_title"))]
ParentOption = Annotated[str, typer.Option("--parent", metavar="TAG", help=say("tag_parent"))]
TagProjectOption = Annotated[str, typer.Option("--project", "-p", help=say("tag_project"))]
LanguageOption = Annotated[str, typer.Option("--language", help=say("generation_language"))]


@dataclass(frozen=True)
class Places:
    """What of the documents a tag is about."""

    place: Annotated[list[str] | None, typer.Option("--place", help=say("tag_place"))] = None
    chunk: Annotated[list[str] | None, typer.Option("--chunk", help=say("tag_chunk"))] = None

    async def read(self, client: Client) -> list[TagPlace]:
        """The places."""
        places = []
        for text in self.place or ():
            document_id, *titles = text.split(SEPARATOR)
            places.append(TagPlace(document_id=document_id, heading_path=titles))
        for chunk_id in self.chunk or ():
            chunk = (await client.chunks.GetChunk(GetChunkRequest(id=chunk_id))).chunk
            places.append(TagPlace(document_id=chunk.document_id, chunk_id=chunk.id))
        return places


@app.command("list", help=say("tag_list"))
def list_tags(project: ProjectOption) -> None:
    """Print the tree of a project."""

    async def work(client: Client) -> list[Tag]:
        return await tags_of(client, (await find_project(client, project)).id)

    show_tree(with_client(work))


@app.command("get", help=say("get"))
def get_tag(tag: TagArgument, project: TagProjectOption = "") -> None:
    """Print a tag whole."""

    async def work(client: Client) -> Tag:
        tag_id = await found(client, tag, project)
        return (await client.tags.GetTag(pb.GetTagRequest(id=tag_id))).tag

    show_one(with_client(work))


@app.command("create", help=say("tag_create"))
@takes(Places)
def create_tag(
    title: TitleArgument, project: ProjectOption, parent: ParentOption = "", *, options: Places
) -> None:
    """Add a tag as the last under its parent."""

    async def work(client: Client) -> Tag:
        project_id = (await find_project(client, project)).id
        parent_id = await found(client, parent, project) if parent else ""
        places = await options.read(client)
        wanted = Tag(project_id=project_id, parent_id=parent_id, title=title, places=places)
        return (await client.tags.CreateTag(pb.CreateTagRequest(tag=wanted))).tag

    show_one(with_client(work))


@app.command("rename", help=say("tag_rename"))
def rename_tag(tag: TagArgument, title: TitleArgument, project: TagProjectOption = "") -> None:
    """Give a tag another title."""
    show_one(with_client(lambda client: changed(client, tag, project, "title", title)))


@app.command("move", help=say("tag_move"))
def move_tag(tag: TagArgument, parent: ParentOption = "", project: TagProjectOption = "") -> None:
    """Put a tag under another, or at the top."""

    async def work(client: Client) -> Tag:
        parent_id = await found(client, parent, project) if parent else ""
        return await changed(client, tag, project, "parent_id", parent_id)

    show_one(with_client(work))


@app.command("places", help=say("tag_places"))
@takes(Places)
def set_places(tag: TagArgument, project: TagProjectOption = "", *, options: Places) -> None:
    """Say what a tag is about, in place of what was said before."""

    async def work(client: Client) -> Tag:
        return await changed(client, tag, project, "places", await options.read(client))

    show_one(with_client(work))


@app.command("delete", help=say("tag_delete"))
def delete_tag(tag: TagArgument, project: TagProjectOption = "") -> None:
    """Delete a tag and those under it."""

    async def work(client: Client) -> pb.DeleteTagResponse:
        tag_id = await found(client, tag, project)
        return await client.tags.DeleteTag(pb.DeleteTagRequest(id=tag_id))

    show_deleted(with_client(work))


@app.command("build", help=say("tag_build"))
@takes(CallWishes)
def build_tags(
    project: ProjectOption,
    provider: ProviderOption,
    mode: Annotated[str, typer.Option(help=say("tag_mode"))] = "revise",
    levels: Annotated[int, typer.Option(min=0, max=4, help=say("tag_levels"))] = 0,
    max_children: Annotated[int, typer.Option(min=0, max=50, help=say("tag_children"))] = 0,
    language: LanguageOption = "",
    wait: WaitOption = False,
    *,
    options: CallWishes,
) -> None:
    """Have the tree built; with --wait print it."""
    modes = {name.removeprefix("TAG_MODE_").lower(): name for name in generation_pb.TagMode.keys()[1:]}
    if mode not in modes:
        raise ApiError("INVALID_ARGUMENT", "MODE_UNKNOWN", f"--mode is one of {', '.join(modes)}, not {mode}")
    tags = generation_pb.TagOptions(
        mode=generation_pb.TagMode.Value(modes[mode]), levels=levels, max_children=max_children
    )
    kind = generation_pb.GENERATION_KIND_TAGS
    wanted = generation_pb.GenerationOptions(kind=kind, tags=tags, language=language)

    async def work(client: Client) -> tuple[generation_pb.Generation, list[Tag]]:
        made = await started(client, await options.begun(client, project, provider, wanted))
        if not wait:
            return made, []
        await waited_for(client, made, "stage_tags")
        return await viewed(client, made.id), await tags_of(client, made.project_id)

    made, tree = with_client(work)
    if wait:
        show_tree(tree)
    else:
        show_one(made)


async def changed(client: Client, tag: str, project: str, field: str, value: Any) -> Tag:
    """A tag with another value of a field."""
    wanted = Tag(**{"id": await found(client, tag, project), field: value})
    request = pb.UpdateTagRequest(tag=wanted, update_mask=FieldMask(paths=[field]))
    return (await client.tags.UpdateTag(request)).tag


async def found(client: Client, name: str, project: str) -> str:
    """The id of a tag, given by id or by its title, alone or with those above it.

    Raises:
        ApiError: there is none, or there are several.
    """
    owner = (await find_project(client, project)).id if project and not is_id(name) else ""
    return (await tag_ids(client, owner, [name]))[0]


def show_tree(tags: Sequence[Tag]) -> None:
    """Print tags, each indented under the one above it, or a line of JSON each."""
    if SETTINGS.json:
        for tag in tags:
            print(as_json(tag))
        return
    table = WholeTable(box=None, pad_edge=False)
    for column in ("title", "question\ncount", "id"):
        table.add_column(column, overflow="fold", no_wrap=column == "id")
    for tag, path in zip(tags, paths_of(tags), strict=True):
        title = Text("  " * (len(path) - 1) + tag.title)
        table.add_row(title, str(tag.question_count), tag.id)
    CONSOLE.print(table)
