"""The dataset room: exports, over gRPC, Postgres, S3 and its queue; the generation and ingest rooms are stand-ins."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from typing import Any

import asyncpg
import httpx
import pyarrow.parquet as pq
import pytest
import pytest_asyncio

from services.runtime.ids import new_id
from sishu.common.v1 import job_pb2, job_service_pb2
from sishu.common.v1.project_data_service_pb2 import DeleteProjectDataRequest
from sishu.dataset.v1 import dataset_service_pb2 as datasets
from sishu.dataset.v1 import dataset_version_pb2 as versions
from sishu.dataset.v1 import example_pb2, review_pb2, review_service_pb2
from sishu.dataset.v1 import export_pb2 as exports
from sishu.dataset.v1 import export_service_pb2 as pb
from sishu.errors import ApiError
from tests.integration.dataset_school import School, about_herons, question, turns
from tests.integration.processes import eventually
from tests.integration.stores import started_room

READY = exports.EXPORT_STATE_READY


async def ask(school: School, version_id: str, **options: object) -> exports.Export:
    wanted = exports.Export(
        dataset_version_id=version_id,
        options=exports.ExportOptions(**options),  # type: ignore[arg-type]
    )
    return (await school.client.exports.CreateExport(pb.CreateExportRequest(export=wanted))).export


async def got(school: School, export_id: str) -> exports.Export:
    return (await school.client.exports.GetExport(pb.GetExportRequest(id=export_id))).export


async def ready(school: School, asked: exports.Export) -> exports.Export:
    await school.ended(asked.job)
    found = await got(school, asked.id)
    assert found.state == READY, found.job
    return found


async def files_of(school: School, export_id: str) -> dict[str, bytes]:
    links = (await school.client.exports.GetExportFiles(pb.GetExportFilesRequest(id=export_id))).files
    found = {}
    async with httpx.AsyncClient(trust_env=False) as http:
        for link in links:
            found[link.name] = (await http.get(link.url)).raise_for_status().content
            assert len(found[link.name]) == link.size_bytes
            assert hashlib.sha256(found[link.name]).hexdigest() == link.sha256
    return found


async def version_of(school: School, herons: int = 10) -> tuple[str, str]:
    project_id = new_id()
    generation_id = await school.imported(project_id, about_herons(herons))
    return project_id, (await school.made(project_id, filter={"generation_ids": [generation_id]})).id


async def test_an_export_holds_what_the_version_holds(school: School) -> None:
    project_id, version_id = await version_of(school)
    asked = await ask(school, version_id, shape="messages_jsonl")
    assert asked.project_id == project_id
    made = await ready(school, asked)
    found = await files_of(school, made.id)
    assert sorted(found) == ["exam.jsonl", "train.jsonl"]
    for side in ("train", "exam"):
        lines = found[f"{side}.jsonl"].splitlines()
        assert list(map(json.loads, lines)) == await school.rows(version_id, side)
    (exam, train) = made.files
    assert (train.name, train.shape, train.split) == (
        "train.jsonl",
        "messages_jsonl",
        versions.DATASET_SPLIT_TRAIN,
    )
    assert train.example_counts == {"sft": train.rows}
    assert train.rows + exam.rows == 30
    assert made.job.kind == "make_export"


async def test_equal_options_give_the_export_that_is_there(school: School) -> None:
    project_id, version_id = await version_of(school)
    first, *rest = await asyncio.gather(
        *(ask(school, version_id, shape="alpaca", splits=[1, 2]) for _ in range(4)),
        ask(school, version_id, shape="alpaca", splits=[2, 1, 1]),
    )
    assert {one.id for one in rest} == {first.id}
    other = await ask(school, version_id, shape="alpaca", system_prompt="Be brief.")
    assert other.id != first.id
    listed = (await school.client.exports.ListExports(pb.ListExportsRequest(project_id=project_id))).exports
    assert [one.id for one in listed] == sorted([first.id, other.id], reverse=True)
    await ready(school, first)
    assert (await ask(school, version_id, shape="alpaca", splits=[1, 2])).state == READY


async def test_a_request_id_gives_its_first_export(school: School) -> None:
    _, version_id = await version_of(school, 2)
    request_id = new_id()

    async def again(shape: str) -> exports.Export:
        options = exports.ExportOptions(shape=shape)
        wanted = exports.Export(dataset_version_id=version_id, options=options)
        request = pb.CreateExportRequest(export=wanted, request_id=request_id)
        return (await school.client.exports.CreateExport(request)).export

    first = await again("alpaca")
    assert (await again("openai")).id == first.id
    await ready(school, first)
    await school.client.exports.DeleteExport(pb.DeleteExportRequest(id=first.id))
    assert (await again("openai")).id != first.id


async def test_a_bundle_is_a_folder_with_all_that_its_program_wants(school: School) -> None:
    _, version_id = await version_of(school)
    made = await ready(school, await ask(school, version_id, bundle="hugging_face"))
    found = await files_of(school, made.id)
    assert sorted(found) == [
        "README.md",
        "data/exam-00000-of-00001.parquet",
        "data/train-00000-of-00001.parquet",
    ]
    table = pq.read_table(io.BytesIO(found["data/train-00000-of-00001.parquet"]))
    assert f"num_examples: {table.num_rows}" in found["README.md"].decode()
    folder = await ready(school, await ask(school, version_id, bundle="llama_factory"))
    info = json.loads((await files_of(school, folder.id))["dataset_info.json"])
    assert sorted(info) == ["sishu_alpaca", "sishu_exam_alpaca", "sishu_exam_sharegpt", "sishu_sharegpt"]


async def test_what_cannot_be_made_is_refused_before_a_job_starts(school: School) -> None:
    project_id, version_id = await version_of(school, 2)
    column = exports.ExportColumn(name="told", template="{{ anser }}")
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({}, "EXPORT_SHAPE_MISSING", "llama_factory"),
        ({"shape": "alpca"}, "EXPORT_OPTION_UNFIT", "alpaca"),
        ({"shape": "custom", "columns": [column]}, "EXPORT_COLUMN_INVALID", "column told"),
        ({"shape": "alpaca", "system_prompt": "\0"}, "FIELD_INVALID", "NUL"),
    ]
    for options, reason, word in cases:
        with pytest.raises(ApiError) as raised:
            await ask(school, version_id, **options)
        assert (raised.value.code, raised.value.reason) == ("INVALID_ARGUMENT", reason)
        assert word in str(raised.value)
    with pytest.raises(ApiError) as raised:
        await ask(school, new_id(), shape="alpaca")
    assert raised.value.reason == "DATASET_VERSION_NOT_FOUND"
    listed = await school.client.exports.ListExports(pb.ListExportsRequest(project_id=project_id))
    assert not listed.exports


async def test_an_export_of_nothing_fails_and_can_be_asked_for_again(school: School) -> None:
    _, version_id = await version_of(school, 2)
    asked = await ask(school, version_id, shape="dpo_trl", kinds=[example_pb2.EXAMPLE_KIND_PREFERENCE])
    assert (await school.ended(asked.job)).state == job_pb2.JOB_STATE_FAILED
    assert (await got(school, asked.id)).state == exports.EXPORT_STATE_FAILED
    failures = await school.client.jobs("dataset").ListJobFailures(
        job_service_pb2.ListJobFailuresRequest(job_id=asked.job.id)
    )
    assert [one.failure.reason for one in failures.job_failures] == ["NOTHING_TO_EXPORT"]
    with pytest.raises(ApiError) as raised:
        await school.client.exports.GetExportFiles(pb.GetExportFilesRequest(id=asked.id))
    assert raised.value.reason == "EXPORT_NOT_READY"
    again = await ask(school, version_id, shape="dpo_trl", kinds=[example_pb2.EXAMPLE_KIND_PREFERENCE])
    assert again.id == asked.id


async def test_an_export_by_a_filter_holds_what_fits_as_it_was_when_the_version_was_made(
    school: School,
) -> None:
    project_id, document_id, tag_id = new_id(), new_id(), new_id()
    texts = ["Who wrote it?", "Where does the heron nest?", "When exactly?", "And why was that so?"]
    given: list[dict[str, Any]] = [{"score": 4, "labels": ["a"]}, {"score": 3, "tag_ids": [tag_id]}, {}, {}]
    made = [
        await school.create(project_id=project_id, messages=turns(text, "Ada."), **more)
        for text, more in zip(texts, given, strict=True)
    ]
    await school.imported(project_id, [question("What does it weigh?", document_id=document_id)])
    for one in made[:2]:
        await accept(school, one.id)
    version = await school.made(project_id, exam_share=0.0)
    # What is reviewed later counts in the next version.
    await accept(school, made[2].id)

    async def ids(**wanted: Any) -> list[str]:
        asked = await ask(school, version.id, shape="messages_jsonl", filter=exports.ExportFilter(**wanted))
        found = await files_of(school, (await ready(school, asked)).id)
        return [json.loads(line)["id"] for line in found["train.jsonl"].splitlines()]

    (imported,) = await ids(document_ids=[document_id])
    rest = [one.id for one in made]
    found = await asyncio.gather(
        ids(review_states=[example_pb2.REVIEW_STATE_ACCEPTED]),
        ids(review_states=[example_pb2.REVIEW_STATE_UNREVIEWED], sources=["hand"]),
        ids(labels=["a", "b"], min_score=4.0, max_score=1e22),
        ids(tag_ids=[tag_id], max_score=3.0),
        ids(text="HERON NEST"),
        ids(languages=["en"], question_types=[""]),
    )
    wanted = [rest[:2], rest[2:], rest[:1], rest[1:2], rest[1:2], [*rest, imported]]
    assert list(map(sorted, found)) == list(map(sorted, wanted))

    filters = [exports.ExportFilter(labels=labels) for labels in (["a", "b"], ["b", "a", "b"])]
    export, same = [await ask(school, version.id, shape="openai", filter=wanted) for wanted in filters]
    assert export.id == same.id
    assert export.options.filter == filters[0]
    assert not (await ask(school, version.id, shape="openai")).options.HasField("filter")


async def accept(school: School, example_id: str) -> None:
    review = review_pb2.Review(
        example_id=example_id, reviewer="Bea", verdict=review_pb2.REVIEW_VERDICT_ACCEPT
    )
    await school.client.reviews.CreateReview(review_service_pb2.CreateReviewRequest(review=review))


async def test_a_filter_that_nothing_fits_or_that_is_none_is_told_of(school: School) -> None:
    _, version_id = await version_of(school, 2)
    wanted = exports.ExportFilter(
        review_states=[example_pb2.REVIEW_STATE_ACCEPTED, example_pb2.REVIEW_STATE_DISPUTED], text="Heron"
    )
    asked = await ask(school, version_id, shape="alpaca", filter=wanted)
    assert (await school.ended(asked.job)).state == job_pb2.JOB_STATE_FAILED
    (failure,) = (
        await school.client.jobs("dataset").ListJobFailures(
            job_service_pb2.ListJobFailuresRequest(job_id=asked.job.id)
        )
    ).job_failures
    assert failure.failure.reason == "NOTHING_TO_EXPORT"
    assert "filter (review_states 'accepted', 'disputed'; text 'Heron')" in failure.failure.message
    for wrong, field in (
        (exports.ExportFilter(review_states=[example_pb2.REVIEW_STATE_UNSPECIFIED]), "review_states"),
        (exports.ExportFilter(review_states=[9]), "review_states"),  # type: ignore[list-item]
        (exports.ExportFilter(min_score=float("nan")), "min_score"),
        (exports.ExportFilter(labels=["\0"]), "filter.labels"),
    ):
        with pytest.raises(ApiError) as raised:
            await ask(school, version_id, shape="alpaca", filter=wrong)
        assert raised.value.code == "INVALID_ARGUMENT"
        assert field in str(raised.value)


async def test_a_deleted_export_leaves_nothing_and_a_version_takes_its_exports_along(school: School) -> None:
    project_id, version_id = await version_of(school, 2)
    one = await ready(school, await ask(school, version_id, shape="alpaca"))
    two = await ready(school, await ask(school, version_id, shape="openai"))
    deleted = await school.client.exports.DeleteExport(pb.DeleteExportRequest(id=one.id))
    assert deleted.deleted_objects == 2
    with pytest.raises(ApiError) as raised:
        await school.client.exports.GetExport(pb.GetExportRequest(id=one.id))
    assert raised.value.reason == "EXPORT_NOT_FOUND"
    assert len(await files_of(school, two.id)) == 2
    await school.client.datasets.DeleteDatasetVersion(datasets.DeleteDatasetVersionRequest(id=version_id))
    with pytest.raises(ApiError) as raised:
        await school.client.exports.GetExport(pb.GetExportRequest(id=two.id))
    assert raised.value.reason == "EXPORT_NOT_FOUND"
    listed = await school.client.exports.ListExports(pb.ListExportsRequest(project_id=project_id))
    assert not listed.exports


async def test_the_data_of_a_project_go_with_its_exports(school: School) -> None:
    project_id, version_id = await version_of(school, 2)
    await ready(school, await ask(school, version_id, shape="alpaca"))
    answer = await school.client.project_data("dataset").DeleteProjectData(
        DeleteProjectDataRequest(project_id=project_id)
    )
    assert answer.deleted_rows["dataset.exports"] == 1


@pytest_asyncio.fixture(scope="module")
async def idle_version_id(idle_school: School) -> str:
    """A version of a school whose queue nobody works on."""
    school, project_id = idle_school, new_id()
    for name in ("Who?", "Where?", "When exactly?", "And why was that so?"):
        await school.create(project_id=project_id, messages=turns(name, "Ada."))
    async with started_room(school.stores, "dataset", "worker"):
        return (await school.made(project_id, exam_share=0.5)).id


async def test_a_cancelled_export_is_made_anew(idle_school: School, idle_version_id: str) -> None:
    school = idle_school
    asked = await ask(school, idle_version_id, shape="alpaca")
    await school.client.jobs("dataset").CancelJob(job_service_pb2.CancelJobRequest(id=asked.job.id))
    again = await ask(school, idle_version_id, shape="alpaca")
    assert again.id != asked.id
    assert again.job.state == job_pb2.JOB_STATE_PENDING


async def test_what_is_complete_is_not_made_again_by_the_heir_of_a_killed_worker(
    idle_school: School, idle_version_id: str
) -> None:
    school = idle_school
    asked = await ask(school, idle_version_id, bundle="llama_factory")
    connection = await asyncpg.connect(school.stores.env["SISHU_DATABASE_URL"])
    await connection.execute("SET search_path TO dataset")

    async def noted() -> dict[str, str]:
        rows = await connection.fetch("SELECT name, key FROM export_files WHERE export_id = $1", asked.id)
        return {row["name"]: row["key"] for row in rows if row["key"]}

    async def one_is_noted() -> bool:
        return bool(await noted())

    async with started_room(school.stores, "dataset", "worker") as worker:
        hindrance = connection.transaction()
        await hindrance.start()
        # Whoever notes the second file waits for this to end.
        await connection.execute(
            "INSERT INTO export_files (export_id, name, key, media_type, size_bytes, sha256) "
            "VALUES ($1, 'sharegpt.json', '', '', 0, '')",
            asked.id,
        )
        await eventually(one_is_noted)
        await worker.kill()
        await hindrance.rollback()
    before = await noted()
    assert list(before) == ["alpaca.json"]
    assert (await got(school, asked.id)).state == exports.EXPORT_STATE_MAKING
    assert not (await got(school, asked.id)).files
    with pytest.raises(ApiError) as raised:
        await school.client.exports.GetExportFiles(pb.GetExportFilesRequest(id=asked.id))
    assert raised.value.reason == "EXPORT_NOT_READY"
    async with started_room(school.stores, "dataset", "worker"):
        made = await ready(school, asked)
    after = await noted()
    await connection.close()
    assert after["alpaca.json"] == before["alpaca.json"]
    assert len({key.rpartition("/")[0] for key in after.values()}) == 2
    assert sorted(after) == [file.name for file in made.files]
    found = await files_of(school, asked.id)
    assert sorted(found) == sorted(after)
    assert {one["file_name"] for one in json.loads(found["dataset_info.json"]).values()} < set(found)


@pytest.mark.full
async def test_an_export_waits_for_a_bucket_that_is_away(idle_school: School, idle_version_id: str) -> None:
    school = idle_school
    async with started_room(school.stores, "dataset", "worker") as worker:
        await school.stores.servers.s3.stop()
        asked = await ask(school, idle_version_id, shape="openai")

        async def retried() -> bool:
            return "item_retried" in worker.log()

        await eventually(retried, 60.0)
        await school.stores.servers.s3.start()
        await ready(school, asked)
    assert len(await files_of(school, asked.id)) == 2
