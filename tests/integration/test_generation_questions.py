"""What the generation room keeps about questions: the chunks that they were written from, and their facts."""

from __future__ import annotations

import json
import uuid
from collections import defaultdict

from google.protobuf.field_mask_pb2 import FieldMask

from services.generation.generations.generations import Generation
from services.generation.generations.store import Store
from services.generation.questions.questions import Answer, CallRecord, NewQuestion
from services.generation.questions.store import NewAnswer, NewQuestions, QuestionStore
from services.runtime.db import transaction
from services.runtime.ids import new_id
from services.runtime.jobs import Jobs
from sishu.client import Client
from sishu.generation.v1 import question_pb2
from sishu.generation.v1 import question_service_pb2 as pb
from sishu.generation.v1.generation_service_pb2 import ListGenerationsRequest
from sishu.ingest.v1 import chunk_pb2
from sishu.ingest.v1 import chunk_service_pb2 as chunk_pb
from tests.integration.documents import chunks_of, new_project, parsed_project, text_of
from tests.integration.generations import generated, handbook, new_provider, questions_of, start_generation
from tests.integration.stores import Rooms
from tests.support.mock_llm import mock_llm

SMALL = {"min_size": 1, "max_size": 100}


def call_of(provider_id: str) -> CallRecord:
    return CallRecord(new_id(), "questions.en@1", provider_id, "m", {}, 1, 1, 1, 0.1)


async def empty_generation(
    store: Store, project_id: str, provider_id: str, options: str = "{}"
) -> Generation:
    """A generation without anything to do, whose job has ended."""
    async with transaction(store.pool) as connection:
        generation_id = new_id()
        await connection.execute(
            "INSERT INTO generations (id, project_id, provider_id, options) VALUES ($1, $2, $3, $4::text::jsonb)",
            generation_id,
            project_id,
            provider_id,
            options,
        )
        await store.jobs.create(connection, "generate", [], project_id=project_id, resource_id=generation_id)
    return await store.get_generation(generation_id)


async def about(client: Client, project_id: str, chunk_id: str) -> list[question_pb2.Question]:
    request = pb.ListQuestionsRequest(project_id=project_id, chunk_id=chunk_id)
    return list((await client.questions.ListQuestions(request)).questions)


async def test_all_forms_of_a_fact_bear_its_id_and_the_chunk_that_holds_it(client: Client) -> None:
    project = await parsed_project(client, {"a.md": handbook(3)}, **SMALL)
    async with mock_llm() as mock:
        provider = await new_provider(client, project, mock.base_url)
        done = await generated(client, await start_generation(client, project, provider))
    forms = defaultdict(set)
    for question in await questions_of(client, done):
        fact = question.fact
        assert [*question.chunk_ids, *question.document_ids] == [fact.chunk_id, fact.document_id]
        place = [fact.document_id, str(fact.document_version), str(fact.span.start), str(fact.span.end)]
        assert question.fact_id == str(uuid.uuid5(uuid.NAMESPACE_URL, "sishu:" + "\x1f".join(place)))
        forms[question.fact_id].add(question.form)
    assert list(forms.values()) == [{0, 1}] * 3
    for chunk in await chunks_of(client, project):
        assert {question.chunk_ids[0] for question in await about(client, project, chunk.id)} == {chunk.id}


