"""The dataset room: what is done with versions once they are made: tags, restore, statistics, report."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from services.runtime.ids import new_id
from sishu.dataset.v1 import dataset_service_pb2 as datasets
from sishu.errors import ApiError
from tests.integration.command_line import CommandLine
from tests.integration.dataset_school import School, started_school, turns
from tests.integration.stores import Rooms, Servers


@pytest_asyncio.fixture(scope="module")
async def school(servers: Servers) -> AsyncIterator[School]:
    async with started_school(servers) as started:
        yield started


async def tagged(school: School, version_id: str, tag: str) -> datasets.SetDatasetVersionTagResponse:
    request = datasets.SetDatasetVersionTagRequest(dataset_version_id=version_id, tag=tag)
    return await school.client.datasets.SetDatasetVersionTag(request)


async def untag(school: School, version_id: str, tag: str) -> None:
    request = datasets.DeleteDatasetVersionTagRequest(dataset_version_id=version_id, tag=tag)
    await school.client.datasets.DeleteDatasetVersionTag(request)


async def test_a_tag_stands_on_one_version_and_keeps_it_from_deletion(school: School) -> None:
    project_id = new_id()
    await school.create(project_id=project_id, messages=turns("Who?", "Ada."))
    one, two = await school.made(project_id, exam_share=0), await school.made(project_id, exam_share=0)
    assert (await tagged(school, one.id, "prod")).previous_version_id == ""
    await tagged(school, one.id, "good.v-1_a")
    assert list((await school.version(one.id)).tags) == ["good.v-1_a", "prod"]
    assert (await tagged(school, one.id, "prod")).previous_version_id == ""
    delete = datasets.DeleteDatasetVersionRequest(id=one.id)
    with pytest.raises(ApiError) as error:
        await school.client.datasets.DeleteDatasetVersion(delete)
    assert (error.value.reason, error.value.metadata["tags"]) == (
        "DATASET_VERSION_TAGGED",
        "good.v-1_a, prod",
    )

    moved = await tagged(school, two.id, "prod")
    assert (moved.previous_version_id, list(moved.dataset_version.tags)) == (one.id, ["prod"])
    by_tag = datasets.ListDatasetVersionsRequest(project_id=project_id, tag="prod")
    by_number = datasets.ListDatasetVersionsRequest(project_id=project_id, number=1)
    for request, wanted in ((by_tag, two.id), (by_number, one.id)):
        listed = (await school.client.datasets.ListDatasetVersions(request)).dataset_versions
        assert [version.id for version in listed] == [wanted]
    with pytest.raises(ApiError) as error:
        await untag(school, one.id, "prod")
    assert (error.value.code, error.value.reason) == ("NOT_FOUND", "VERSION_TAG_NOT_FOUND")
    await untag(school, one.id, "good.v-1_a")
    await school.client.datasets.DeleteDatasetVersion(delete)

    other = new_id()
    await school.create(project_id=other, messages=turns("Who?", "Ada."))
    theirs = await school.made(other, exam_share=0)
    assert (await tagged(school, theirs.id, "prod")).previous_version_id == ""
    assert list((await school.version(two.id)).tags) == ["prod"]


async def test_what_cannot_be_a_tag_is_refused(school: School) -> None:
    project_id = new_id()
    await school.create(project_id=project_id, messages=turns("Who?", "Ada."))
    version = await school.made(project_id, exam_share=0)
    assert list((await tagged(school, version.id, "生产")).dataset_version.tags) == ["生产"]
    for tag in ("", "3", "a b", "a/b", "x" * 64, "latest", "Latest"):
        with pytest.raises(ApiError) as error:
            await tagged(school, version.id, tag)
        assert error.value.code == "INVALID_ARGUMENT"
    with pytest.raises(ApiError) as error:
        await tagged(school, new_id(), "prod")
    assert error.value.reason == "DATASET_VERSION_NOT_FOUND"


async def test_commands_name_versions_by_number_and_tag(school: School) -> None:
    cli = CommandLine(Rooms(school.stores, school.client, {}), new_id())
    await school.create(project_id=cli.project, messages=turns("Who?", "Ada."))
    one = await school.made(cli.project, exam_share=0)
    two = await school.made(cli.project, exam_share=0)
    code, printed = await cli.run("dataset", "tag", f"{cli.project}/1", "prod")
    assert (code, one.id in printed) == (0, True)
    code, printed = await cli.run("dataset", "diff", f"{cli.project}/prod", f"{cli.project}/latest")
    assert (code, printed.split("\n")[0]) == (0, "added 0, changed 0, moved 0, removed 0")
    code, printed = await cli.run("--lang", "zh", "dataset", "delete", f"{cli.project}/prod")
    assert (code, "带有标签 prod" in printed) == (1, True)
    code, printed = await cli.run("dataset", "delete", f"{cli.project}/2")
    assert (code, "deleted" in printed) == (0, True)
    code, printed = await cli.run("dataset", "get", f"{cli.project}/2")
    assert (code, "DATASET_VERSION_NOT_FOUND" in printed) == (1, True)
    assert [two.number, one.number] == [2, 1]
