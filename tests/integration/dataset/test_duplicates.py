"""The dataset room: examples that say the same are found, shown, rejected, and brought back."""

from __future__ import annotations

from typing import Any

import pytest

from services.dataset.examples.copying import copy_examples
from services.dataset.examples.examples import Example, Message
from services.runtime.ids import new_id
from sishu.common.v1 import job_pb2
from sishu.common.v1.project_data_service_pb2 import DeleteProjectDataRequest
from sishu.dataset.v1 import (
    deduplication_pb2,
    example_change_service_pb2,
    example_pb2,
    example_service_pb2,
)
from sishu.dataset.v1 import deduplication_service_pb2 as pb
from sishu.dataset.v1.example_filter_pb2 import ExampleFilter
from sishu.errors import ApiError
from tests.integration.dataset_school import KEPT, REJECTED, FakeProjects, School, turns
from tests.integration.processes import eventually
from tests.integration.stores import started_room

Search = deduplication_pb2.Deduplication
EXACT = deduplication_pb2.DUPLICATE_KIND_EXACT
NEAR = deduplication_pb2.DUPLICATE_KIND_NEAR_COPY
ASKED = "How long is the warranty of the water pump that was sold in Kiel in the year before last?"


async def asked(school: School, project_id: str, text: str, answer: str = "Two years.", **fields: Any) -> str:
    return (await school.create(project_id=project_id, messages=turns(text, answer), **fields)).id


async def begun(school: School, project_id: str, request_id: str = "", **fields: Any) -> Search:
    request = pb.CreateDeduplicationRequest(
        deduplication=Search(project_id=project_id, **fields), request_id=request_id
    )
    return (await school.client.deduplications.CreateDeduplication(request)).deduplication


async def got(school: School, search_id: str) -> Search:
    request = pb.GetDeduplicationRequest(id=search_id)
    return (await school.client.deduplications.GetDeduplication(request)).deduplication


async def searched(school: School, project_id: str, **fields: Any) -> Search:
    search = await begun(school, project_id, **fields)
    assert (await school.ended(search.job)).state == job_pb2.JOB_STATE_SUCCEEDED
    return await got(school, search.id)


async def clusters(school: School, search: Search, page_size: int = 1) -> list[Any]:
    found: list[Any] = []
    request = pb.ListDuplicateClustersRequest(deduplication_id=search.id, page_size=page_size)
    while True:
        page = await school.client.deduplications.ListDuplicateClusters(request)
        found += page.duplicate_clusters
        request.page_token = page.next_page_token
        if not request.page_token:
            return found


async def applied(school: School, search: Search, author: str = "") -> Search:
    request = pb.ApplyDeduplicationRequest(id=search.id, author=author)
    begun = (await school.client.deduplications.ApplyDeduplication(request)).deduplication
    assert (await school.ended(begun.apply_job)).state == job_pb2.JOB_STATE_SUCCEEDED
    return await got(school, search.id)


