"""`sishu genre`: genre-audience pairs of documents."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from google.protobuf.field_mask_pb2 import FieldMask

from sishu.cli.context import with_client
from sishu.cli.documents import first
from sishu.cli.find_names import document_ids
from sishu.cli.find_projects import find_project
from sishu.cli.generations import CallWishes, ProviderOption, started, waited_for
from sishu.cli.options import IdArgument, LimitOption, ProjectOption, WaitOption, takes
from sishu.cli.output import show_deleted, show_many, show_one
from sishu.cli.tags import LanguageOption
from sishu.cli.texts import say
from sishu.client import Client
from sishu.errors import ApiError
from sishu.generation.v1 import generation_pb2 as generation_pb
from sishu.generation.v1 import genre_audience_service_pb2 as pb
from sishu.generation.v1.genre_audience_pb2 import GenreAudience
from sishu.ingest.v1.document_service_pb2 import GetDocumentRequest
from sishu.learn.generations import viewed

app = typer.Typer(no_args_is_help=True, help=say("genre"))

IdsArgument = Annotated[list[str], typer.Argument(metavar="ID", help=say("genre_ids"))]
GenreOption = Annotated[str | None, typer.Option("--genre", help=say("genre_name"))]
AudienceOption = Annotated[str | None, typer.Option("--audience", help=say("genre_audience"))]
GenreDescriptionOption = Annotated[
    str | None, typer.Option("--genre-description", help=say("genre_description"))
]
AudienceDescriptionOption = Annotated[
    str | None, typer.Option("--audience-description", help=say("genre_audience_description"))
]

COLUMNS = ("id", "genre", "audience", "enabled")


@app.command("list", help=say("list"))
def list_pairs(
    project: ProjectOption,
    document: Annotated[str, typer.Option("--document", help=say("option_document"))] = "",
    limit: LimitOption = 100,
) -> None:
    """Print pairs, oldest first."""

    async def work(client: Client) -> list[GenreAudience]:
        project_id = (await find_project(client, project)).id
        found = await document_ids(client, project_id, [document] if document else [])
        request = pb.ListGenreAudiencesRequest(project_id=project_id, document_id="".join(found))
        return await first(client.genre_audiences.ListGenreAudiences, request, "genre_audiences", limit)

    show_many(with_client(work), COLUMNS)


@app.command("get", help=say("get"))
def get_pair(pair_id: IdArgument) -> None:
    """Print a pair whole."""

    async def work(client: Client) -> GenreAudience:
        request = pb.GetGenreAudienceRequest(id=pair_id)
        return (await client.genre_audiences.GetGenreAudience(request)).genre_audience

    show_one(with_client(work))


@app.command("create", help=say("genre_create"))
def create_pair(
    document_id: Annotated[str, typer.Option("--document", help=say("option_document"))],
    genre: Annotated[str, typer.Option("--genre", help=say("genre_name"))],
    audience: Annotated[str, typer.Option("--audience", help=say("genre_audience"))],
    genre_description: GenreDescriptionOption = None,
    audience_description: AudienceDescriptionOption = None,
    off: Annotated[bool, typer.Option("--off", help=say("genre_off"))] = False,
) -> None:
    """Add a pair to a document."""

    async def work(client: Client) -> GenreAudience:
        document = (await client.documents.GetDocument(GetDocumentRequest(id=document_id))).document
        wanted = GenreAudience(
            project_id=document.project_id,
            document_id=document.id,
            genre=genre,
            genre_description=genre_description or "",
            audience=audience,
            audience_description=audience_description or "",
            enabled=not off,
        )
        request = pb.CreateGenreAudienceRequest(genre_audience=wanted)
        return (await client.genre_audiences.CreateGenreAudience(request)).genre_audience

    show_one(with_client(work))


@app.command("update", help=say("genre_update"))
def update_pair(
    pair_id: IdArgument,
    genre: GenreOption = None,
    audience: AudienceOption = None,
    genre_description: GenreDescriptionOption = None,
    audience_description: AudienceDescriptionOption = None,
) -> None:
    """Change names and descriptions of a pair."""
    given = {
        "genre": genre,
        "genre_description": genre_description,
        "audience": audience,
        "audience_description": audience_description,
    }
    wanted: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if not wanted:
        raise ApiError("INVALID_ARGUMENT", "OPTION_MISSING", say("wrong_nothing"))
    pair = GenreAudience(id=pair_id, **wanted)
    show_one(with_client(lambda client: changed(client, pair, *wanted)))


@app.command("enable", help=say("genre_enable"))
def enable_pairs(pair_ids: IdsArgument) -> None:
    """Switch pairs on."""
    switch(pair_ids, enabled=True)


@app.command("disable", help=say("genre_disable"))
def disable_pairs(pair_ids: IdsArgument) -> None:
    """Switch pairs off."""
    switch(pair_ids, enabled=False)


@app.command("delete", help=say("delete"))
def delete_pair(pair_id: IdArgument) -> None:
    """Delete a pair; what was written for it stays."""

    async def work(client: Client) -> pb.DeleteGenreAudienceResponse:
        return await client.genre_audiences.DeleteGenreAudience(pb.DeleteGenreAudienceRequest(id=pair_id))

    show_deleted(with_client(work))


@app.command("build", help=say("genre_build"))
@takes(CallWishes)
def build_pairs(
    project: ProjectOption,
    provider: ProviderOption,
    pairs: Annotated[int, typer.Option(min=0, max=20, help=say("genre_pairs"))] = 0,
    replace: Annotated[bool, typer.Option("--replace", help=say("genre_replace"))] = False,
    document: Annotated[list[str] | None, typer.Option("--document", help=say("genre_documents"))] = None,
    language: LanguageOption = "",
    wait: WaitOption = False,
    *,
    options: CallWishes,
) -> None:
    """Have pairs written."""
    wanted = generation_pb.GenerationOptions(
        kind=generation_pb.GENERATION_KIND_GENRE_AUDIENCES,
        genre_audience_pairs=generation_pb.GenreAudienceOptions(pairs=pairs, replace=replace),
        document_ids=document or (),
        language=language,
    )

    async def work(client: Client) -> generation_pb.Generation:
        made = await started(client, await options.begun(client, project, provider, wanted))
        if wait:
            await waited_for(client, made, "stage_genres")
        return await viewed(client, made.id)

    show_one(with_client(work))


def switch(pair_ids: list[str], *, enabled: bool) -> None:
    """Switch pairs on or off, and print them."""

    async def work(client: Client) -> list[GenreAudience]:
        return [
            await changed(client, GenreAudience(id=pair_id, enabled=enabled), "enabled")
            for pair_id in pair_ids
        ]

    show_many(with_client(work), COLUMNS)


async def changed(client: Client, pair: GenreAudience, *fields: str) -> GenreAudience:
    """A pair with other values of these fields."""
    request = pb.UpdateGenreAudienceRequest(genre_audience=pair, update_mask=FieldMask(paths=fields))
    return (await client.genre_audiences.UpdateGenreAudience(request)).genre_audience
