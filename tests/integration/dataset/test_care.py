"""The dataset room: what is done with versions once they are made: tags, restore, statistics, report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from services.dataset.restores.restores import Member
from services.dataset.restores.store import RestoreStore
from services.runtime.db import open_pool
from services.runtime.ids import derived_id, new_id
from services.runtime.jobs import Jobs
from sishu.common.v1 import job_pb2, message_pb2
from sishu.dataset.v1 import dataset_service_pb2 as datasets
from sishu.dataset.v1 import example_change_service_pb2 as changes
from sishu.dataset.v1 import example_pb2, example_revision_pb2
from sishu.dataset.v1 import example_service_pb2 as examples
from sishu.dataset.v1 import statistics_service_pb2 as statistics
from sishu.dataset.v1.dataset_statistics_pb2 import StatisticsOptions
from sishu.errors import ApiError
from tests.integration.command_line import CommandLine
from tests.integration.dataset_school import Held, School, about_herons, turns
from tests.integration.stores import Rooms, started_room


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
    assert [two.number, one.number] == [2, 1]


async def restored(school: School, version_id: str, **fields: Any) -> example_revision_pb2.ExampleChange:
    request = datasets.RestoreDatasetVersionRequest(dataset_version_id=version_id, **fields)
    change = (await school.client.datasets.RestoreDatasetVersion(request)).example_change
    assert (await school.ended(change.job)).state == job_pb2.JOB_STATE_SUCCEEDED
    return await told(school, change.id)


async def told(school: School, change_id: str) -> example_revision_pb2.ExampleChange:
    request = changes.GetExampleChangeRequest(id=change_id)
    return (await school.client.example_changes.GetExampleChange(request)).example_change


async def undone(school: School, change_id: str) -> example_revision_pb2.ExampleChange:
    request = changes.UndoExampleChangeRequest(change_id=change_id)
    change = (await school.client.example_changes.UndoExampleChange(request)).example_change
    await school.ended(change.job)
    return await told(school, change.id)


def essence(example: example_pb2.Example) -> example_pb2.Example:
    """All of an example but when it was changed."""
    same = example_pb2.Example()
    same.CopyFrom(example)
    # A restore is a change of its own.
    same.ClearField("update_time")
    same.ClearField("revision")
    return same


async def essences(school: School, project_id: str) -> list[example_pb2.Example]:
    return [essence(one) for one in await school.listed(project_id)]


async def changed_since(school: School, project_id: str) -> None:
    """Change the examples of a project in every way, and add one."""
    one, two, three, four, *_ = await school.listed(project_id)
    one.messages[1].content = "爱达。"
    one.score = 1
    await school.update(one, "messages", "score")
    two.state = example_pb2.EXAMPLE_STATE_REJECTED
    await school.update(two, "state")
    await school.client.examples.DeleteExample(examples.DeleteExampleRequest(id=three.id))
    four.labels[:] = ["new"]
    await school.update(four, "labels")
    await school.create(project_id=project_id, messages=turns("New?", "Yes."))


async def test_examples_become_again_what_they_are_in_a_version(school: School) -> None:
    project_id = new_id()
    await school.imported(project_id, about_herons(3))
    await school.create(
        project_id=project_id,
        messages=[
            message_pb2.Message(role=message_pb2.ROLE_SYSTEM, content="Be kind."),
            *turns("Who?", "I."),
        ],
        labels=["z", "a"],
        score=3.5,
    )
    version = await school.made(project_id, system_prompt="Be brief.", seed=4)
    before = await essences(school, project_id)
    await changed_since(school, project_id)
    after = await essences(school, project_id)
    assert after != before

    change = await restored(school, version.id, author="Bea", delete_added=True)
    assert dict(change.counts) == {"changed": 3, "brought_back": 1, "deleted": 1}
    assert (change.changed, change.skipped, change.author) == (5, 6, "Bea")
    assert change.kind == example_revision_pb2.EXAMPLE_CHANGE_KIND_RESTORE
    assert await essences(school, project_id) == before
    again = await school.made(project_id, system_prompt="Be brief.", seed=4)
    assert again.content_sha256 == version.content_sha256
    request = changes.ListExampleRevisionsRequest(example_id=before[0].id)
    revision = (await school.client.example_changes.ListExampleRevisions(request)).example_revisions[0]
    assert list(revision.changed_fields) == ["messages", "score"]
    assert (revision.change_id, revision.before.messages[1].content) == (change.id, "爱达。")

    undo = await undone(school, change.id)
    assert (undo.changed, undo.skipped) == (5, 0)
    assert await essences(school, project_id) == after
    kept = await restored(school, version.id)
    assert dict(kept.counts) == {"changed": 3, "brought_back": 1}
    assert await essences(school, project_id) == [*before, after[-1]]
    assert not (await restored(school, version.id)).changed


async def test_a_restore_is_asked_for_once_and_of_ready_versions(school: School) -> None:
    project_id, request_id = new_id(), new_id()
    example = await school.create(project_id=project_id, messages=turns("Who?", "Ada."))
    version = await school.made(project_id, exam_share=0)
    first = await restored(school, version.id, request_id=request_id)
    assert (first.changed, first.skipped) == (0, 1)
    await school.client.examples.DeleteExample(examples.DeleteExampleRequest(id=example.id))
    assert (await restored(school, version.id, request_id=request_id)).id == first.id
    assert await school.listed(project_id) == []
    cli = CommandLine(Rooms(school.stores, school.client, {}), project_id)
    code, printed = await cli.run("dataset", "restore", f"{project_id}/1", env={"SISHU_AUTHOR": "Bea"})
    assert (code, "0 changed back, 1 brought back" in printed) == (0, True)
    assert [essence(one) for one in await school.listed(project_id)] == [essence(example)]
    code, printed = await cli.run("dataset", "restore", f"{project_id}/1", "--wait")
    assert (code, "0 changed back, 0 brought back" in printed) == (0, True)
    code, printed = await cli.run("--json", "dataset", "restore", f"{project_id}/1", "--no-wait")
    begun = json.loads(printed)
    assert (code, begun["job"]["kind"]) == (0, "restore_dataset_version")
    await school.ended((await told(school, begun["id"])).job)
    with pytest.raises(ApiError) as error:
        await restored(school, new_id())
    assert error.value.reason == "DATASET_VERSION_NOT_FOUND"


@pytest.mark.full
async def test_a_restore_goes_on_where_a_killed_worker_has_stopped(idle_school: School) -> None:
    school, project_id = idle_school, new_id()
    found = [await school.create(project_id=project_id, messages=turns(f"{n}?", "Yes.")) for n in range(9)]
    async with started_room(school.stores, "dataset", "worker"):
        version = await school.made(project_id)
    for one in found:
        one.messages[1].content = "No."
        await school.update(one, "messages")
    request = datasets.RestoreDatasetVersionRequest(dataset_version_id=version.id)
    change = (await school.client.datasets.RestoreDatasetVersion(request)).example_change
    pool = await open_pool(school.stores.env["SISHU_DATABASE_URL"], "dataset", 2)
    store = RestoreStore(pool, Jobs(pool, "dataset"))
    members = [
        Member(one.example_id, "sft", content(one), None, (), (), "en")
        for one in await school.held(version.id)
    ]
    # As much as a worker has done that was killed after its first batch; its double comes too late.
    for _ in range(2):
        await store.put_back(change.id, project_id, 0, members[:4])
    assert ((await told(school, change.id)).changed) == 4
    await pool.close()
    async with started_room(school.stores, "dataset", "worker"):
        await school.ended(change.job)
    assert (await told(school, change.id)).changed == 9
    assert {one.messages[1].content for one in await school.listed(project_id)} == {"Yes."}


def content(held: Held) -> str:
    roles = {message_pb2.ROLE_USER: "user", message_pb2.ROLE_ASSISTANT: "assistant"}
    return json.dumps(
        {"messages": [{"role": roles[one.role], "content": one.content} for one in held.messages]}
    )


async def test_a_version_is_told_of_in_figures_and_on_a_page(school: School, tmp_path: Path) -> None:
    cli = CommandLine(Rooms(school.stores, school.client, {}), new_id())
    document_id = school.documents.add(cli.project, "herons.md", chunks=4)
    asked = about_herons(8, document_id)
    for place, question in enumerate(asked):
        question.chunk_ids[:] = [derived_id(document_id, str(place % 3))]
    await school.imported(cli.project, asked)
    await school.create(project_id=cli.project, messages=turns("<b>Who</b> & why?", "Ada."), score=4)
    version = await school.made(cli.project, exam_share=0.25)
    with pytest.raises(ApiError) as error:
        await school.client.statistics.GetDatasetVersionStatistics(
            statistics.GetDatasetVersionStatisticsRequest(dataset_version_id=version.id)
        )
    assert error.value.reason == "DATASET_STATISTICS_NOT_FOUND"
    path = tmp_path / "report.html"
    name = f"{cli.project}/latest"
    code, printed = await cli.run(
        "dataset", "report", name, "-o", str(path), "--language", "zh", "--samples", "50"
    )
    assert (code, printed.strip()) == (0, str(path)), printed
    html = path.read_text(encoding="utf-8")
    assert 'lang="zh"' in html
    assert "herons.md" in html
    assert "&lt;b&gt;Who&lt;/b&gt; &amp; why?" in html

    wanted = statistics.GetDatasetVersionStatisticsRequest(dataset_version_id=version.id)
    found = (await school.client.statistics.GetDatasetVersionStatistics(wanted)).dataset_statistics
    assert (found.ready, found.split_counts) == (True, version.split_counts)
    (document,) = found.documents
    assert (document.name, document.chunks, document.chunks_used) == ("herons.md", 4, 3)
    assert (found.mean_score, found.copies.crossing_groups) == (4, 0)
    options = found.options
    again = statistics.ComputeDatasetVersionStatisticsRequest(dataset_version_id=version.id, options=options)
    same = (await school.client.statistics.ComputeDatasetVersionStatistics(again)).dataset_statistics
    assert same.id == found.id
    await school.client.datasets.DeleteDatasetVersion(datasets.DeleteDatasetVersionRequest(id=version.id))
    with pytest.raises(ApiError) as error:
        await school.client.statistics.GetDatasetVersionStatistics(wanted)
    assert error.value.reason == "DATASET_VERSION_NOT_FOUND"


async def test_statistics_open_no_file_of_this_machine(school: School) -> None:
    project_id = new_id()
    await school.create(project_id=project_id, messages=turns("Who?", "Ada."))
    version = await school.made(project_id, exam_share=0)
    options = StatisticsOptions(tokenizer="/etc/passwd")
    request = statistics.ComputeDatasetVersionStatisticsRequest(
        dataset_version_id=version.id, options=options
    )
    with pytest.raises(ApiError) as error:
        await school.client.statistics.ComputeDatasetVersionStatistics(request)
    assert error.value.reason == "TOKENIZER_NOT_ALLOWED"
