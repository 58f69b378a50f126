"""`sishu dataset tag|untag|restore`: names that people give to versions, and the way back to one."""

from __future__ import annotations

from typing import Annotated

import typer

from sishu.cli.context import with_client
from sishu.cli.datasets import VersionArgument
from sishu.cli.example_options import AuthorOption, named_author
from sishu.cli.examples import ended, show_change
from sishu.cli.find import find_version
from sishu.cli.output import CONSOLE, ERRORS, show_one
from sishu.cli.settings import SETTINGS
from sishu.cli.texts import say
from sishu.client import Client
from sishu.dataset.v1 import dataset_service_pb2 as pb
from sishu.dataset.v1.dataset_version_pb2 import DatasetVersion
from sishu.dataset.v1.example_revision_pb2 import ExampleChange

TagArgument = Annotated[str, typer.Argument(metavar="TAG", help=say("dataset_version_tag"))]


RESTORED = ("changed", "brought_back", "deleted", "missing")
"""What can become of examples."""


def tag_dataset(version: VersionArgument, tag: TagArgument) -> None:
    """`sishu dataset tag`: put a tag on a version, and tell which one loses it."""

    async def work(client: Client) -> pb.SetDatasetVersionTagResponse:
        wanted = await find_version(client, version)
        request = pb.SetDatasetVersionTagRequest(dataset_version_id=wanted, tag=tag)
        return await client.datasets.SetDatasetVersionTag(request)

    answer = with_client(work)
    if answer.previous_version_id:
        told = say("dataset_tag_moved").format(tag, answer.previous_version_id)
        ERRORS.print(told, markup=False, highlight=False, soft_wrap=True)
    show_one(answer.dataset_version)


def untag_dataset(version: VersionArgument, tag: TagArgument) -> None:
    """`sishu dataset untag`: take a tag off a version."""

    async def work(client: Client) -> DatasetVersion:
        wanted = await find_version(client, version)
        request = pb.DeleteDatasetVersionTagRequest(dataset_version_id=wanted, tag=tag)
        return (await client.datasets.DeleteDatasetVersionTag(request)).dataset_version

    show_one(with_client(work))


def restore_dataset(
    version: VersionArgument,
    delete_added: Annotated[bool, typer.Option("--delete-added", help=say("dataset_delete_added"))] = False,
    author: AuthorOption = "",
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help=say("dataset_restore_wait"))] = True,
) -> None:
    """`sishu dataset restore`: bring the examples back to what a version holds, and count them."""

    async def work(client: Client) -> ExampleChange:
        request = pb.RestoreDatasetVersionRequest(
            dataset_version_id=await find_version(client, version),
            delete_added=delete_added,
            author=named_author(author),
        )
        begun = (await client.datasets.RestoreDatasetVersion(request)).example_change
        return await ended(client, begun) if wait else begun

    change = with_client(work)
    if not wait:
        show_one(change)
        return
    show_change(change)
    if not SETTINGS.json:
        told = say("dataset_restored").format(**{name: change.counts.get(name, 0) for name in RESTORED})
        CONSOLE.print(told, markup=False, highlight=False, soft_wrap=True)
