"""The dataset room: versions, over gRPC, Postgres, S3 and its queue; the generation and ingest rooms are stand-ins."""

from __future__ import annotations

import hashlib
import io
import json

import pyarrow.parquet as pq
import pytest

from services.dataset.copies.texts import normalise, similarity
from services.dataset.versions.manifest import content_sha256
from services.runtime.ids import new_id
from sishu.common.v1 import (
    job_pb2,
    job_service_pb2,
    message_pb2,
)
from sishu.common.v1.project_data_service_pb2 import DeleteProjectDataRequest
from sishu.dataset.v1 import dataset_service_pb2 as datasets
from sishu.dataset.v1 import dataset_version_pb2 as versions
from sishu.dataset.v1 import example_filter_pb2, example_pb2, export_pb2, export_service_pb2
from sishu.dataset.v1 import example_service_pb2 as examples
from sishu.errors import ApiError
from tests.integration.dataset_school import (
    FORMS,
    KEPT,
    READY,
    SPLITS,
    Held,
    School,
    about_herons,
    name_of,
    question,
    rejected,
    turns,
)
from tests.integration.processes import eventually
from tests.integration.stores import started_room


async def test_a_version_holds_every_kept_example_once_and_its_files_agree(school: School) -> None:
    project_id = new_id()
    generation_id = await school.imported(project_id, [*about_herons(20), *about_herons(1), rejected("No?")])
    kept = {one.id: one for one in await school.listed(project_id, states=[KEPT])}
    version = await school.made(
        project_id,
        system_prompt="Be brief.",
        filter=example_filter_pb2.ExampleFilter(generation_ids=[generation_id]),
        seed=3,
    )

    assert (version.number, version.parent_id) == (1, "")
    assert version.split_counts == {"train": 48, "exam": 12}
    assert not version.dropped_counts
    rows = {}
    for side in ("train", "exam"):
        rows[side] = await school.rows(version.id, side)
    assert {row["id"] for side in rows.values() for row in side} == set(kept)
    for row in rows["train"]:
        system, asked, answer = row["messages"]
        assert system == {"role": "system", "content": "Be brief."}
        assert asked == {"role": "user", "content": kept[row["id"]].messages[0].content}
        assert answer == {"role": "assistant", "content": kept[row["id"]].messages[1].content}

    taught = {kept[row["id"]].quotes[0].span.start for row in rows["train"]}
    assert {kept[row["id"]].quotes[0].span.start for row in rows["exam"]} <= taught
    pairs = [
        (one["messages"][1]["content"], other["messages"][1]["content"])
        for one in rows["train"]
        for other in rows["exam"]
    ]
    assert max(similarity(normalise(one), normalise(other)) for one, other in pairs) < 0.7


async def test_the_manifest_of_a_version_names_its_files(school: School) -> None:
    project_id = new_id()
    await school.imported(project_id, about_herons(10))
    version = await school.made(project_id)
    assert set(await school.shards(version.id, "exam")) == {"exam-00000.parquet"}
    stored = await school.shards(version.id)
    assert set(stored) == {"train-00000.parquet", "exam-00000.parquet"}
    manifest = await school.manifest(version.id)
    assert content_sha256(manifest) == manifest["content_sha256"] == version.content_sha256
    digests = {file["name"]: file["sha256"] for file in manifest["files"]}
    assert digests == {name: hashlib.sha256(content).hexdigest() for name, content in stored.items()}
    assert manifest["facts_in_train"] == version.split_counts["exam"] == 6
    table = pq.read_table(io.BytesIO(stored["train-00000.parquet"]))
    assert table.num_rows == version.split_counts["train"] == 24
    lineages = map(json.loads, table.column("lineage").to_pylist())
    assert {lineage["answer_origin"]["model"] for lineage in lineages} == {"mock"}


async def test_equal_versions_have_equal_content_and_another_seed_another(school: School) -> None:
    project_id = new_id()
    await school.imported(project_id, about_herons(15))
    first = await school.made(project_id, seed=1)
    again = await school.made(project_id, seed=1)
    other = await school.made(project_id, seed=2)
    assert first.content_sha256 == again.content_sha256 != other.content_sha256
    one, two = [(await school.shards(version.id)) for version in (first, again)]
    assert set(one) == {"train-00000.parquet", "exam-00000.parquet"}
    assert one == two
    assert (await school.manifest(again.id))["parent_content_sha256"] == first.content_sha256

    assert [first.number, again.number, other.number] == [1, 2, 3]
    assert (again.parent_id, other.parent_id) == (first.id, again.id)
    page = await school.client.datasets.ListDatasetVersions(
        datasets.ListDatasetVersionsRequest(project_id=project_id, page_size=2)
    )
    rest = await school.client.datasets.ListDatasetVersions(
        datasets.ListDatasetVersionsRequest(
            project_id=project_id, page_size=2, page_token=page.next_page_token
        )
    )
    found = [*page.dataset_versions, *rest.dataset_versions]
    assert [one.id for one in found] == [other.id, again.id, first.id]


