"""Genre-audience pairs through their rpcs and commands, and questions in their voices."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from services.runtime.ids import new_id
from sishu.client import Client
from sishu.common.v1 import job_pb2
from sishu.common.v1.project_data_service_pb2 import DeleteProjectDataRequest
from sishu.generation.v1 import generation_pb2, question_pb2
from sishu.generation.v1 import genre_audience_service_pb2 as pb
from sishu.generation.v1 import prompt_service_pb2 as prompt_pb
from sishu.generation.v1 import question_service_pb2 as question_pb
from sishu.generation.v1.genre_audience_pb2 import GenreAudience
from tests.integration.command_line import CommandLine
from tests.integration.documents import documents_of, failure, new_project, parsed_project
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

SMALL = {"min_size": 1, "max_size": 100}
CHINESE = "# 红隼\n\n北辰公司成立于2015年，总部设在上海。它的第一台设备叫做红隼，重量为十二千克。\n"


async def create(client: Client, project: str, document: str, **fields: Any) -> GenreAudience:
    pair = GenreAudience(project_id=project, document_id=document, **fields)
    request = pb.CreateGenreAudienceRequest(genre_audience=pair)
    return (await client.genre_audiences.CreateGenreAudience(request)).genre_audience


async def update(client: Client, pair_id: str, **fields: Any) -> GenreAudience:
    request = pb.UpdateGenreAudienceRequest(
        genre_audience=GenreAudience(id=pair_id, **fields), update_mask=FieldMask(paths=list(fields))
    )
    return (await client.genre_audiences.UpdateGenreAudience(request)).genre_audience


async def pairs_of(
    client: Client, project: str, document: str = "", page_size: int = 0
) -> list[GenreAudience]:
    request = pb.ListGenreAudiencesRequest(project_id=project, document_id=document, page_size=page_size)
    found: list[GenreAudience] = []
    while True:
        page = await client.genre_audiences.ListGenreAudiences(request)
        found += page.genre_audiences
        request.page_token = page.next_page_token
        if not request.page_token:
            return found


async def built(client: Client, project: str, provider: str, **options: Any) -> generation_pb2.Generation:
    """A generation of pairs that has ended."""
    wanted = generation_pb2.GenerationOptions(
        kind=generation_pb2.GENERATION_KIND_GENRE_AUDIENCES,
        genre_audience_pairs=generation_pb2.GenreAudienceOptions(**options),
    )
    return await generated(client, await start_generation(client, project, provider, wanted))


async def test_each_document_gets_exactly_as_many_different_pairs_as_wanted(
    client: Client, mock: MockServer
) -> None:
    files = {"a.md": handbook(2), "b.md": CHINESE.encode(), "c.md": handbook(30)}
    project = await parsed_project(client, files)
    provider = await new_provider(client, project, mock.base_url)
    done = await built(client, project, provider, pairs=3)
    assert (done.job.state, done.stats.usage.calls) == (job_pb2.JOB_STATE_SUCCEEDED, 3)
    first = await pairs_of(client, project, page_size=2)
    assert list(Counter(pair.document_id for pair in first).values()) == [3, 3, 3]
    assert len({(pair.document_id, pair.genre, pair.audience) for pair in first}) == 9
    assert all(pair.enabled and pair.genre_description and pair.audience_description for pair in first)

    await built(client, project, provider, pairs=2)
    more = await pairs_of(client, project)
    assert more[:9] == first
    assert len(more) == 15

    await built(client, project, provider, pairs=1, replace=True)
    last = await pairs_of(client, project)
    assert list(Counter(pair.document_id for pair in last).values()) == [1, 1, 1]

    # Equal ones are asked for again, and what never differs is left out.
    pair = {"genre": "G", "genre_description": "g.", "audience": "A", "audience_description": "a."}
    await mock.control(fixed={f"pair_{number}": pair for number in (1, 2)})
    again = await built(client, project, provider, pairs=2, replace=True)
    assert again.stats.usage.calls == 9
    assert [(one.genre, one.audience) for one in await pairs_of(client, project)] == [("G", "A")] * 3


async def test_questions_are_written_and_answered_once_for_each_enabled_pair(
    client: Client, mock: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": handbook(4), "b.md": CHINESE.encode()}, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    plain = generation_pb2.GenerationOptions(context_chars=ONLY_THE_FACT, forms_per_fact=2)
    voiced = generation_pb2.GenerationOptions(
        context_chars=ONLY_THE_FACT, forms_per_fact=2, genre_audiences=True
    )
    before = await generated(client, await start_generation(client, project, provider, plain))
    calls = (await mock.stats())["calls"]
    documents = await documents_of(client, project)
    a, b = documents["a.md"].id, documents["b.md"].id

    # Without pairs all is as without, to the letter: nothing is called.
    same = await generated(client, await start_generation(client, project, provider, voiced))
    assert (await mock.stats())["calls"] == calls
    assert same.stats.questions == before.stats.questions

    pupils = await create(
        client, project, a, genre="Lesson", audience="Pupils", audience_description="Young."
    )
    engineers = await create(client, project, a, genre="Report", audience="Engineers")
    off = await create(client, project, a, genre="Poem", audience="Everybody", enabled=False)
    done = await generated(client, await start_generation(client, project, provider, voiced))
    assert done.job.state == job_pb2.JOB_STATE_SUCCEEDED
    questions = await questions_of(client, done)
    asked = Counter(question.genre_audience_id for question in questions if question.document_ids[0] == a)
    assert asked == {pupils.id: 8, engineers.id: 8}
    others = [question for question in questions if question.document_ids[0] == b]
    assert {question.genre_audience_id for question in others} == {""}
    assert len(others) == before.stats.questions - 8
    assert all(question.state != question_pb2.QUESTION_STATE_OPEN for question in questions)

    request = question_pb.ListQuestionsRequest(project_id=project, genre_audience_id=pupils.id)
    listed = (await client.questions.ListQuestions(request)).questions
    assert {question.genre_audience_id for question in listed} == {pupils.id}
    assert len(listed) == 8
    shown = prompt_pb.PreviewPromptRequest(project_id=project, version="answer.en@1", options=voiced)
    assert "Pupils (Young)" in (await client.prompts.PreviewPrompt(shown)).messages[0].content
    shown.version = "genre_audiences.en@1"
    assert "- Poem / Everybody" in (await client.prompts.PreviewPrompt(shown)).messages[-1].content

    await client.genre_audiences.DeleteGenreAudience(pb.DeleteGenreAudienceRequest(id=pupils.id))
    left = Counter(question.genre_audience_id for question in await questions_of(client, done))
    assert left == {"": 8 + len(others), engineers.id: 8}
    assert not (await update(client, off.id, audience="All")).enabled


async def test_pairs_are_kept_by_hand_and_what_cannot_be_is_refused(client: Client) -> None:
    project = await parsed_project(client, {"a.md": handbook(1)})
    other = await new_project(client)
    document = (await documents_of(client, project))["a.md"].id
    first = await create(client, project, document, genre="Lesson", audience="Pupils")
    second = await create(client, project, document, genre="Lesson", audience="Teachers")
    assert await pairs_of(client, project, document) == [first, second]
    changed = await update(client, first.id, genre_description="Slow.", enabled=False)
    assert (changed.genre, changed.genre_description, changed.enabled) == ("Lesson", "Slow.", False)
    missing = pb.GetGenreAudienceRequest(id=new_id())
    for call, code, reason in (
        (
            create(client, project, document, genre="Lesson", audience="Pupils"),
            "ALREADY_EXISTS",
            "GENRE_AUDIENCE_EXISTS",
        ),
        (update(client, second.id, audience="Pupils"), "ALREADY_EXISTS", "GENRE_AUDIENCE_EXISTS"),
        (
            create(client, other, document, genre="X", audience="Y"),
            "INVALID_ARGUMENT",
            "DOCUMENT_OF_OTHER_PROJECT",
        ),
        (create(client, project, new_id(), genre="X", audience="Y"), "NOT_FOUND", "DOCUMENT_NOT_FOUND"),
        (client.genre_audiences.GetGenreAudience(missing), "NOT_FOUND", "GENRE_AUDIENCE_NOT_FOUND"),
        (update(client, new_id(), genre="X"), "NOT_FOUND", "GENRE_AUDIENCE_NOT_FOUND"),
        (update(client, second.id, genre=""), "INVALID_ARGUMENT", "FIELD_INVALID"),
    ):
        error = await failure(call)
        assert (error.code, error.reason) == (code, reason)
    request = pb.CreateGenreAudienceRequest(
        genre_audience=GenreAudience(project_id=project, document_id=document, genre="Once", audience="A"),
        request_id=new_id(),
    )
    once = [(await client.genre_audiences.CreateGenreAudience(request)).genre_audience.id for _ in range(2)]
    assert once[0] == once[1]
    gone = DeleteProjectDataRequest(project_id=project)
    deleted = await client.project_data("generation").DeleteProjectData(gone)
    assert deleted.deleted_rows["generation.genre_audiences"] == 3
    assert await pairs_of(client, project) == []


async def test_pairs_are_written_and_switched_at_the_command_line(
    rooms: Rooms, client: Client, mock: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": handbook(2)}, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    cli = CommandLine(rooms, project)

    async def read(*arguments: str) -> list[dict[str, Any]]:
        code, printed = await cli.run("--json", *arguments)
        assert code == 0, printed
        return [json.loads(line) for line in printed.splitlines() if line.startswith("{")]

    wanted = ("--project", project, "--provider", provider, "--wait")
    (made,) = await read("genre", "build", *wanted, "--pairs", "2")
    assert made["job"]["state"] == "JOB_STATE_SUCCEEDED"
    first, second = await pairs_of(client, project)
    (switched,) = await read("genre", "disable", first.id)
    assert (switched["id"], switched["enabled"]) == (first.id, False)
    (done,) = await read("generation", "create", *wanted, "--genre-audiences", "--forms", "1")
    assert done["stats"]["questions"] == "2"
    listed = await client.questions.ListQuestions(question_pb.ListQuestionsRequest(project_id=project))
    assert {question.genre_audience_id for question in listed.questions} == {second.id}
