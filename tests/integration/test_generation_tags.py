"""The domain tree through its rpcs and commands, how generations build it, and what becomes of questions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from services.runtime.ids import new_id
from sishu.client import Client
from sishu.common.v1 import job_pb2
from sishu.common.v1.project_data_service_pb2 import DeleteProjectDataRequest
from sishu.generation.v1 import generation_pb2, question_pb2, question_service_pb2
from sishu.generation.v1 import prompt_service_pb2 as prompt_pb
from sishu.generation.v1 import tag_service_pb2 as pb
from sishu.generation.v1.tag_pb2 import Tag, TagPlace
from tests.integration.command_line import CommandLine
from tests.integration.documents import (
    HANDBOOK,
    SMALL,
    chunks_of,
    documents_of,
    failure,
    new_project,
    parse,
    parsed_project,
    upload,
)
from tests.integration.generations import (
    ONLY_THE_FACT,
    generated,
    handbook,
    new_provider,
    questions_of,
    start_generation,
)
from tests.integration.stores import Rooms
from tests.support.mock_llm import MockServer

PLAIN = "The firm was founded in the year 1931 by Joan Abara.\n"
ONE_FORM = generation_pb2.GenerationOptions(context_chars=ONLY_THE_FACT, forms_per_fact=1)


def leaf(title: str, *entries: int) -> dict[str, Any]:
    return {"title": title, "entries": entries}


TREE = [
    {"title": "Trees", "tags": [leaf("Hardwood", 1, 2), leaf("Softwood", 3)]},
    {"title": "Firm", "tags": [leaf("History", 4)]},
]


async def built(
    client: Client, project: str, provider: str, mode: str, more: dict[str, Any] | None = None, **options: Any
) -> generation_pb2.Generation:
    """A generation of tags that has ended."""
    tags = generation_pb2.TagOptions(mode=f"TAG_MODE_{mode.upper()}", **options)  # type: ignore[arg-type]  # a name
    wanted = generation_pb2.GenerationOptions(
        kind=generation_pb2.GENERATION_KIND_TAGS, tags=tags, **(more or {})
    )
    return await generated(client, await start_generation(client, project, provider, wanted))


async def tree_of(client: Client, project: str, page_size: int = 100) -> dict[str, Tag]:
    """The tags of a project by their titles from the top, read in pages."""
    request = pb.ListTagsRequest(project_id=project, page_size=page_size)
    found: dict[str, Tag] = {}
    names = {"": ""}
    while True:
        page = await client.tags.ListTags(request)
        for tag in page.tags:
            names[tag.id] = f"{names[tag.parent_id]}/{tag.title}"
            found[names[tag.id][1:]] = tag
        request.page_token = page.next_page_token
        if not request.page_token:
            return found


async def all_questions(client: Client, project: str, tag_id: str = "") -> list[question_pb2.Question]:
    request = question_service_pb2.ListQuestionsRequest(project_id=project, tag_id=tag_id, page_size=1000)
    return list((await client.questions.ListQuestions(request)).questions)


async def create(client: Client, project: str, title: str, **fields: Any) -> Tag:
    tag = Tag(project_id=project, title=title, **fields)
    return (await client.tags.CreateTag(pb.CreateTagRequest(tag=tag))).tag


async def update(client: Client, tag_id: str, **fields: Any) -> Tag:
    request = pb.UpdateTagRequest(tag=Tag(id=tag_id, **fields), update_mask=FieldMask(paths=list(fields)))
    return (await client.tags.UpdateTag(request)).tag


async def delete(client: Client, tag_id: str) -> int:
    return (await client.tags.DeleteTag(pb.DeleteTagRequest(id=tag_id))).deleted_tags


def asked_of(questions: Sequence[question_pb2.Question]) -> dict[str, str]:
    """Texts by id."""
    return {one.id: one.text for one in questions}


async def test_a_tree_links_questions_before_and_after_it_and_no_change_of_it_loses_one(
    client: Client, mock: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": HANDBOOK.encode(), "b.txt": PLAIN.encode()}, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    before = await generated(client, await start_generation(client, project, provider, ONE_FORM))
    first = await questions_of(client, before)
    assert [list(one.tag_ids) for one in first] == [[]] * len(first)
    by_heading = {"/".join(one.heading_path): one.id for one in first}
    assert by_heading.keys() == {"Ash", "Birch", "Cedar", ""}

    await mock.control(fixed={"tags": TREE})
    done = await built(client, project, provider, "rebuild")
    assert (done.job.state, done.stats.usage.calls) == (job_pb2.JOB_STATE_SUCCEEDED, 1)
    tree = await tree_of(client, project, page_size=2)
    assert list(tree) == ["Trees", "Trees/Hardwood", "Trees/Softwood", "Firm", "Firm/History"]
    assert [tag.index for tag in tree.values()] == [0, 0, 1, 1, 0]
    documents = await documents_of(client, project)
    (chunk,) = await chunks_of(client, project, document_id=documents["b.txt"].id)
    a, b = documents["a.md"].id, documents["b.txt"].id
    places = {
        name: [(p.document_id, [*p.heading_path], p.chunk_id) for p in tag.places]
        for name, tag in tree.items()
    }
    assert places == {
        "Trees": [],
        "Trees/Hardwood": [(a, ["Ash"], ""), (a, ["Birch"], ""), (a, [], "")],
        "Trees/Softwood": [(a, ["Cedar"], "")],
        "Firm": [],
        "Firm/History": [(b, [], chunk.id), (b, [], "")],
    }
    linked = {one.id: list(one.tag_ids) for one in await questions_of(client, before)}
    assert linked[by_heading["Birch"]] == [tree["Trees/Hardwood"].id]
    assert linked[by_heading[""]] == [tree["Firm/History"].id]
    counts = {name: tag.question_count for name, tag in tree.items()}
    hardwood = sum(one.heading_path[:1] in (["Ash"], ["Birch"]) for one in first)
    assert counts["Trees/Hardwood"] == hardwood
    assert counts["Trees"] == len(first) - counts["Firm"]
    assert {one.id for one in await all_questions(client, project, tree["Trees"].id)} == {
        one.id for one in first if one.document_ids[0] == a
    }

    # What is written later is linked as it is stored.
    await mock.control(fixed={})
    later = await start_generation(
        client, project, provider, generation_pb2.GenerationOptions(forms_per_fact=3)
    )
    second = await questions_of(client, await generated(client, later))
    assert {one.tag_ids[0] for one in second if one.heading_path == ["Cedar"]} == {tree["Trees/Softwood"].id}
    assert all(len(one.tag_ids) == 1 for one in second)
    everything = asked_of(await all_questions(client, project))
    assert len(everything) == len(first) + len(second)

    renamed = await update(client, tree["Trees/Hardwood"].id, title="Broadleaf")
    assert renamed.question_count > counts["Trees/Hardwood"]
    assert asked_of(await all_questions(client, project, renamed.id)).items() < everything.items()
    assert await delete(client, tree["Trees"].id) == 3
    assert asked_of(await all_questions(client, project)) == everything
    assert not any(one.tag_ids for one in await all_questions(client, project) if one.document_ids[0] == a)

    # A build that comes to nothing leaves the tree as it is.
    await mock.control(fixed={"tags": []})
    failed = await built(client, project, provider, "rebuild", levels=3)
    assert (failed.job.state, failed.job.failure.reason) == (job_pb2.JOB_STATE_FAILED, "LLM_OUTPUT_INVALID")
    assert list(await tree_of(client, project)) == ["Firm", "Firm/History"]
    await mock.control(fixed={"tags": [leaf("All", 1, 2, 3, 4)]})
    await built(client, project, provider, "rebuild", levels=1)
    everywhere = await tree_of(client, project)
    assert list(everywhere) == ["All"]
    assert everywhere["All"].question_count == len(everything)
    assert asked_of(await all_questions(client, project)) == everything


async def test_a_large_outline_is_done_in_parts_and_every_entry_gets_a_tag(
    client: Client, mock: MockServer
) -> None:
    chapter = "# The chapter {0} of the handbook\n\nText.\n\n"
    section = "## Section {1} of the chapter {0}, which has a long title\n\nText.\n\n"
    text = "".join(
        chapter.format(at) + "".join(section.format(at, inner) for inner in range(12)) for at in range(50)
    )
    project = await parsed_project(client, {"a.md": text.encode()})
    provider = await new_provider(client, project, mock.base_url)
    done = await built(client, project, provider, "rebuild", max_children=3)
    assert done.job.state == job_pb2.JOB_STATE_SUCCEEDED
    # The upper level, what it left out, and the rest in parts, once with the choice of no tag.
    assert 3 <= done.stats.usage.calls <= 12
    tree = await tree_of(client, project)
    below: dict[str, int] = {}
    for tag in tree.values():
        below[tag.parent_id] = below.get(tag.parent_id, 0) + 1
    assert max(below.values()) <= 3
    assert {name.count("/") for name in tree} == {0, 1}
    placed = [tuple(place.heading_path) for tag in tree.values() for place in tag.places]
    assert len(placed) == len(set(placed)) == 50 * 13 + 1


async def test_what_is_new_goes_under_tags_that_stay_and_new_ones_only_where_none_fits(
    client: Client, mock: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": HANDBOOK.encode()}, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    assert (await built(client, project, provider, "keep")).job.failure.reason == "NO_TAGS"
    await mock.control(fixed={"tags": [leaf("Trees", 1, 2, 3)]})
    # Without tags, to revise is to build.
    await built(client, project, provider, "revise", levels=1)
    mine = await create(client, project, "Mine")
    await upload(client, project, "b.md", "# 山茱萸\n\n山茱萸是一种树，生长在花园里。\n".encode())
    await parse(client, project)
    await mock.control(fixed={"entry_1": 1})
    kept = await built(client, project, provider, "keep")
    assert kept.stats.usage.calls == 1
    tree = await tree_of(client, project)
    assert list(tree) == ["Trees", "Mine"]
    assert ["山茱萸"] in [list(place.heading_path) for place in tree["Trees"].places]
    # What is placed already is not asked for again.
    assert (await built(client, project, provider, "revise")).stats.usage.calls == 0

    await upload(client, project, "c.md", b"# Wages\n\nWages are paid on Fridays.\n")
    await parse(client, project)
    await mock.control(fixed={"entry_1": 0, "tags": [leaf("Staff", 1)]})
    assert (await built(client, project, provider, "revise", levels=1)).stats.usage.calls == 2
    tree = await tree_of(client, project)
    assert list(tree) == ["Trees", "Mine", "Staff"]
    assert (tree["Mine"].id, tree["Staff"].index) == (mine.id, 2)
    assert [list(place.heading_path) for place in tree["Staff"].places] == [["Wages"], []]


async def test_questions_that_are_stored_while_the_tree_changes_are_linked_to_the_new_one(
    client: Client, mock: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": handbook(40)}, min_size=1, max_size=100)
    provider = await new_provider(client, project, mock.base_url)
    await mock.control(latency_ms=50, fixed={"tags": [leaf("All", *range(1, 41))]})
    running = await start_generation(client, project, provider, ONE_FORM)
    for title in ("First", "Second", "Third"):
        await mock.control(fixed={"tags": [leaf(title, *range(1, 41))]})
        done = await built(client, project, provider, "rebuild", {"no_cache": True}, levels=1)
        assert done.job.state == job_pb2.JOB_STATE_SUCCEEDED
    ended = await generated(client, running)
    assert ended.job.state == job_pb2.JOB_STATE_SUCCEEDED
    tree = await tree_of(client, project)
    assert list(tree) == ["Third"]
    questions = await questions_of(client, ended)
    assert len(questions) == tree["Third"].question_count == 40
    assert {tuple(question.tag_ids) for question in questions} == {(tree["Third"].id,)}


async def test_a_tree_is_edited_by_hand_and_what_cannot_be_is_refused(client: Client) -> None:
    project, other = await new_project(client), await new_project(client)
    top, theirs = await create(client, project, "Top"), await create(client, other, "Theirs")
    low = [await create(client, project, title, parent_id=top.id) for title in ("A", "B", "C")]
    second = await create(client, project, "Second")
    assert [tag.index for tag in (top, *low, second)] == [0, 0, 1, 2, 1]

    moved = await update(client, low[0].id, parent_id=second.id, title="A2")
    assert (moved.index, moved.title) == (0, "A2")
    assert list(await tree_of(client, project, 1)) == ["Top", "Top/B", "Top/C", "Second", "Second/A2"]
    assert (await update(client, low[2].id, parent_id="")).index == 2

    for call, code, reason in (
        (create(client, project, "Top"), "ALREADY_EXISTS", "TAG_EXISTS"),
        (update(client, second.id, title="Top"), "ALREADY_EXISTS", "TAG_EXISTS"),
        (create(client, project, "X", parent_id=new_id()), "NOT_FOUND", "TAG_NOT_FOUND"),
        (create(client, project, "X", parent_id=theirs.id), "INVALID_ARGUMENT", "TAG_OF_OTHER_PROJECT"),
        (update(client, second.id, parent_id=moved.id), "INVALID_ARGUMENT", "TAG_UNDER_ITSELF"),
        (update(client, second.id, parent_id=second.id), "INVALID_ARGUMENT", "TAG_UNDER_ITSELF"),
        (update(client, new_id(), title="X"), "NOT_FOUND", "TAG_NOT_FOUND"),
        (delete(client, new_id()), "NOT_FOUND", "TAG_NOT_FOUND"),
        (client.tags.GetTag(pb.GetTagRequest(id=new_id())), "NOT_FOUND", "TAG_NOT_FOUND"),
        (update(client, second.id, title=""), "INVALID_ARGUMENT", "FIELD_INVALID"),
    ):
        error = await failure(call)
        assert (error.code, error.reason) == (code, reason)

    request = pb.CreateTagRequest(tag=Tag(project_id=project, title="Once"), request_id=new_id())
    once = [(await client.tags.CreateTag(request)).tag.id for _ in range(2)]
    assert once[0] == once[1]
    await delete(client, once[0])
    assert (await client.tags.CreateTag(request)).tag.id != once[0]

    gone = DeleteProjectDataRequest(project_id=project)
    deleted = await client.project_data("generation").DeleteProjectData(gone)
    assert deleted.deleted_rows["generation.tags"] == 6
    assert not await tree_of(client, project)
    assert list(await tree_of(client, other)) == ["Theirs"]


async def test_the_narrowest_place_decides_and_changed_places_link_anew(
    client: Client, mock: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": HANDBOOK.encode()}, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    made = await generated(client, await start_generation(client, project, provider, ONE_FORM))
    chunks = await chunks_of(client, project)
    document = chunks[0].document_id
    whole = await create(client, project, "Whole", places=[TagPlace(document_id=document)])
    ash = await create(
        client, project, "Ash", places=[TagPlace(document_id=document, heading_path=["Ash"])] * 2
    )
    assert len(ash.places) == 1
    birch = [one for one in chunks if one.heading_path == ["Birch"]]
    one = await create(
        client, project, "One", places=[TagPlace(document_id=document, chunk_id=each.id) for each in birch]
    )

    async def linked() -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for question in await questions_of(client, made):
            found.setdefault(question.heading_path[0], set()).update(question.tag_ids)
        return found

    assert await linked() == {"Ash": {ash.id}, "Birch": {one.id}, "Cedar": {whole.id}}
    await update(client, ash.id, places=[TagPlace(document_id=document, heading_path=["Cedar"])])
    assert await linked() == {"Ash": {whole.id}, "Birch": {one.id}, "Cedar": {ash.id}}
    await delete(client, one.id)
    assert await linked() == {"Ash": {whole.id}, "Birch": {whole.id}, "Cedar": {ash.id}}
    request = prompt_pb.PreviewPromptRequest(project_id=project, version="tag_places.en@1")
    shown = (await client.prompts.PreviewPrompt(request)).messages[-1].content
    assert shown == "Topics:\n1. Whole\n2. Ash\n\nOutline:\n# a.md\n1. Ash\n2. Birch\n3. Cedar"


async def test_the_tree_is_built_and_edited_at_the_command_line(
    rooms: Rooms, client: Client, mock: MockServer
) -> None:
    await mock.control(fixed={"tags": [leaf("Trees [b]", 1, 2, 3)]})
    project = await parsed_project(client, {"a.md": HANDBOOK.encode()}, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    cli = CommandLine(rooms, project)

    async def said(*arguments: str) -> str:
        code, printed = await cli.run("tag", *arguments, "--project", project, env={"COLUMNS": "80"})
        assert code == 0, printed
        return printed

    printed = await said("build", "--provider", provider, "--levels", "1", "--wait")
    assert "Trees [b]" in printed
    (top,) = (await tree_of(client, project)).values()
    await create(client, project, "Ash", parent_id=top.id)
    await said("rename", "Trees [b] > Ash", "Oak")
    listed = await said("list")
    assert "  Oak" in listed
    assert max(map(len, listed.splitlines())) <= 80
    code, printed = await cli.run("--lang", "zh", "tag", "delete", "Nothing", "--project", project)
    assert (code, "没有名为 Nothing 的标签" in printed) == (1, True)
    assert list(await tree_of(client, project)) == ["Trees [b]", "Trees [b]/Oak"]