async def test_pages_of_versions_with_long_options_end_before_they_are_too_large(idle_school: School) -> None:
    school, project_id = idle_school, new_id()
    await school.create(project_id=project_id, messages=turns("Who?", "Ada."))
    for _ in range(40):
        await school.start_version(project_id, system_prompt="简" * 10_000)
    request = datasets.ListDatasetVersionsRequest(project_id=project_id)
    page = await school.client.datasets.ListDatasetVersions(request)
    assert 30 <= len(page.dataset_versions) < 40
    assert page.ByteSize() < 2**20 + 40_000
    gone = DeleteProjectDataRequest(project_id=project_id)
    await school.client.project_data("dataset").DeleteProjectData(gone)


async def test_a_version_needs_a_kept_example(school: School) -> None:
    project_id = new_id()
    await school.imported(project_id, [rejected("No?")])
    with pytest.raises(ApiError) as error:
        await school.start_version(project_id)
    assert (error.value.code, error.value.reason) == ("FAILED_PRECONDITION", "NO_EXAMPLES")
    await school.imported(project_id, [question("Yes?")])
    with pytest.raises(ApiError) as error:
        await school.start_version(
            project_id, filter=example_filter_pb2.ExampleFilter(generation_ids=[new_id()])
        )
    assert error.value.reason == "NO_EXAMPLES"


async def test_what_a_version_holds_is_listed_as_its_files_have_it(school: School) -> None:
    project_id = new_id()
    await school.imported(project_id, about_herons(6))
    sources = {one.id: one for one in await school.listed(project_id)}
    version = await school.made(project_id, system_prompt="Be brief.")
    by_side = {side: await school.held(version.id, split=SPLITS[side]) for side in ("train", "exam")}
    assert await school.held(version.id) == [*by_side["train"], *by_side["exam"]]
    assert {side: len(found) for side, found in by_side.items()} == version.split_counts
    for side, found in by_side.items():
        assert [(one.example_id, said(one)) for one in found] == [
            (row["id"], [(each["role"], each["content"]) for each in row["messages"]])
            for row in await school.rows(version.id, side)
        ]
        assert [one.position for one in found] == list(range(len(found)))
        assert {one.split for one in found} == {SPLITS[side]}
        for one in found:
            source = sources[one.example_id]
            assert list(one.messages[1:]) == list(source.messages)
            assert one.messages[0].content == "Be brief."
            assert list(one.quotes) == list(source.quotes)
            assert (one.kind, one.lineage) == (source.kind, source.lineage)


def said(held: Held) -> list[tuple[str, str]]:
    names = {message_pb2.ROLE_SYSTEM: "system", message_pb2.ROLE_USER: "user"}
    return [(names.get(message.role, "assistant"), message.content) for message in held.messages]


async def test_a_version_keeps_its_copy_of_a_changed_or_deleted_example(school: School) -> None:
    project_id = new_id()
    await school.imported(project_id, about_herons(4))
    version = await school.made(project_id)
    files, held = await school.files(version.id), await school.held(version.id)
    changed, deleted, *_ = await school.listed(project_id)
    changed.messages[1].content = "Changed."
    await school.update(changed, "messages")
    await school.client.examples.DeleteExample(examples.DeleteExampleRequest(id=deleted.id))
    assert await school.files(version.id) == files
    assert await school.held(version.id) == held
    assert len(held) == 12
    assert (await school.version(version.id)).split_counts == version.split_counts


async def test_pages_of_long_examples_end_before_they_are_too_large_for_a_client(school: School) -> None:
    project_id = new_id()
    for number in range(3):
        await school.create(
            project_id=project_id, messages=turns(f"Who is {name_of(number)}?", "x" * 700_000)
        )
    version = await school.made(project_id, exam_share=0)
    listed = examples.ListExamplesRequest(project_id=project_id)
    assert len((await school.client.examples.ListExamples(listed)).examples) == 1
    held = datasets.ListDatasetVersionExamplesRequest(dataset_version_id=version.id)
    page = await school.client.datasets.ListDatasetVersionExamples(held)
    assert len(page.dataset_version_examples) == 1
    assert len(await school.held(version.id)) == len(await school.listed(project_id)) == 3


async def test_exam_items_by_hand_are_examined_and_never_trained_on(school: School) -> None:
    project_id = new_id()
    await school.imported(project_id, about_herons(4))
    item = await school.create(
        project_id=project_id,
        kind=example_pb2.EXAMPLE_KIND_EXAM_ITEM,
        messages=turns(FORMS[0].format(n=name_of(0)) + "!", "0 g"),
    )
    version = await school.made(project_id, exam_share=0)
    exam = await school.held(version.id, split=versions.DATASET_SPLIT_EXAM)
    assert [(one.example_id, one.kind) for one in exam] == [(item.id, item.kind)]
    assert version.dropped_counts == {"NEAR_COPY": 1}
    assert version.split_counts == {"train": 11, "exam": 1}


