"""`sishu dataset tag|untag`: names that people give to versions."""

from __future__ import annotations

from typing import Annotated

import typer

from sishu.cli.context import with_client
from sishu.cli.datasets import VersionArgument
from sishu.cli.find import find_version
from sishu.cli.output import ERRORS, show_one
from sishu.cli.texts import say
from sishu.client import Client
from sishu.dataset.v1 import dataset_service_pb2 as pb
from sishu.dataset.v1.dataset_version_pb2 import DatasetVersion

TagArgument = Annotated[str, typer.Argument(metavar="TAG", help=say("dataset_version_tag"))]


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
