"""The dataset room: examples, over gRPC, Postgres and its queue; the generation and ingest rooms are stand-ins."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.runtime.ids import new_id
from sishu.common.v1 import (
    failure_pb2,
    job_pb2,
    job_service_pb2,
    message_pb2,
)
from sishu.common.v1.project_data_service_pb2 import DeleteProjectDataRequest
from sishu.dataset.v1 import dataset_service_pb2 as datasets
from sishu.dataset.v1 import example_filter_pb2, example_pb2
from sishu.dataset.v1 import example_service_pb2 as examples
from sishu.dataset.v1.import_pb2 import Import
from sishu.dataset.v1.import_service_pb2 import CreateImportRequest
from sishu.errors import ApiError
from tests.integration.dataset_school import (
    KEPT,
    REJECTED,
    FakeProjects,
    School,
    about_herons,
    closed_items,
    open_question,
    question,
    rejected,
    turns,
)
from tests.integration.fake_generations import Gate
from tests.integration.processes import eventually
from tests.integration.stores import started_room


async def test_every_answered_or_rejected_question_becomes_one_example(school: School) -> None:
    project_id = new_id()
    asked = [
        question("How heavy is it?"),
        rejected("Where is it?"),
        open_question("Why is it?"),
        question("How heavy  is it?", "The same again."),
    ]
    generation_id = await school.imported(project_id, asked)
    first, second, third = await school.listed(project_id)

    assert (first.state, first.kind) == (KEPT, example_pb2.EXAMPLE_KIND_SFT)
    assert [message.content for message in first.messages] == [
        "How heavy is it?",
        "1.4 kg.\r\n轻。",
    ]
    assert first.messages[1].reasoning == "Look it up."
    assert list(first.quotes) == [asked[0].fact]
    lineage = first.lineage
    assert lineage.generation_id == generation_id
    assert (list(lineage.question_ids), list(lineage.chunk_ids)) == ([asked[0].id], list(asked[0].chunk_ids))
    assert (lineage.document_id, lineage.document_version) == (asked[0].document_ids[0], 1)
    assert lineage.fact_id == asked[0].fact_id
    assert lineage.question_origin == asked[0].origin
    assert lineage.answer_origin == asked[0].answer.origin

    assert second.state == REJECTED
    assert second.rejection == asked[1].rejection
    assert third.state == REJECTED
    assert third.rejection.reason == "DUPLICATE"
    assert third.rejection.metadata["example_id"] == first.id


async def test_two_generations_may_ask_the_same_and_a_version_keeps_the_newest(school: School) -> None:
    project_id = new_id()
    old = await school.imported(project_id, about_herons(4))
    new = await school.imported(project_id, about_herons(4))
    assert {example.state for example in await school.listed(project_id)} == {KEPT}
    assert len(await school.listed(project_id)) == 2 * 4 * 3
    alone = await school.made(
        project_id, exam_share=0.2, filter=example_filter_pb2.ExampleFilter(generation_ids=[new])
    )
    assert sum(alone.split_counts.values()) == 4 * 3 - sum(alone.dropped_counts.values())
    both = await school.made(project_id, exam_share=0.2)
    assert both.dropped_counts["DUPLICATE"] == 4 * 3
    assert both.split_counts == alone.split_counts
    members = await school.held(both.id, page_size=100)
    assert {member.lineage.generation_id for member in members} == {new}
    assert old not in {member.lineage.generation_id for member in members}


async def test_a_second_import_makes_only_what_is_new(school: School) -> None:
    project_id = new_id()
    asked = [question("One?"), open_question("Two?")]
    generation_id = await school.imported(project_id, asked)
    before = await school.listed(project_id)
    await school.ended(await school.start_import(project_id, generation_id))
    assert await school.listed(project_id) == before

    asked[1].CopyFrom(question("Two?"))
    asked[1].project_id, asked[1].generation_id = project_id, generation_id
    await school.ended(await school.start_import(project_id, generation_id))
    assert [one.messages[0].content for one in await school.listed(project_id)] == ["One?", "Two?"]


async def test_a_repeated_request_gives_the_first_job(school: School) -> None:
    project_id, request_id = new_id(), new_id()
    generation_id = school.generations.add(project_id, [question("One?")])
    first = await school.start_import(project_id, generation_id, request_id)
    assert (await school.start_import(project_id, generation_id, request_id)).id == first.id
    await school.ended(first)


async def test_two_imports_of_a_generation_at_once_keep_one_of_two_equal_questions(school: School) -> None:
    project_id = new_id()
    asked = [question(f"What is {number % 300}?") for number in range(600)]
    generation_id = school.generations.add(project_id, asked)
    jobs = [await school.start_import(project_id, generation_id) for _ in range(2)]
    await asyncio.gather(*map(school.ended, jobs))
    kept = await school.listed(project_id, states=[KEPT])
    assert len(kept) == len({one.messages[0].content for one in kept}) == 300
    assert len(await school.listed(project_id, states=[REJECTED])) == 300


async def test_a_cancelled_import_stores_nothing_more(school: School) -> None:
    project_id = new_id()
    generation_id = school.generations.add(project_id, [question(f"What is {at}?") for at in range(100)])
    closed = await closed_items(school.room, "import_generations")
    gate = school.generations.gate = Gate(place=10)
    school.generations.largest_page = 5
    try:
        job = await school.start_import(project_id, generation_id)
        await asyncio.wait_for(gate.reached.wait(), 30)
        await school.client.jobs("dataset").CancelJob(job_service_pb2.CancelJobRequest(id=job.id))
        asked = school.generations.pages
        gate.opened.set()

        async def noticed() -> bool:
            return await closed_items(school.room, "import_generations") > closed

        await eventually(noticed)
    finally:
        school.generations.largest_page, school.generations.gate = 1000, None
    assert len(await school.listed(project_id)) == 10
    assert school.generations.pages == asked


async def test_a_repeated_request_gives_what_it_made_whatever_else_it_says(school: School) -> None:
    project_id, request_id = new_id(), new_id()
    job = await school.start_import(project_id, school.generations.add(project_id, []), request_id)
    assert (await school.start_import(project_id, new_id(), request_id)).id == job.id
    example = await school.create(request_id, project_id=project_id, messages=turns("Who?", "Ada."))
    assert await school.create(request_id, project_id=FakeProjects.missing, messages=turns("Who?")) == example
    version = await school.start_version(project_id, request_id)
    assert (await school.start_version(new_id(), request_id)).id == version.id


async def test_a_repeated_request_makes_anew_what_was_deleted_since(school: School) -> None:
    project_id, request_id = new_id(), new_id()
    wanted = {"project_id": project_id, "messages": turns("Who?", "Ada.")}
    example = await school.create(request_id, **wanted)
    await school.client.examples.DeleteExample(examples.DeleteExampleRequest(id=example.id))
    again = await school.create(request_id, **wanted)
    assert again.id != example.id

    version = await school.start_version(project_id, request_id)
    await school.ended(version.job)
    await school.client.datasets.DeleteDatasetVersion(datasets.DeleteDatasetVersionRequest(id=version.id))
    second = await school.start_version(project_id, request_id)
    assert second.id != version.id
    await school.ended(second.job)

    generation_id = school.generations.add(project_id, [])
    job = await school.start_import(project_id, generation_id, request_id)
    await school.ended(job)
    gone = DeleteProjectDataRequest(project_id=project_id)
    await school.client.project_data("dataset").DeleteProjectData(gone)
    assert (await school.start_import(project_id, generation_id, request_id)).id != job.id
    assert (await school.create(request_id, **wanted)).id != again.id
    assert (await school.start_version(project_id, request_id)).id != second.id


async def test_an_import_says_where_from(school: School) -> None:
    with pytest.raises(ApiError) as error:
        wanted: dict[str, Any] = {"import": Import(project_id=new_id())}
        await school.client.imports.CreateImport(CreateImportRequest(**wanted))
    assert (error.value.code, error.value.field) == ("INVALID_ARGUMENT", "import.source")


async def test_an_import_names_a_wrong_generation(school: School) -> None:
    with pytest.raises(ApiError) as error:
        await school.start_import(new_id(), new_id())
    assert (error.value.code, error.value.reason) == ("NOT_FOUND", "GENERATION_NOT_FOUND")
    with pytest.raises(ApiError) as error:
        await school.start_import(new_id(), school.generations.add(new_id(), []))
    assert (error.value.code, error.value.field) == ("INVALID_ARGUMENT", "import.generations.generation_ids")


async def test_people_write_review_and_delete_examples(school: School) -> None:
    project_id = new_id()
    example = await school.create(project_id=project_id, messages=turns("Who?", "Ada."))
    assert (example.state, example.lineage) == (KEPT, example_pb2.Lineage())

    example.messages[1].content = "Ada Lovelace."
    example.state = REJECTED
    changed = await school.update(example, "messages")
    assert (changed.state, changed.messages[1].content) == (KEPT, "Ada Lovelace.")
    changed = await school.update(example, "state")
    assert (changed.state, changed.rejection.reason) == (REJECTED, "REVIEW")
    example.rejection.MergeFrom(failure_pb2.Failure(message="A countess.", metadata={"page": "7"}))
    changed = await school.update(example, "rejection")
    expected = failure_pb2.Failure(
        code="FAILED_PRECONDITION", reason="REVIEW", message="A countess.", metadata={"page": "7"}
    )
    assert changed.rejection == expected
    with pytest.raises(ApiError) as error:
        await school.start_version(project_id)
    assert error.value.reason == "NO_EXAMPLES"
    example.state = KEPT
    changed = await school.update(example, "state")
    assert (changed.state, changed.HasField("rejection")) == (KEPT, False)

    got = await school.client.examples.GetExample(examples.GetExampleRequest(id=example.id))
    assert got.example == changed
    await school.client.examples.DeleteExample(examples.DeleteExampleRequest(id=example.id))
    with pytest.raises(ApiError) as error:
        await school.client.examples.GetExample(examples.GetExampleRequest(id=example.id))
    assert (error.value.code, error.value.reason) == ("NOT_FOUND", "EXAMPLE_NOT_FOUND")


async def test_wrong_examples_and_changes_are_refused_with_their_field(school: School) -> None:
    project_id = new_id()
    with pytest.raises(ApiError) as error:
        await school.create(project_id=project_id, messages=turns("Who?"))
    assert (error.value.reason, error.value.field) == ("MESSAGES_INVALID", "example.messages")
    with pytest.raises(ApiError) as error:
        await school.create(project_id=project_id, messages=turns("Who?", "A\0da"))
    assert error.value.field == "example.messages[1].content"
    with pytest.raises(ApiError) as error:
        await school.create(project_id=FakeProjects.missing, messages=turns("Who?", "Ada."))
    assert error.value.reason == "PROJECT_NOT_FOUND"

    example = await school.create(project_id=project_id, messages=turns("Who?", "Ada."))
    for change, paths, field_name in [
        (example_pb2.Example(id=example.id), ["state"], "example.state"),
        (example_pb2.Example(id=example.id), ["messages"], "example.messages"),
        (example_pb2.Example(id=example.id), ["id"], "update_mask"),
        (example_pb2.Example(id="no uuid", state=KEPT), ["state"], "request"),
        (example_pb2.Example(id=example.id), ["rejection"], "example.rejection.message"),
        (
            example_pb2.Example(id=example.id, rejection=failure_pb2.Failure(message="No.")),
            ["rejection"],
            "example.rejection",
        ),
        (
            example_pb2.Example(id=example.id, state=REJECTED, messages=[message_pb2.Message(content="x")]),
            ["state", "messages"],
            "example.messages[0].role",
        ),
    ]:
        with pytest.raises(ApiError) as error:
            await school.update(change, *paths)
        assert (error.value.code, error.value.field) == ("INVALID_ARGUMENT", field_name)


async def test_deleting_a_project_says_what_is_gone(school: School) -> None:
    project_id = new_id()
    await school.imported(project_id, about_herons(2))
    await school.made(project_id)
    request = DeleteProjectDataRequest(project_id=project_id)
    gone = await school.client.project_data("dataset").DeleteProjectData(request)
    assert gone.deleted_rows["dataset.examples"] == 6
    assert gone.deleted_rows["dataset.dataset_versions"] == 1
    assert gone.deleted_rows["dataset.example_contents"] == 6
    # Two shards and the manifest.
    assert gone.deleted_objects == 3
    assert not await school.listed(project_id)
    again = await school.client.project_data("dataset").DeleteProjectData(request)
    assert not any(again.deleted_rows.values())


async def test_an_import_survives_killed_workers_and_doubles_nothing(idle_school: School) -> None:
    school, project_id, count = idle_school, new_id(), 300
    school.generations.largest_page, school.generations.page_seconds = 5, 0.1
    # However slowly a worker is killed, it does not come to the end.
    gate = school.generations.gate = Gate(place=count - 50)
    generation_id = school.generations.add(project_id, [question(f"What is {at}?") for at in range(count)])
    job = await school.start_import(project_id, generation_id)
    for share in (0.1, 0.4):

        async def stored_some(wanted: float = share * count) -> bool:
            return len(await school.listed(project_id)) >= wanted

        async with started_room(school.stores, "dataset", "worker") as worker:
            await eventually(stored_some)
            await worker.kill()
        assert len(await school.listed(project_id)) < count
    school.generations.page_seconds, school.generations.gate = 0.0, None
    gate.opened.set()
    async with started_room(school.stores, "dataset", "worker"):
        assert (await school.ended(job)).state == job_pb2.JOB_STATE_SUCCEEDED
    school.generations.largest_page = 1000
    questions = [one.lineage.question_ids[0] for one in await school.listed(project_id)]
    assert len(questions) == len(set(questions)) == count