async def test_duplicates_are_found_rejected_and_brought_back(school: School) -> None:
    project_id = new_id()
    first = await asked(school, project_id, ASKED, score=3.0)
    best = await asked(school, project_id, ASKED + " Tell me.", "Other words.", score=4.0)
    same = await asked(school, project_id, ASKED.upper() + "  Tell me.")
    pair = [await asked(school, project_id, "请问苍鹭有多重？我想知道苍鹭的体重。") for _ in range(2)]
    alone = await asked(school, project_id, "Who was the first to see the heron?")

    search = await searched(school, project_id)
    assert (search.options.compared_by, search.options.threshold) == (
        deduplication_pb2.COMPARED_BY_ASKED,
        0.8,
    )
    assert search.counts == deduplication_pb2.DeduplicationCounts(
        examples=6, clusters=2, duplicates=2, near_copies=1
    )
    large, small = await clusters(school, search)
    assert (large.number, large.keeper_id, large.size) == (1, best, 3)
    assert [(one.example_id, one.kind) for one in large.duplicates] == [(first, NEAR), (same, EXACT)]
    assert 0.8 <= large.duplicates[0].similarity < large.duplicates[1].similarity == 1
    assert (small.keeper_id, [one.example_id for one in small.duplicates]) == (pair[0], [pair[1]])
    page = await school.client.deduplications.ListDuplicates(
        pb.ListDuplicatesRequest(deduplication_id=search.id, cluster_number=1, page_size=1)
    )
    assert [one.example_id for one in page.duplicates] == [first]
    assert page.next_page_token
    assert {one.state for one in await school.listed(project_id)} == {KEPT}

    done = await applied(school, search, "Ada")
    assert (done.rejected, done.skipped) == (3, 0)
    assert {one.id for one in await school.listed(project_id, states=[KEPT])} == {best, pair[0], alone}
    gone = {one.id: one for one in await school.listed(project_id, states=[REJECTED])}
    assert gone[first].rejection.reason == "NEAR_COPY"
    assert gone[same].rejection.reason == "DUPLICATE"
    assert gone[first].rejection.metadata["example_id"] == best
    assert gone[first].rejection.metadata["deduplication_id"] == search.id
    history = await school.client.example_changes.ListExampleRevisions(
        example_change_service_pb2.ListExampleRevisionsRequest(example_id=first)
    )
    assert [(one.author, one.change_id) for one in history.example_revisions] == [("Ada", done.apply_job.id)]

    again = await applied(school, search)
    assert (again.apply_job.id, again.rejected) == (done.apply_job.id, 3)
    undo = await school.client.example_changes.UndoExampleChange(
        example_change_service_pb2.UndoExampleChangeRequest(change_id=done.apply_job.id)
    )
    await school.ended(undo.example_change.job)
    assert {one.state for one in await school.listed(project_id)} == {KEPT}


async def test_what_was_changed_since_stays_as_it_is(school: School) -> None:
    project_id = new_id()
    ids = [await asked(school, project_id, ASKED) for _ in range(3)]
    other = [await asked(school, project_id, "请问苍鹭有多重？我想知道苍鹭的体重。") for _ in range(2)]
    search = await searched(school, project_id)
    await school.update(example_pb2.Example(id=ids[1], labels=["mine"]), "labels")
    await school.client.examples.DeleteExample(example_service_pb2.DeleteExampleRequest(id=other[0]))
    done = await applied(school, search)
    assert (done.rejected, done.skipped) == (1, 2)
    kept = {one.id for one in await school.listed(project_id, states=[KEPT])}
    assert kept == {ids[0], ids[1], other[1]}


async def test_a_search_is_held_to_a_filter_and_compares_what_it_is_told_to(school: School) -> None:
    project_id = new_id()
    one = await asked(
        school, project_id, ASKED, "Two years, as the contract says on page three.", labels=["a"]
    )
    two = await asked(school, project_id, ASKED, "请看合同第三页。", labels=["b"])
    three = await asked(school, project_id, ASKED, "请看合同第三页。", labels=["a"])
    by_label = await searched(school, project_id, filter=ExampleFilter(labels=["a"], text="warranty"))
    assert by_label.filter == ExampleFilter(labels=["a"], text="warranty")
    assert by_label.counts.examples == 2
    said = deduplication_pb2.DeduplicationOptions(compared_by=deduplication_pb2.COMPARED_BY_SAID, threshold=1)
    by_all = await searched(school, project_id, options=said)
    (cluster,) = await clusters(school, by_all)
    assert (cluster.keeper_id, cluster.size) == (two, 2)
    assert cluster.duplicates[0].example_id == three
    assert one not in {cluster.keeper_id, three}
    none = await searched(school, project_id, filter=ExampleFilter(text="nowhere"))
    assert none.counts == deduplication_pb2.DeduplicationCounts()
    assert await clusters(school, none) == []
    assert (await applied(school, none)).rejected == 0


