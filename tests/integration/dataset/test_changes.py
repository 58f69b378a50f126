"""The dataset room: every change of examples is kept, one by one and by the thousand, and can be undone."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from services.dataset.changes.revision_store import locked, store_change
from services.dataset.examples.examples import Message
from services.runtime.db import transaction
from services.runtime.ids import new_id
from sishu.common.v1 import failure_pb2, job_pb2, job_service_pb2
from sishu.common.v1.project_data_service_pb2 import DeleteProjectDataRequest
from sishu.dataset.v1 import example_change_service_pb2 as changes
from sishu.dataset.v1 import example_comment_pb2, example_pb2, example_revision_pb2
from sishu.dataset.v1 import example_filter_pb2 as filters
from sishu.dataset.v1 import example_service_pb2 as pb
from sishu.errors import ApiError
from tests.integration.dataset_school import KEPT, REJECTED, School, rejected, turns
from tests.integration.processes import eventually
from tests.integration.stores import started_room

Change = example_revision_pb2.ExampleChange


async def history(
    school: School, example_id: str, page_size: int = 2
) -> list[example_revision_pb2.ExampleRevision]:
    """The changes of an example, newest first."""
    found: list[example_revision_pb2.ExampleRevision] = []
    request = changes.ListExampleRevisionsRequest(example_id=example_id, page_size=page_size)
    while True:
        page = await school.client.example_changes.ListExampleRevisions(request)
        found += page.example_revisions
        request.page_token = page.next_page_token
        if not request.page_token:
            return found


async def changed(school: School, example: example_pb2.Example, author: str, *paths: str) -> str:
    """Change an example; the id of the change."""
    request = pb.UpdateExampleRequest(example=example, update_mask=FieldMask(paths=paths), author=author)
    return (await school.client.examples.UpdateExample(request)).change_id


async def made(school: School, change: Change) -> Change:
    """The change when its job has ended."""
    assert (await school.ended(change.job)).state == job_pb2.JOB_STATE_SUCCEEDED
    request = changes.GetExampleChangeRequest(id=change.id)
    return (await school.client.example_changes.GetExampleChange(request)).example_change


async def undone(school: School, change_id: str, author: str = "") -> Change:
    request = changes.UndoExampleChangeRequest(change_id=change_id, author=author)
    return await made(school, (await school.client.example_changes.UndoExampleChange(request)).example_change)


async def start_update(
    school: School, project_id: str, wanted: filters.ExampleFilter, **fields: Any
) -> Change:
    request = changes.UpdateExamplesRequest(project_id=project_id, filter=wanted, **fields)
    return (await school.client.example_changes.UpdateExamples(request)).example_change


async def updated(school: School, project_id: str, wanted: dict[str, Any], **fields: Any) -> Change:
    change = await start_update(school, project_id, filters.ExampleFilter(**wanted), **fields)
    return await made(school, change)


async def deleted(school: School, project_id: str, author: str = "", **wanted: Any) -> Change:
    request = changes.DeleteExamplesRequest(
        project_id=project_id, filter=filters.ExampleFilter(**wanted), author=author
    )
    return await made(school, (await school.client.example_changes.DeleteExamples(request)).example_change)


def same(left: list[example_pb2.Example], right: list[example_pb2.Example]) -> bool:
    """Whether two lists hold the same examples but for when, and how often, they were changed."""
    for example in [*left, *right]:
        example.ClearField("update_time")
        example.ClearField("revision")
    return left == right


async def test_every_change_is_a_revision_with_its_author_and_what_was_before(school: School) -> None:
    project_id = new_id()
    example = await school.create(project_id=project_id, messages=turns("Who?", "Ada."), labels=["a"])
    first = example_pb2.Example()
    first.CopyFrom(example)
    example.messages[1].content = "Ada Lovelace."
    ids = [await changed(school, example, "Bea", "messages")]
    example.state, example.score = REJECTED, 2
    ids.append(await changed(school, example, "Cao", "state", "score"))
    # What is as it was before is no change.
    assert await changed(school, example, "Cao", "score") == ""
    del example.labels[:]
    ids.append(await changed(school, example, "", "labels"))

    revisions = (await history(school, example.id))[::-1]
    assert [one.number for one in revisions] == [1, 2, 3]
    assert [one.change_id for one in revisions] == ids
    assert [one.author for one in revisions] == ["Bea", "Cao", ""]
    assert [list(one.changed_fields) for one in revisions] == [
        ["messages"],
        ["state", "rejection", "score"],
        ["labels"],
    ]
    assert [one.before.messages[1].content for one in revisions] == ["Ada.", "Ada Lovelace.", "Ada Lovelace."]
    assert [one.before.state for one in revisions] == [KEPT, KEPT, REJECTED]
    assert [one.before.revision for one in revisions] == [0, 1, 2]
    assert [one.revision for one in await school.listed(project_id)] == [3]
    assert (revisions[2].before.score, list(revisions[2].before.labels)) == (2, ["a"])
    assert same([revisions[0].before], [first])


async def test_a_change_is_undone_and_that_is_undone_again(school: School) -> None:
    project_id = new_id()
    before = await school.create(project_id=project_id, messages=turns("Who?", "Ada."))
    example = example_pb2.Example()
    example.CopyFrom(before)
    example.messages[1].content, example.score = "爱达。" * 5, 3
    change_id = await changed(school, example, "Bea", "messages", "score")
    (after,) = await school.listed(project_id)
    assert (after.language, after.characters) == ("zh", 19)

    undo = await undone(school, change_id, "Cao")
    assert (undo.kind, undo.author) == (example_revision_pb2.EXAMPLE_CHANGE_KIND_UNDO, "Cao")
    assert (undo.changed, undo.skipped, undo.undone_change_id) == (1, 0, change_id)
    assert same(await school.listed(project_id), [before])
    # What was changed since stays.
    assert (await undone(school, change_id)).skipped == 1
    assert (await undone(school, undo.id)).changed == 1
    assert same(await school.listed(project_id), [after])
    said = [one.before.messages[1].content for one in await history(school, before.id)]
    assert said == ["Ada.", "爱达。" * 5, "Ada."]

    for missing in (new_id(), example.id):
        with pytest.raises(ApiError) as error:
            await undone(school, missing)
        assert error.value.reason == "EXAMPLE_CHANGE_NOT_FOUND"


async def test_a_deleted_example_is_left_out_until_that_is_undone(school: School) -> None:
    project_id = new_id()
    example = await school.create(project_id=project_id, messages=turns("Who?", "Ada."))
    other = await school.create(project_id=project_id, messages=turns("Where?", "London."))
    request = pb.DeleteExampleRequest(id=example.id, author="Bea")
    change_id = (await school.client.examples.DeleteExample(request)).change_id

    assert await school.listed(project_id) == [other]
    assert await school.listed(project_id, example_ids=[example.id]) == []
    (gone,) = await school.listed(project_id, deleted=True)
    assert gone.HasField("delete_time")
    assert gone.messages == example.messages
    count = pb.CountExamplesRequest(project_id=project_id)
    assert (await school.client.examples.CountExamples(count)).total == 1
    count.filter.deleted = True
    assert (await school.client.examples.CountExamples(count)).total == 1
    version = await school.made(project_id, exam_share=0)
    assert [one.example_id for one in await school.held(version.id)] == [other.id]
    with pytest.raises(ApiError) as error:
        await school.client.examples.DeleteExample(request)
    assert error.value.reason == "EXAMPLE_NOT_FOUND"
    with pytest.raises(ApiError) as error:
        await school.update(example, "state")
    assert error.value.reason == "EXAMPLE_NOT_FOUND"
    (revision,) = await history(school, example.id)
    assert (revision.author, list(revision.changed_fields)) == ("Bea", ["delete_time"])

    await undone(school, change_id)
    assert same(await school.listed(project_id), [example, other])
    gone_for_good = DeleteProjectDataRequest(project_id=project_id)
    rows = (await school.client.project_data("dataset").DeleteProjectData(gone_for_good)).deleted_rows
    assert (rows["dataset.examples"], rows["dataset.example_revisions"]) == (2, 2)
    with pytest.raises(ApiError) as error:
        await history(school, example.id)
    assert error.value.reason == "EXAMPLE_NOT_FOUND"


async def test_many_are_changed_by_a_filter_and_undone_together(school: School) -> None:
    project_id, tag, other_tag = new_id(), new_id(), new_id()
    for number in range(30):
        name = "heron" if number % 3 else "stork"
        tags = [tag] if number % 2 else []
        await school.create(
            project_id=project_id,
            messages=turns(f"What is {name} {number}?", "x"),
            tag_ids=tags,
            labels=["b"],
        )
    before = await school.listed(project_id)

    change = await updated(
        school,
        project_id,
        {"text": "STORK"},
        state=REJECTED,
        rejection=failure_pb2.Failure(message="No storks.", reason="BIRD"),
        add_labels=["a", "c"],
        remove_labels=["b"],
        add_tag_ids=[other_tag],
        remove_tag_ids=[tag],
        score=1.5,
        author="Bea",
    )
    assert (change.changed, change.skipped, change.author) == (10, 0, "Bea")
    storks = await school.listed(project_id, states=[REJECTED])
    assert len(storks) == 10
    assert all("stork" in one.messages[0].content for one in storks)
    assert {(one.rejection.reason, one.score, *one.labels, *one.tag_ids) for one in storks} == {
        ("BIRD", 1.5, "a", "c", other_tag)
    }
    (revision,) = await history(school, storks[0].id)
    assert (revision.change_id, revision.author) == (change.id, "Bea")
    assert list(revision.changed_fields) == ["state", "rejection", "score", "labels", "tag_ids"]

    # One is changed again: it is not undone.
    storks[0].score = 5
    await school.update(storks[0], "score")
    undo = await undone(school, change.id)
    assert (undo.changed, undo.skipped) == (9, 1)
    after = await school.listed(project_id)
    assert after[0].score == 5
    assert same(after[1:], before[1:])


async def test_texts_are_replaced_wherever_they_stand_and_that_is_undone(school: School) -> None:
    project_id = new_id()
    for number in range(4):
        said = ("A Grey Heron. Grey Herons fish.", "grey heron", "Storks.", "Grey Heron")[number]
        await school.create(project_id=project_id, messages=turns(f"What is {number}?", said))
    before = await school.listed(project_id)
    texts = [
        changes.TextReplacement(text="Grey Heron", replacement="grey heron"),
        changes.TextReplacement(text="grey heron", replacement="heron"),
    ]
    change = await updated(school, project_id, {"text": "what is"}, replace_texts=texts, author="Bea")
    assert (change.changed, change.skipped) == (3, 1)
    after = await school.listed(project_id)
    assert [one.messages[1].content for one in after] == [
        "A heron. herons fish.",
        "heron",
        "Storks.",
        "heron",
    ]
    (revision,) = await history(school, after[0].id)
    assert (revision.author, list(revision.changed_fields)) == ("Bea", ["messages"])
    # What would say nothing any more stays, and so does what a filter does not mean.
    out = [changes.TextReplacement(text="heron")]
    change = await updated(
        school, project_id, {"example_ids": [one.id for one in after[:2]]}, replace_texts=out
    )
    assert (change.changed, change.skipped) == (1, 1)
    assert [one.messages[1].content for one in await school.listed(project_id)] == [
        *("A . s fish.", "heron", "Storks.", "heron")
    ]
    await undone(school, change.id)
    assert same(await school.listed(project_id), after)
    assert before[2].messages == after[2].messages


async def test_what_is_edited_meanwhile_is_what_texts_are_replaced_in(school: School) -> None:
    project_id = new_id()
    one = await school.create(project_id=project_id, messages=turns("What?", "A Grey Heron of 1 kg."))
    wanted = changes.UpdateExamplesRequest(
        project_id=project_id,
        filter=filters.ExampleFilter(),
        replace_texts=[changes.TextReplacement(text="Grey Heron", replacement="heron")],
    )
    async with school.stores.pool("dataset", 3) as pool:
        async with transaction(pool) as connection:
            before = await locked(connection, one.id)
            said = [before.messages[0], Message("assistant", "A Grey Heron of 2 kg.")]
            await store_change(connection, before, replace(before, messages=said), "Bea")
            change = (await school.client.example_changes.UpdateExamples(wanted)).example_change
            await eventually(lambda: pool.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"))
        await school.ended(change.job)
    (after,) = await school.listed(project_id)
    assert after.messages[1].content == "A heron of 2 kg."


async def test_texts_are_replaced_in_a_change_of_their_own(school: School) -> None:
    text = changes.TextReplacement(text="a", replacement="b")
    with pytest.raises(ApiError) as error:
        await updated(school, new_id(), {}, replace_texts=[text], add_labels=["new"])
    assert (error.value.reason, error.value.field) == ("FIELD_INVALID", "replace_texts")
    assert "add_labels" in str(error.value)


async def test_what_may_not_be_kept_or_is_so_already_is_skipped(school: School) -> None:
    project_id = new_id()
    whole, broken = rejected("Whales?"), rejected("Sharks?")
    broken.ClearField("answer")
    await school.imported(project_id, [whole, broken])
    change = await updated(school, project_id, {"states": [REJECTED]}, state=KEPT)
    assert (change.changed, change.skipped) == (1, 1)
    kept, left = await school.listed(project_id)
    assert (kept.state, left.state, kept.HasField("rejection")) == (KEPT, REJECTED, False)
    change = await updated(school, project_id, {}, state=REJECTED)
    assert (change.changed, change.skipped) == (1, 1)
    assert [one.rejection.reason for one in await school.listed(project_id)] == ["REVIEW", "QUOTE_NOT_FOUND"]
    labels = [f"{number:03}" for number in range(100)]
    assert (await updated(school, project_id, {"example_ids": [kept.id]}, add_labels=labels)).changed == 1
    assert (await updated(school, project_id, {"labels": ["000"]}, add_labels=["x"])).skipped == 1


async def test_many_are_deleted_and_come_back(school: School) -> None:
    project_id = new_id()
    for number in range(5):
        await school.create(project_id=project_id, messages=turns(f"{number}?", "x"), score=number)
    before = await school.listed(project_id)
    change = await deleted(school, project_id, "Bea", max_score=2.0)
    assert (change.changed, change.skipped) == (3, 0)
    assert [one.score for one in await school.listed(project_id)] == [3, 4]
    assert [one.score for one in await school.listed(project_id, deleted=True)] == [0, 1, 2]
    assert (await undone(school, change.id)).changed == 3
    assert same(await school.listed(project_id), before)


async def test_a_change_of_nothing_is_refused_and_a_repeated_one_is_the_first(school: School) -> None:
    project_id, request_id = new_id(), new_id()
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "state"),
        ({"rejection": failure_pb2.Failure(message="No.")}, "rejection"),
        ({"state": REJECTED, "rejection": failure_pb2.Failure()}, "example.rejection.message"),
        ({"score": 6}, "score"),
        ({"add_labels": [""]}, "add_labels[0]"),
        ({"add_labels": ["a"], "author": "a\nb"}, "author"),
    ]
    for fields, field in cases:
        with pytest.raises(ApiError) as error:
            await start_update(school, project_id, filters.ExampleFilter(), **fields)
        assert (error.value.code, error.value.field) == ("INVALID_ARGUMENT", field)
    first = await start_update(
        school, project_id, filters.ExampleFilter(), add_labels=["a"], request_id=request_id
    )
    again = await start_update(
        school, project_id, filters.ExampleFilter(), add_labels=["b"], request_id=request_id
    )
    assert again.id == first.id
    assert (await made(school, first)).changed == 0


async def test_people_comment_on_examples(school: School) -> None:
    project_id = new_id()
    example = await school.create(project_id=project_id, messages=turns("Who?", "Ada."))
    made = []
    for author, text in [("Bea", "Which Ada?\nThere are two."), ("", "阿达？"), ("Cao", "Lovelace.")]:
        comment = example_comment_pb2.ExampleComment(example_id=example.id, author=author, text=text)
        request = pb.CreateExampleCommentRequest(example_comment=comment, request_id=new_id())
        made.append((await school.client.examples.CreateExampleComment(request)).example_comment)
        again = (await school.client.examples.CreateExampleComment(request)).example_comment
        assert again == made[-1]
    assert (made[0].author, made[0].text) == ("Bea", "Which Ada?\nThere are two.")

    listing = pb.ListExampleCommentsRequest(example_id=example.id, page_size=2)
    page = await school.client.examples.ListExampleComments(listing)
    assert list(page.example_comments) == made[:2]
    listing.page_token = page.next_page_token
    assert list((await school.client.examples.ListExampleComments(listing)).example_comments) == made[2:]

    gone = pb.DeleteExampleCommentRequest(id=made[0].id)
    await school.client.examples.DeleteExampleComment(gone)
    listing = pb.ListExampleCommentsRequest(example_id=example.id)
    assert list((await school.client.examples.ListExampleComments(listing)).example_comments) == made[1:]
    with pytest.raises(ApiError) as error:
        await school.client.examples.DeleteExampleComment(gone)
    assert error.value.reason == "EXAMPLE_COMMENT_NOT_FOUND"
    comment = example_comment_pb2.ExampleComment(example_id=new_id(), text="?")
    with pytest.raises(ApiError) as error:
        await school.client.examples.CreateExampleComment(
            pb.CreateExampleCommentRequest(example_comment=comment)
        )
    assert error.value.reason == "EXAMPLE_NOT_FOUND"
    project = DeleteProjectDataRequest(project_id=project_id)
    rows = (await school.client.project_data("dataset").DeleteProjectData(project)).deleted_rows
    assert rows["dataset.example_comments"] == 2


async def filled(school: School, project_id: str, count: int) -> None:
    """Put examples into the table, all at once."""
    async with school.stores.pool("dataset", 1) as pool:
        await pool.execute(
            """
            INSERT INTO examples (id, project_id, kind, state, labels, tag_ids, language, characters, heading_path,
                                  question_type, prompt_version, model, key)
            SELECT lpad(to_hex(number), 32, '0')::uuid, $1::uuid, 'sft', 'kept', '{}', '{}', 'en', 5, '{}', '', '', '',
                   decode(lpad(to_hex(number), 32, '0'), 'hex')
            FROM generate_series(1, $2::integer) AS number
            """,
            project_id,
            count,
        )
        await pool.execute(
            """
            INSERT INTO example_contents
            SELECT id, '{"messages":[{"role":"user","content":"Who?"},{"role":"assistant","content":"x"}]}', '{}'
            FROM examples WHERE project_id = $1::uuid
            """,
            project_id,
        )


@pytest.mark.full
async def test_a_killed_worker_changes_each_once_and_cancelling_leaves_what_is_done(
    idle_school: School,
) -> None:
    school, project_id, count = idle_school, new_id(), 60_000
    await filled(school, project_id, count)
    change = await start_update(school, project_id, filters.ExampleFilter(), add_labels=["a"], score=1)
    request = changes.GetExampleChangeRequest(id=change.id)

    async def begun() -> bool:
        return (await school.client.example_changes.GetExampleChange(request)).example_change.changed > 0

    async with started_room(school.stores, "dataset", "worker") as worker:
        await eventually(begun)
        await worker.kill()
    half = (await school.client.example_changes.GetExampleChange(request)).example_change
    assert 0 < half.changed < count
    async with started_room(school.stores, "dataset", "worker"):
        assert (await made(school, change)).changed == count
    counted = pb.CountExamplesRequest(project_id=project_id, filter=filters.ExampleFilter(labels=["a"]))
    assert (await school.client.examples.CountExamples(counted)).total == count
    example_id = str(uuid.UUID(int=count // 2))
    (revision,) = await history(school, example_id)
    assert revision.change_id == change.id

    undo = changes.UndoExampleChangeRequest(change_id=change.id)
    second = (await school.client.example_changes.UndoExampleChange(undo)).example_change
    request.id = second.id
    async with started_room(school.stores, "dataset", "worker"):
        await eventually(begun)
        await school.client.jobs("dataset").CancelJob(job_service_pb2.CancelJobRequest(id=second.job.id))
        await school.ended(second.job)
        left = (await school.client.example_changes.GetExampleChange(request)).example_change.changed
        assert 0 < left < count
        assert (await school.client.examples.CountExamples(counted)).total == count - left
        # The rest is undone by another change.
        last = await undone(school, change.id)
    assert (last.changed, last.skipped) == (count - left, left)
    assert (await school.client.examples.CountExamples(counted)).total == 0