async def test_a_deleted_version_leaves_no_object_and_gives_its_number_to_none(school: School) -> None:
    project_id = new_id()
    await school.imported(project_id, about_herons(2))
    version = await school.made(project_id)
    request = datasets.DeleteDatasetVersionRequest(id=version.id)
    assert (await school.client.datasets.DeleteDatasetVersion(request)).deleted_objects == 3
    for read in (school.version(version.id), school.held(version.id)):
        with pytest.raises(ApiError) as error:
            await read
        assert error.value.reason == "DATASET_VERSION_NOT_FOUND"
    assert len(await school.listed(project_id)) == 6
    assert (await school.made(project_id)).number == 2


async def test_a_version_in_the_making_is_not_handed_over_and_can_be_cancelled(idle_school: School) -> None:
    school, project_id = idle_school, new_id()
    await school.create(project_id=project_id, messages=turns("Who?", "Ada."))
    request_id = new_id()
    version = await school.start_version(project_id, request_id)
    assert (await school.start_version(project_id, request_id)).id == version.id
    assert version.state == versions.DATASET_VERSION_STATE_MAKING
    assert (version.options.exam_share, version.options.near_copy_threshold) == (0.2, 0.7)
    assert (version.options.HasField("seed"), version.options.seed) == (True, 0)
    export = export_pb2.Export(
        dataset_version_id=version.id, options=export_pb2.ExportOptions(shape="messages_jsonl")
    )
    handed_over = school.client.exports.CreateExport(export_service_pb2.CreateExportRequest(export=export))
    for read in (handed_over, school.held(version.id)):
        with pytest.raises(ApiError) as error:
            await read
        assert (error.value.code, error.value.reason) == ("FAILED_PRECONDITION", "DATASET_VERSION_NOT_READY")
    await school.client.jobs("dataset").CancelJob(job_service_pb2.CancelJobRequest(id=version.job.id))
    assert (await school.version(version.id)).state == versions.DATASET_VERSION_STATE_FAILED
    request = datasets.DeleteDatasetVersionRequest(id=version.id)
    assert (await school.client.datasets.DeleteDatasetVersion(request)).deleted_objects == 0


async def test_a_version_whose_examples_are_gone_fails_and_comes_back_to_life(idle_school: School) -> None:
    school, project_id = idle_school, new_id()
    example = await school.create(project_id=project_id, messages=turns("Who?", "Ada."))
    version = await school.start_version(project_id)
    await school.client.examples.DeleteExample(examples.DeleteExampleRequest(id=example.id))
    async with started_room(school.stores, "dataset", "worker"):
        assert (await school.ended(version.job)).state == job_pb2.JOB_STATE_FAILED
        assert (await school.version(version.id)).state == versions.DATASET_VERSION_STATE_FAILED
        await school.create(project_id=project_id, messages=turns("Who?", "Ada."))
        await school.client.jobs("dataset").RetryJob(job_service_pb2.RetryJobRequest(id=version.job.id))
        await school.ended(version.job)
    assert (await school.version(version.id)).state == READY


async def test_versions_made_at_once_do_not_wait_for_each_others_connections(idle_school: School) -> None:
    school, project_id = idle_school, new_id()
    await school.create(project_id=project_id, messages=turns("Who?", "Ada."))
    started = [await school.start_version(project_id) for _ in range(8)]
    narrow = {"SISHU_DATABASE_CONNECTIONS": "4", "SISHU_DATASET_CONCURRENCY": "8"}
    async with started_room(school.stores, "dataset", "worker", env=narrow):
        for version in started:
            assert (await school.ended(version.job, 60.0)).state == job_pb2.JOB_STATE_SUCCEEDED


@pytest.mark.full
async def test_a_version_waits_for_a_bucket_that_is_away(idle_school: School) -> None:
    school, project_id = idle_school, new_id()
    for name in ("Who?", "Where?", "When exactly?"):
        await school.create(project_id=project_id, messages=turns(name, "Ada."))
    async with started_room(school.stores, "dataset", "worker") as worker:
        await school.stores.servers.s3.stop()
        version = await school.start_version(project_id)

        async def retried() -> bool:
            return "item_retried" in worker.log()

        await eventually(retried, 60.0)
        await school.stores.servers.s3.start()
        await school.ended(version.job)
    assert (await school.version(version.id)).state == READY
    assert set(await school.shards(version.id)) == {"train-00000.parquet", "exam-00000.parquet"}


async def test_a_version_is_made_though_the_worker_that_makes_it_is_killed(idle_school: School) -> None:
    school, project_id = idle_school, new_id()
    await school.create(project_id=project_id, messages=turns("Who?", "Ada."))
    async with started_room(school.stores, "dataset", "worker") as worker:
        await school.stores.servers.s3.stop()
        version = await school.start_version(project_id)

        async def uploading() -> bool:
            return (await school.version(version.id)).job.progress != ""

        await eventually(uploading, 60.0)
        await worker.kill()
    await school.stores.servers.s3.start()
    async with started_room(school.stores, "dataset", "worker"):
        assert (await school.ended(version.job)).counts.done == 1
    assert (await school.version(version.id)).state == READY