async def test_searches_are_listed_repeated_and_deleted(school: School) -> None:
    project_id, request_id = new_id(), new_id()
    await asked(school, project_id, ASKED)
    first = await begun(school, project_id, request_id)
    assert (await begun(school, FakeProjects.missing, request_id)).id == first.id
    second = await searched(school, project_id)
    await school.ended(first.job)
    request = pb.ListDeduplicationsRequest(project_id=project_id, page_size=1)
    page = await school.client.deduplications.ListDeduplications(request)
    assert [one.id for one in page.deduplications] == [second.id]
    request.page_token = page.next_page_token
    page = await school.client.deduplications.ListDeduplications(request)
    assert ([one.id for one in page.deduplications], page.next_page_token) == ([first.id], "")
    await school.client.deduplications.DeleteDeduplication(pb.DeleteDeduplicationRequest(id=first.id))
    with pytest.raises(ApiError) as error:
        await got(school, first.id)
    assert (error.value.code, error.value.reason) == ("NOT_FOUND", "DEDUPLICATION_NOT_FOUND")
    with pytest.raises(ApiError) as error:
        await begun(school, FakeProjects.missing)
    assert error.value.reason == "PROJECT_NOT_FOUND"
    wanted = DeleteProjectDataRequest(project_id=project_id)
    gone = await school.client.project_data("dataset").DeleteProjectData(wanted)
    assert gone.deleted_rows["dataset.deduplications"] == 1


async def test_a_search_that_has_not_ended_can_not_be_applied(idle_school: School) -> None:
    search = await begun(idle_school, new_id())
    wanted: list[tuple[Any, Any]] = [
        (idle_school.client.deduplications.ApplyDeduplication, pb.ApplyDeduplicationRequest(id=search.id)),
        (
            idle_school.client.deduplications.ListDuplicateClusters,
            pb.ListDuplicateClustersRequest(deduplication_id=search.id),
        ),
    ]
    for call, request in wanted:
        with pytest.raises(ApiError) as error:
            await call(request)
        assert (error.value.code, error.value.reason) == ("FAILED_PRECONDITION", "DEDUPLICATION_NOT_READY")
    delete = pb.DeleteDeduplicationRequest(id=search.id)
    await idle_school.client.deduplications.DeleteDeduplication(delete)


@pytest.mark.full
async def test_rejecting_goes_on_where_a_killed_worker_has_got_to(idle_school: School) -> None:
    school, project_id, count = idle_school, new_id(), 12_000
    asks = [f"{ASKED} Number {number // 2}, {number // 2 * 7919}?" for number in range(count)]
    examples = [
        Example(new_id(), project_id, "sft", [Message("user", text), Message("assistant", "Two.")])
        for text in asks
    ]
    async with school.stores.pool("dataset") as pool, pool.acquire() as connection:
        await copy_examples(connection, examples)
    exact = deduplication_pb2.DeduplicationOptions(threshold=1)
    async with started_room(school.stores, "dataset", "worker"):
        search = await searched(school, project_id, options=exact)
    assert search.counts.duplicates == count // 2
    request = pb.ApplyDeduplicationRequest(id=search.id)
    begun = (await school.client.deduplications.ApplyDeduplication(request)).deduplication

    async def some_rejected() -> bool:
        return (await got(school, search.id)).rejected > 0

    async with started_room(school.stores, "dataset", "worker") as worker:
        await eventually(some_rejected)
        await worker.kill()
    async with started_room(school.stores, "dataset", "worker"):
        assert (await school.ended(begun.apply_job)).state == job_pb2.JOB_STATE_SUCCEEDED
    done = await got(school, search.id)
    assert (done.rejected, done.skipped) == (count // 2, 0)
    async with school.stores.pool("dataset") as pool:
        rows = await pool.fetchval(
            "SELECT count(*) FROM examples WHERE project_id = $1 AND state = 'rejected' AND revision_count = 1",
            project_id,
        )
    assert rows == count // 2