async def test_a_question_may_come_from_several_chunks_or_none_and_its_answer_needs_no_quote(
    client: Client, rooms: Rooms
) -> None:
    project = await new_project(client)
    provider = await new_provider(client, project, "http://127.0.0.1:9/v1")
    chunks, document = [new_id(), new_id()], new_id()
    several = NewQuestion(new_id(), "Which part is the heaviest?", chunks, [document], None, 0, None)
    free = NewQuestion(new_id(), "What is a kestrel?", [], [], None, 0, None)
    async with rooms.stores.pool("generation") as pool:
        store = Store(pool, Jobs(pool, "generation"))
        made = await empty_generation(store, project, provider)
        async with transaction(pool) as connection:
            await QuestionStore(pool).insert(
                connection, NewQuestions(made, call_of(provider), [several, free])
            )
        asked = await QuestionStore(pool).get(several.id)
        async with transaction(pool) as connection:
            answer = Answer("Nobody says.", [], "", call_of(provider))
            await QuestionStore(pool).set_answers(connection, [NewAnswer(asked, answer)])
    for chunk_id in chunks:
        (found,) = await about(client, project, chunk_id)
        assert [found.id, *found.chunk_ids, *found.document_ids] == [several.id, *chunks, document]
        assert (found.HasField("fact"), found.fact_id) == (False, "")
        assert found.state == question_pb2.QUESTION_STATE_ANSWERED
        assert (found.answer.text, len(found.answer.quotes)) == ("Nobody says.", 0)
    got = (await client.questions.GetQuestion(pb.GetQuestionRequest(id=free.id))).question
    assert (len(got.chunk_ids), len(got.document_ids), got.HasField("fact")) == (0, 0, False)


async def test_pages_of_long_rows_end_early(client: Client, rooms: Rooms) -> None:
    project = await new_project(client)
    provider = await new_provider(client, project, "http://127.0.0.1:9/v1")
    many = json.dumps({"document_ids": [new_id() for _ in range(10_000)]})
    async with rooms.stores.pool("generation") as pool:
        store = Store(pool, Jobs(pool, "generation"))
        made = [await empty_generation(store, project, provider, many) for _ in range(4)]
        new = [NewQuestion(new_id(), f"Question {n}?", [], [], None, 0, None) for n in range(7)]
        async with transaction(pool) as connection:
            await QuestionStore(pool).insert(connection, NewQuestions(made[0], call_of(provider), new))
        for one in new:
            asked = await QuestionStore(pool).get(one.id)
            async with transaction(pool) as connection:
                answer = Answer("Yes.", [], "想" * 100_000, call_of(provider))
                await QuestionStore(pool).set_answers(connection, [NewAnswer(asked, answer)])
    request = pb.ListQuestionsRequest(project_id=project, page_size=1000)
    pages: list[list[str]] = []
    while not pages or request.page_token:
        page = await client.questions.ListQuestions(request)
        pages.append([question.id for question in page.questions])
        request.page_token = page.next_page_token
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [one for page in pages for one in page] == [one.id for one in new]
    listed = await client.generations.ListGenerations(ListGenerationsRequest(project_id=project))
    assert [one.id for one in listed.generations] == [made[3].id, made[2].id]
    assert listed.next_page_token


async def test_an_excluded_chunk_is_asked_nothing_and_an_edited_one_is_quoted_from_the_document(
    client: Client,
) -> None:
    project = await parsed_project(client, {"a.md": handbook(3)}, min_size=1, max_size=100)
    first, second, third = await chunks_of(client, project)
    excluded = chunk_pb2.Chunk(id=first.id, excluded=True)
    mask = FieldMask(paths=["excluded"])
    await client.chunks.UpdateChunk(chunk_pb.UpdateChunkRequest(chunk=excluded, update_mask=mask))
    edited = (
        await client.chunks.EditChunk(
            chunk_pb.EditChunkRequest(id=second.id, text=second.text.replace("weighs", "has a weight of"))
        )
    ).chunk
    text = await text_of(client, first.document_id)
    async with mock_llm() as mock:
        provider = await new_provider(client, project, mock.base_url)
        done = await generated(client, await start_generation(client, project, provider))
    questions = await questions_of(client, done)
    assert {chunk for one in questions for chunk in one.chunk_ids} == {edited.id, third.id}
    quotes = [quote for one in questions for quote in one.answer.quotes]
    assert any(quote.chunk_id == edited.id for quote in quotes)
    for quote in quotes:
        assert text[quote.span.start : quote.span.end] == quote.text
