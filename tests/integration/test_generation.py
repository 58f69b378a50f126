"""The generation room through its rpcs, against a mock model server: questions and answers with found quotes."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest
from aiohttp import web

from services.generation.generations.store import Store
from services.generation.questions.questions import CallRecord, NewQuestion
from services.generation.questions.store import NewQuestions, QuestionStore
from services.runtime.db import Connection, transaction
from services.runtime.ids import new_id
from services.runtime.jobs import Jobs
from sishu.client import Client
from sishu.common.v1 import job_pb2, job_service_pb2
from sishu.common.v1.project_data_service_pb2 import DeleteProjectDataRequest
from sishu.errors import ApiError
from sishu.generation.v1 import generation_pb2, provider_pb2
from sishu.generation.v1 import generation_service_pb2 as pb
from sishu.generation.v1 import provider_service_pb2 as provider_pb
from sishu.ingest.v1 import document_service_pb2
from tests.integration.documents import documents_of, fetch, new_project, parsed_project
from tests.integration.generations import (
    ONLY_THE_FACT,
    generated,
    handbook,
    is_waited_for,
    new_pool,
    new_provider,
    questions_of,
    start_generation,
    states,
    view,
)
from tests.integration.processes import eventually
from tests.integration.stores import Rooms
from tests.support.mock_llm import MockServer, mock_llm
from tests.support.web_server import served

SMALL = {"min_size": 1, "max_size": 100}
KEY = "sk-planted-0123456789"


async def text_of(client: Client, document_id: str) -> str:
    request = document_service_pb2.GetDocumentContentRequest(id=document_id)
    content = await client.documents.GetDocumentContent(request)
    return (await fetch(content.text.url)).decode()


async def test_every_question_has_a_fact_an_answer_and_a_quote_that_stand_in_the_document(
    client: Client, mock: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": handbook(6)}, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    done = await generated(client, await start_generation(client, project, provider))
    assert (done.job.state, done.job.counts.total) == (job_pb2.JOB_STATE_SUCCEEDED, 1 + 6 + 12)
    questions = await questions_of(client, done)
    assert states(questions) == {"ANSWERED": 12}
    text = await text_of(client, questions[0].document_ids[0])
    for question in questions:
        assert question.text.endswith("?")
        for quote in (question.fact, *question.answer.quotes):
            assert text[quote.span.start : quote.span.end] == quote.text
            assert quote.document_version == 1
        assert question.answer.quotes[0].text == question.fact.text
        assert (question.origin.prompt_version, question.origin.model) == ("questions.en@1", "mock-model")
        assert question.answer.origin.prompt_version == "answer.en@1"
        assert question.answer.origin.provider_id == provider
    assert Counter(question.form for question in questions) == {0: 6, 1: 6}
    taken = done.options
    assert (taken.chars_per_fact, taken.forms_per_fact, taken.facts_per_call) == (240, 2, 8)
    stats = done.stats
    assert (stats.questions, stats.answered, stats.rejected) == (12, 12, 0)
    calls = await mock.stats()
    assert stats.usage.calls == calls["paid"] == calls["distinct_prompts"] == 18
    assert stats.usage.prompt_tokens > 0 < stats.usage.completion_tokens


async def test_a_question_of_a_wording_that_is_there_is_rejected(client: Client, mock: MockServer) -> None:
    await mock.control(fixed={"questions": ["How heavy is the part?", "how heavy is the part ?"]})
    project = await parsed_project(client, {"a.md": handbook(3)}, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    done = await generated(client, await start_generation(client, project, provider))
    assert done.job.state == job_pb2.JOB_STATE_SUCCEEDED
    assert (done.stats.questions, done.stats.answered) == (6, 1)
    assert dict(done.stats.rejected_by_reason) == {"DUPLICATE_QUESTION": 5}


async def test_calls_that_bring_the_same_wordings_at_once_do_not_wait_for_each_other(
    client: Client, rooms: Rooms, mock: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": handbook(1)}, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    made = await generated(client, await start_generation(client, project, provider))
    wordings = [f"How heavy is part {number}?" for number in range(40)]

    async def write(store: Store, connection: Connection) -> int:
        shuffled = random.sample(wordings, len(wordings))
        new = [NewQuestion(new_id(), text, [], [], None, 0, None) for text in shuffled]
        call = CallRecord(new_id(), "questions.en@1", provider, "m", {}, 1, 1, 1, 0.1)
        written = NewQuestions(await store.get_generation(made.id), call, new)
        return sum(map(len, await QuestionStore(store.pool).insert(connection, written)))

    async with rooms.stores.pool("generation", 12) as pool:
        store = Store(pool, Jobs(pool, "generation"))

        async def transacted() -> int:
            async with transaction(pool) as connection:
                return await write(store, connection)

        counts = await asyncio.gather(*(transacted() for _ in range(6)))
    assert sum(counts) == len(wordings)


@pytest.mark.parametrize(
    ("fixed", "reason"),
    [
        ({"answer": "I cannot answer that."}, "REFUSAL"),
        ({"answer": "It weighs 9000 grams."}, "NUMBER_NOT_IN_SOURCE"),
        ({"quote": "This stands nowhere."}, "QUOTE_NOT_FOUND"),
        ({"questions": ["What does this passage say?"]}, "LEAK_PHRASE"),
    ],
)
async def test_what_does_not_pass_the_gates_is_kept_with_the_reason(
    client: Client, mock: MockServer, fixed: dict[str, object], reason: str
) -> None:
    await mock.control(fixed=fixed)
    project = await parsed_project(client, {"a.md": handbook(1)}, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    options = generation_pb2.GenerationOptions(forms_per_fact=1, context_chars=ONLY_THE_FACT)
    done = await generated(client, await start_generation(client, project, provider, options))
    assert dict(done.stats.rejected_by_reason) == {reason: 1}
    (question,) = await questions_of(client, done)
    assert question.rejection.reason == reason
    assert done.job.state == job_pb2.JOB_STATE_SUCCEEDED


async def test_a_chinese_document_is_asked_about_in_chinese(client: Client, mock: MockServer) -> None:
    await mock.control(fixed={"questions": ["北辰公司成立于哪一年？"], "answer": "成立于2015年。"})
    sentence = "北辰公司成立于2015年，总部设在苏州工业园区。"
    project = await parsed_project(client, {"公司.txt": sentence.encode("gb18030")})
    provider = await new_provider(client, project, mock.base_url)
    options = generation_pb2.GenerationOptions(forms_per_fact=1)
    done = await generated(client, await start_generation(client, project, provider, options))
    (question,) = await questions_of(client, done)
    assert (question.origin.prompt_version, question.answer.text) == ("questions.zh@1", "成立于2015年。")
    assert question.answer.quotes[0].text == sentence


async def test_only_the_named_documents_are_asked_about(client: Client, mock: MockServer) -> None:
    project = await parsed_project(client, {"a.md": handbook(2), "b.md": handbook(3)}, **SMALL)
    wanted = (await documents_of(client, project))["b.md"].id
    provider = await new_provider(client, project, mock.base_url)
    options = generation_pb2.GenerationOptions(document_ids=[wanted], context_chars=ONLY_THE_FACT)
    done = await generated(client, await start_generation(client, project, provider, options))
    assert {question.document_ids[0] for question in await questions_of(client, done)} == {wanted}
    assert done.stats.questions == 6


@pytest.mark.parametrize("named", [True, False])
async def test_chunks_are_planned_page_by_page(client: Client, mock: MockServer, named: bool) -> None:
    files = {"a.md": handbook(150), "b.md": handbook(60).replace(b"Kestrel", b"Merlin")}
    project = await parsed_project(client, files, **SMALL)
    documents = (await documents_of(client, project)).values()
    provider = await new_provider(client, project, mock.base_url)
    options = generation_pb2.GenerationOptions(
        forms_per_fact=1,
        context_chars=ONLY_THE_FACT,
        document_ids=[document.id for document in documents if named],
    )
    done = await generated(client, await start_generation(client, project, provider, options))
    pages = 2
    assert (done.job.state, done.job.counts.total) == (job_pb2.JOB_STATE_SUCCEEDED, pages + 210 + 210)
    questions = await questions_of(client, done)
    assert len({question.chunk_ids[0] for question in questions}) == len(questions) == 210


async def test_a_generation_whose_key_is_refused_is_paused_and_goes_on_when_the_key_is_mended(
    client: Client, mock: MockServer
) -> None:
    await mock.control(api_key="sk-right")
    project = await parsed_project(client, {"a.md": handbook(3)}, **SMALL)
    provider = await new_provider(client, project, mock.base_url, KEY)
    generation = await start_generation(client, project, provider)
    paused = await paused_job(client, generation)
    assert (paused.failure.reason, paused.counts.failed) == ("PROVIDER_REFUSED_KEY", 0)
    assert "Incorrect API key provided" in paused.failure.message
    assert f"sishu job resume {paused.id}" in paused.failure.message
    assert KEY not in str(paused)
    await resumed_with_key(client, provider, "sk-right", paused.id)
    done = await generated(client, generation)
    assert (done.job.state, done.stats.answered) == (job_pb2.JOB_STATE_SUCCEEDED, 6)
    assert not done.job.failure.reason
    assert (await mock.stats())["paid"] == 9


async def test_a_key_that_is_revoked_in_the_middle_costs_no_item(client: Client, mock: MockServer) -> None:
    # One that was refused a moment ago would not be tried.
    key = "sk-revoked"
    limits = provider_pb2.ProviderLimits(calls_in_flight=8)
    await mock.control(api_key=key, latency_ms=50)
    project = await parsed_project(client, {"a.md": handbook(60)}, **SMALL)
    provider = await new_provider(client, project, mock.base_url, key, limits=limits)
    generation = await start_generation(client, project, provider)
    await eventually(lambda: has_answers(client, generation.id))
    await mock.control(api_key="sk-new")
    paused = await paused_job(client, generation)
    assert (paused.failure.reason, paused.counts.failed) == ("PROVIDER_REFUSED_KEY", 0)
    await eventually(lambda: is_idle(mock))
    told = await mock.stats()
    # Those in flight, not one for each item.
    assert told["statuses"]["401"] <= limits.calls_in_flight
    await asyncio.sleep(1)
    assert (await mock.stats())["calls"] == told["calls"]
    await resumed_with_key(client, provider, "sk-new", paused.id)
    done = await generated(client, generation)
    assert (done.job.state, done.stats.answered) == (job_pb2.JOB_STATE_SUCCEEDED, 120)
    assert (await mock.stats())["paid"] == 180


async def test_a_pool_goes_on_without_the_members_whose_account_is_empty(
    client: Client, mock: MockServer
) -> None:
    async def empty(_: web.Request) -> web.Response:
        return web.json_response({"error": {"message": "Insufficient Balance"}}, status=402)

    async with served(empty) as url:
        project = await parsed_project(client, {"a.md": handbook(40)}, **SMALL)
        members = [await new_provider(client, project, one) for one in (url, mock.base_url)]
        done = await generated(
            client, await start_generation(client, project, await new_pool(client, project, members))
        )
    assert (done.job.state, done.job.counts.failed) == (job_pb2.JOB_STATE_SUCCEEDED, 0)
    assert done.stats.answered == 80


async def test_a_server_that_asks_for_a_long_pause_is_told_of_at_once_with_until_when(client: Client) -> None:
    # A server of its own, as it is then left alone for a while.
    async with mock_llm(rate_429=1.0, retry_after_s=86400) as busy:
        project = await parsed_project(client, {"a.md": handbook(150)}, **SMALL)
        provider = await new_provider(client, project, busy.base_url)
        generation = await start_generation(client, project, provider)

        async def is_told() -> bool:
            progress = (await view(client, generation.id)).job.progress
            return "left alone until 20" in progress or "it is asked again at 20" in progress

        await eventually(is_told)
        # More items end well that make no calls.
        for _ in range(10):
            await asyncio.sleep(0.3)
            assert await is_told()
        await client.jobs("generation").CancelJob(job_service_pb2.CancelJobRequest(id=generation.job.id))


async def paused_job(client: Client, generation: generation_pb2.Generation) -> job_pb2.Job:
    async def is_paused() -> bool:
        return (await view(client, generation.id)).job.state == job_pb2.JOB_STATE_PAUSED

    await eventually(is_paused)
    return (await view(client, generation.id)).job


async def resumed_with_key(client: Client, provider: str, key: str, job_id: str) -> None:
    change = provider_pb.UpdateProviderRequest(provider=provider_pb2.Provider(id=provider, api_key=key))
    change.update_mask.paths.append("api_key")
    await client.providers.UpdateProvider(change)
    await client.jobs("generation").ResumeJob(job_service_pb2.ResumeJobRequest(id=job_id))


async def test_what_a_model_server_stumbles_over_is_asked_again(client: Client, mock: MockServer) -> None:
    await mock.control(next_faults=["500", "garbage", "429", "ok", "drop", "think", "truncated", "503"])
    project = await parsed_project(client, {"a.md": handbook(4)}, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    done = await generated(client, await start_generation(client, project, provider))
    assert done.job.state == job_pb2.JOB_STATE_SUCCEEDED
    assert states(await questions_of(client, done)) == {"ANSWERED": 8}


async def test_a_cancelled_generation_stores_nothing_more_and_can_be_deleted(
    client: Client, mock: MockServer
) -> None:
    await mock.control(latency_ms=1000)
    project = await parsed_project(client, {"a.md": handbook(40)}, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    generation = await start_generation(client, project, provider)
    delete = pb.DeleteGenerationRequest(id=generation.id)
    await eventually(lambda: has_answers(client, generation.id))
    with pytest.raises(ApiError) as raised:
        await client.generations.DeleteGeneration(delete)
    assert raised.value.reason == "GENERATION_RUNNING"
    await client.jobs("generation").CancelJob(job_service_pb2.CancelJobRequest(id=generation.job.id))
    stopped = await view(client, generation.id)
    await eventually(lambda: is_idle(mock))
    after = await view(client, generation.id)
    # What was in flight is paid, and counted; nothing else comes of it.
    assert (after.stats.questions, after.stats.answered) == (stopped.stats.questions, stopped.stats.answered)
    await eventually(lambda: all_paid_is_counted(client, mock, generation.id))
    assert after.job == stopped.job
    assert after.job.state == job_pb2.JOB_STATE_CANCELLED
    counts = after.job.counts
    assert counts.total == counts.done + counts.skipped
    deleted = await client.generations.DeleteGeneration(delete)
    assert deleted.deleted_questions == after.stats.questions


async def test_a_cancel_ends_the_calls_in_flight_at_once(client: Client) -> None:
    project = await parsed_project(client, {"a.md": handbook(40)}, **SMALL)
    async with mock_llm(rate_hang=1.0) as hanging:
        provider = await new_provider(client, project, hanging.base_url)
        generation = await start_generation(client, project, provider)

        async def is_calling() -> bool:
            return bool((await hanging.stats())["in_flight"] > 3)

        await eventually(is_calling)
        await client.jobs("generation").CancelJob(job_service_pb2.CancelJobRequest(id=generation.job.id))
        await eventually(lambda: is_idle(hanging), 5)
    counts = (await view(client, generation.id)).job.counts
    assert (counts.done, counts.skipped) == (1, counts.total - 1)


async def all_paid_is_counted(client: Client, mock: MockServer, generation_id: str) -> bool:
    calls = (await view(client, generation_id)).stats.usage.calls
    return calls == int((await mock.stats())["paid"])


async def has_answers(client: Client, generation_id: str) -> bool:
    return (await view(client, generation_id)).stats.answered > 0


async def is_idle(mock: MockServer) -> bool:
    return bool((await mock.stats())["in_flight"] == 0)


async def test_a_generation_says_what_is_missing_before_it_starts(client: Client, mock: MockServer) -> None:
    empty, other = await new_project(client), await new_project(client)
    for project, provider, reason in (
        (empty, await new_provider(client, empty, mock.base_url), "NO_CHUNKS"),
        (empty, await new_provider(client, other, mock.base_url), "PROVIDER_OF_OTHER_PROJECT"),
        (empty, new_id(), "PROVIDER_NOT_FOUND"),
    ):
        with pytest.raises(ApiError) as raised:
            await start_generation(client, project, provider)
        assert raised.value.reason == reason


async def test_a_generation_with_one_request_id_is_one_generation(client: Client, mock: MockServer) -> None:
    project = await parsed_project(client, {"a.md": handbook(1)}, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    request_id = new_id()
    ids = {(await start_generation(client, project, provider, request_id=request_id)).id for _ in range(3)}
    assert len(ids) == 1
    listed = await client.generations.ListGenerations(pb.ListGenerationsRequest(project_id=project))
    await generated(client, listed.generations[0])
    assert {one.id for one in listed.generations} == ids
    assert (await mock.stats())["calls"] == 3


async def test_a_generations_request_id_is_looked_up_before_anything_else(
    client: Client, mock: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": handbook(1)}, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    request_id = new_id()
    made = await generated(client, await start_generation(client, project, provider, request_id=request_id))
    assert await start_generation(client, project, new_id(), request_id=request_id) == made
    await client.generations.DeleteGeneration(pb.DeleteGenerationRequest(id=made.id))
    again = await start_generation(client, project, provider, request_id=request_id)
    assert again.id != made.id
    assert (await generated(client, again)).stats.questions == 2


async def test_a_list_shows_each_generation_as_it_is(client: Client, mock: MockServer) -> None:
    project = await parsed_project(client, {"a.md": handbook(2)}, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    ended = []
    options = generation_pb2.GenerationOptions(context_chars=ONLY_THE_FACT, no_cache=True)
    for fixed in ({}, {"answer": "I cannot answer that."}, {"quote": "This stands nowhere."}):
        await mock.control(fixed=fixed)
        ended.append(await generated(client, await start_generation(client, project, provider, options)))
    request = pb.ListGenerationsRequest(project_id=project, page_size=2)
    first = await client.generations.ListGenerations(request)
    request.page_token = first.next_page_token
    second = await client.generations.ListGenerations(request)
    assert [*first.generations, *second.generations] == ended[::-1]
    reasons = [dict(one.stats.rejected_by_reason) for one in ended]
    assert reasons == [{}, {"REFUSAL": 4}, {"QUOTE_NOT_FOUND": 4}]


async def test_a_generation_that_is_not_there_is_not_found(client: Client) -> None:
    for call in (
        client.generations.GetGeneration(pb.GetGenerationRequest(id=new_id())),
        client.generations.DeleteGeneration(pb.DeleteGenerationRequest(id=new_id())),
    ):
        with pytest.raises(ApiError) as raised:
            await call
        assert raised.value.reason == "GENERATION_NOT_FOUND"


async def test_providers_are_kept_without_showing_their_keys(client: Client, mock: MockServer) -> None:
    project = await parsed_project(client, {"a.md": handbook(1)}, **SMALL)
    provider = await new_provider(client, project, mock.base_url, KEY)
    got = (await client.providers.GetProvider(provider_pb.GetProviderRequest(id=provider))).provider
    assert (got.has_api_key, got.api_key) == (True, "")
    with pytest.raises(ApiError) as raised:
        await client.providers.CreateProvider(provider_pb.CreateProviderRequest(provider=got))
    assert (raised.value.reason, raised.value.field) == ("PROVIDER_NAME_TAKEN", "provider.name")
    report = await client.providers.TestProvider(provider_pb.TestProviderRequest(id=provider))
    assert (report.ok, list(report.models)) == (True, ["mock-model"])
    assert not report.HasField("failure")
    await generated(client, await start_generation(client, project, provider))
    with pytest.raises(ApiError) as raised:
        await client.providers.DeleteProvider(provider_pb.DeleteProviderRequest(id=provider))
    assert raised.value.reason == "PROVIDER_IN_USE"
    unused = await new_provider(client, project, mock.base_url)
    await client.providers.DeleteProvider(provider_pb.DeleteProviderRequest(id=unused))
    listed = await client.providers.ListProviders(provider_pb.ListProvidersRequest(project_id=project))
    assert [one.id for one in listed.providers] == [provider]


async def page(_: web.Request) -> web.Response:
    return web.Response(text="<html>Welcome</html>", content_type="text/html")


async def test_a_provider_that_is_a_web_page_is_found_out_by_its_trial(client: Client) -> None:
    project = await new_project(client)
    async with served(page) as url:
        provider = await new_provider(client, project, url)
        report = await client.providers.TestProvider(provider_pb.TestProviderRequest(id=provider))
    assert (report.ok, report.failure.code, report.failure.reason) == (
        False,
        "UNAVAILABLE",
        "PROVIDER_FAILED",
    )
    assert url in report.failure.message


async def echo(request: web.Request) -> web.Response:
    said = f"the key {request.headers['Authorization']} is bad"
    return web.json_response({"error": {"message": said}}, status=500)


async def test_a_key_that_a_failing_server_sends_back_is_in_no_log_and_no_table(
    client: Client, rooms: Rooms
) -> None:
    project = await parsed_project(client, {"a.md": handbook(1)}, **SMALL)
    async with served(echo) as url:
        provider = await new_provider(client, project, url, KEY)
        generation = await start_generation(client, project, provider)
        await eventually(lambda: is_retried(rooms))
        await client.jobs("generation").CancelJob(job_service_pb2.CancelJobRequest(id=generation.job.id))
    assert KEY not in rooms.processes["generation"].log()
    async with rooms.stores.pool("generation") as pool:
        tables = await pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'generation'")
        for (table,) in tables:
            found = await pool.fetchval(
                f'SELECT count(*) FROM "{table}" AS r WHERE r::text LIKE $1', f"%{KEY}%"
            )
            assert (table, found) == (table, 0)


async def is_retried(rooms: Rooms) -> bool:
    return "item_retried" in rooms.processes["generation"].log()


async def test_deleting_a_projects_data_deletes_everything_and_says_what(
    client: Client, mock: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": handbook(2)}, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    generation = await generated(client, await start_generation(client, project, provider))
    request = DeleteProjectDataRequest(project_id=project)
    deleted = await client.project_data("generation").DeleteProjectData(request)
    assert dict(deleted.deleted_rows) == {
        "generation.candidates": 0,
        "generation.questions": 4,
        "generation.generations": 1,
        "generation.providers": 1,
        "generation.prompt_versions": 0,
        "generation.tags": 0,
        "generation.genre_audiences": 0,
        "generation.question_templates": 0,
    }
    again = await client.project_data("generation").DeleteProjectData(request)
    assert set(again.deleted_rows.values()) == {0}
    with pytest.raises(ApiError) as raised:
        await client.jobs("generation").GetJob(job_service_pb2.GetJobRequest(id=generation.job.id))
    assert raised.value.reason == "JOB_NOT_FOUND"


async def test_a_project_can_be_deleted_while_an_item_of_it_ends(client: Client, rooms: Rooms) -> None:
    project = await parsed_project(client, {"a.md": handbook(1)}, **SMALL)
    async with mock_llm(next_faults=["hang"] * 9) as hanging, rooms.stores.pool("generation") as pool:
        provider = await new_provider(client, project, hanging.base_url)
        generation = await start_generation(client, project, provider)
        await eventually(lambda: is_busy(hanging))
        store, jobs = Store(pool, Jobs(pool, "generation")), Jobs(pool, "generation")
        writing = await pool.fetchval(
            "SELECT id FROM job_items WHERE job_id = $1 AND kind = 'write_questions'", generation.job.id
        )
        request = DeleteProjectDataRequest(project_id=project)
        made = await store.get_generation(generation.id)
        async with jobs.finish(await jobs.load(writing, 1)) as connection:
            deletion = asyncio.ensure_future(client.project_data("generation").DeleteProjectData(request))
            await eventually(lambda: is_waited_for(pool))
            call = CallRecord(new_id(), "questions.en@1", provider, "m", {}, 1, 1, 1, 0.1)
            await QuestionStore(pool).insert(connection, NewQuestions(made, call, []))
        assert (await deletion).deleted_rows["generation.generations"] == 1
        for table in ("jobs", "generations", "llm_calls"):
            column = {"jobs": "resource_id", "generations": "id"}.get(table, "generation_id")
            left = await pool.fetchval(f"SELECT count(*) FROM {table} WHERE {column} = $1", generation.id)
            assert (table, left) == (table, 0)


async def is_busy(mock: MockServer) -> bool:
    return bool((await mock.stats())["in_flight"] > 0)
