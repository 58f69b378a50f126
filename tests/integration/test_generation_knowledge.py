"""Generations that ask the model that is to learn first, and write few questions about what it knows."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.field_mask_pb2 import FieldMask

from services.runtime.ids import new_id
from sishu.client import Client
from sishu.common.v1 import job_pb2
from sishu.common.v1.job_service_pb2 import ResumeJobRequest, RetryJobRequest
from sishu.generation.v1 import gates_pb2, generation_pb2, provider_pb2, question_options_pb2, question_pb2
from sishu.generation.v1.genre_audience_pb2 import GenreAudience
from sishu.generation.v1.genre_audience_service_pb2 import CreateGenreAudienceRequest
from sishu.generation.v1.prompt_service_pb2 import PreviewPromptRequest
from sishu.generation.v1.provider_service_pb2 import DeleteProviderRequest, UpdateProviderRequest
from tests.integration.command_line import CommandLine
from tests.integration.documents import documents_of, failure, new_project, parsed_project
from tests.integration.generations import (
    ONLY_THE_FACT,
    PRICE,
    generated,
    handbook,
    new_pool,
    new_provider,
    questions_of,
    start_generation,
    states,
    view,
)
from tests.integration.processes import eventually
from tests.integration.stores import Rooms, shared_rooms, started_room
from tests.support.learner_llm import learner_llm
from tests.support.mock_llm import MockServer

SMALL = {"min_size": 1, "max_size": 100}
REJECTED = question_pb2.QUESTION_STATE_REJECTED
FACTS, MANY = 12, 24
ANSWER = "The Kestrel."
"""What the writer answers always, so that the learner can know it."""

rooms = pytest_asyncio.fixture(scope="module")(
    shared_rooms("ingest", "generation", SISHU_GENERATION_BATCH_SECONDS=0.4, SISHU_HEARTBEAT_SECONDS=3)
)


@pytest_asyncio.fixture
async def writer(mock: MockServer) -> AsyncIterator[MockServer]:
    await mock.control(fixed={"answer": ANSWER})
    yield mock
    await mock.control(fixed={})


def asking(learner: str, known_forms: int = 0, **options: Any) -> generation_pb2.GenerationOptions:
    """Three forms about what a learner does not know."""
    knowledge = question_options_pb2.KnowledgeOptions(provider_id=learner, forms_per_known_fact=known_forms)
    return generation_pb2.GenerationOptions(
        context_chars=ONLY_THE_FACT, forms_per_fact=3, knowledge=knowledge, **options
    )


async def run(
    client: Client, project: str, provider: str, learner: str, **options: Any
) -> generation_pb2.Generation:
    """A generation that asks a learner, and must end well."""
    made = await start_generation(client, project, provider, asking(learner, **options))
    done = await generated(client, made)
    assert done.job.state == job_pb2.JOB_STATE_SUCCEEDED, done
    return done


def by_fact(questions: list[question_pb2.Question]) -> dict[str, list[question_pb2.Question]]:
    """The questions of each fact, by their form."""
    found = defaultdict(list)
    for question in questions:
        found[question.fact_id].append(question)
    return {fact: sorted(asked, key=lambda one: one.form) for fact, asked in found.items()}


async def test_what_the_learner_knows_gets_one_form_and_all_else_as_many_as_wanted(
    client: Client, writer: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": handbook(FACTS)}, **SMALL)
    provider = await new_provider(client, project, writer.base_url, price=PRICE)
    async with learner_llm(ANSWER) as (base_url, server):
        learner = await new_provider(client, project, base_url, price=PRICE)
        done = await run(client, project, provider, learner)
        facts = by_fact(await questions_of(client, done))
        known = {fact for fact, asked in facts.items() if server.knows(asked[0].text)}
        assert 0 < len(known) < len(facts) == FACTS == len(server.bodies)
        for fact, asked in facts.items():
            assert [one.form for one in asked] == ([0] if fact in known else [0, 1, 2])
            assert {one.known for one in asked if one.HasField("known")} == {fact in known}
            assert len({one.text for one in asked}) == len(asked)
        asked_for = len(known) + 3 * (FACTS - len(known))
        assert (done.stats.questions, done.stats.answered, done.stats.missing) == (asked_for, asked_for, 0)
        # Questions: a call a fact first, one more for the rest of an unknown one; then an answer each.
        written = FACTS + (FACTS - len(known)) + asked_for
        assert (await writer.stats())["paid"] == written
        assert (done.stats.usage.calls, done.stats.currency) == (written + FACTS, "EUR")
        for body in server.bodies:
            assert set(body) == {"model", "messages"}
            assert "grams" not in json.dumps(body)
        # The same again asks nobody; a judge only himself.
        again = await run(client, project, provider, learner)
        assert (again.stats.usage.calls, again.stats.cached) == (0, written + FACTS)
        judged = await run(client, project, provider, learner, gates=gates_pb2.Gates(judge=gates_pb2.Judge()))
        assert judged.stats.usage.calls == asked_for
        assert "JUDGING" not in states(await questions_of(client, judged))
        assert len(server.bodies) == FACTS
        error = await failure(client.providers.DeleteProvider(DeleteProviderRequest(id=learner)))
        assert error.reason == "PROVIDER_IN_USE"
    async with learner_llm(ANSWER, share=256) as (base_url, server):
        other = await new_provider(client, project, base_url, price=PRICE, model="other")
        calls = (await writer.stats())["calls"]
        all_known = await run(client, project, provider, other)
        assert (all_known.stats.questions, all_known.stats.usage.calls) == (FACTS, FACTS)
        assert (await writer.stats())["calls"] == calls


async def test_what_nobody_can_be_asked_counts_as_unknown_and_fails_no_job(
    client: Client, writer: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": handbook(FACTS)}, **SMALL)
    provider = await new_provider(client, project, writer.base_url)
    async with learner_llm(ANSWER, refuses=True) as (base_url, server):
        learner = await new_provider(client, project, base_url)
        done = await run(client, project, provider, learner, known_forms=2)
        facts = by_fact(await questions_of(client, done))
        refused = [asked for asked in facts.values() if not server.knows(asked[0].text)]
        assert 0 < len(refused) == done.job.counts.skipped
        for asked in facts.values():
            assert [one.known for one in asked] == [asked not in refused] * (3 if asked in refused else 2)
            assert all(one.HasField("known") != (asked in refused) for one in asked)
        # What has no good first answer is asked about in all forms, and nobody is asked whether he knows it.
        asked_before = len(server.bodies)
        short = gates_pb2.Gates(max_answer_chars=5)
        rejected = await run(client, project, provider, learner, gates=short)
        assert dict(rejected.stats.rejected_by_reason) == {"ANSWER_LENGTH": 3 * FACTS}
        assert (rejected.stats.missing, len(server.bodies)) == (0, asked_before)


async def test_facts_of_types_have_all_their_forms_or_are_missed_and_what_has_no_answer_is_not_asked(
    client: Client, writer: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": handbook(FACTS)}, **SMALL)
    provider = await new_provider(client, project, writer.base_url)
    await writer.control(fixed={"answer": ANSWER, "fits": True})
    types = [question_pb2.QUESTION_TYPE_FACT, question_pb2.QUESTION_TYPE_REASON]
    judge = gates_pb2.Gates(judge=gates_pb2.Judge(), off=["QUOTE_OFF_FACT", "NOT_REFUSED", "ANSWERABLE"])
    async with learner_llm(ANSWER) as (base_url, server):
        learner = await new_provider(client, project, base_url)
        unanswerable = question_pb2.QUESTION_TYPE_UNANSWERABLE
        done = await run(
            client, project, provider, learner, question_types=[*types, unanswerable], gates=judge
        )
    questions = await questions_of(client, done)
    known = {one.fact_id for one in questions if one.known}
    assert 0 < len(known) <= len(server.bodies) < FACTS
    assert done.stats.questions + done.stats.missing == 3 * FACTS - 2 * len(known)
    assert set(done.stats.missing_by_reason) <= {"TYPE_NOT_IN_TEXT", "OUTPUT_INCOMPLETE"}
    assert {one.type for one in questions} == {*types, unanswerable}
    open_ended = [one for one in questions if one.type == unanswerable]
    assert [one.HasField("known") for one in open_ended] == [False] * len(open_ended)
    assert all(one.HasField("judgement") for one in questions if one.state != REJECTED)


async def test_what_would_have_followed_a_failed_answer_is_missing_until_it_is_tried_again(
    client: Client, writer: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": handbook(2)}, **SMALL)
    provider = await new_provider(client, project, writer.base_url)
    await writer.control(refused="First copy the sentence")
    async with learner_llm(ANSWER, share=0) as (base_url, _):
        learner = await new_provider(client, project, base_url)
        made = await start_generation(client, project, provider, asking(learner))
        failed = await generated(client, made)
        assert (failed.stats.questions, failed.stats.missing) == (2, 4)
        assert dict(failed.stats.missing_by_reason) == {"PROVIDER_REFUSED": 4}
        await writer.control(refused="")
        await client.jobs("generation").RetryJob(RetryJobRequest(id=failed.job.id))
        done = await generated(client, made)
    assert (done.stats.answered, done.stats.missing) == (6, 0)


async def test_a_learner_that_is_not_there_pauses_the_job_until_it_is(
    client: Client, rooms: Rooms, writer: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": handbook(2)}, **SMALL)
    provider = await new_provider(client, project, writer.base_url)
    async with learner_llm(ANSWER, share=256) as (base_url, _):
        member, later = [await new_provider(client, project, base_url) for _ in range(2)]
        learner = await new_pool(client, project, [member])
        async with rooms.stores.pool("generation") as pool:
            await pool.execute("DELETE FROM providers WHERE id = $1", member)
        made = await start_generation(client, project, provider, asking(learner))

        async def is_paused() -> bool:
            return (await view(client, made.id)).job.state == job_pb2.JOB_STATE_PAUSED

        await eventually(is_paused)
        assert (await view(client, made.id)).job.failure.reason == "POOL_EMPTY"
        members = provider_pb2.ProviderPool(provider_ids=[later])
        wanted = provider_pb2.Provider(id=learner, pool=members)
        mask = FieldMask(paths=["pool"])
        await client.providers.UpdateProvider(UpdateProviderRequest(provider=wanted, update_mask=mask))
        await client.jobs("generation").ResumeJob(ResumeJobRequest(id=made.job.id))
        done = await generated(client, made)
    assert {one.known for one in await questions_of(client, done)} == {True}
    assert (done.stats.questions, done.job.counts.skipped) == (2, 0)


@pytest.mark.full
async def test_voices_share_what_is_asked_once_and_each_gets_its_forms(
    client: Client, writer: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": handbook(FACTS)}, **SMALL)
    provider = await new_provider(client, project, writer.base_url)
    document = (await documents_of(client, project))["a.md"].id
    for audience in ("Pupils", "Engineers"):
        pair = GenreAudience(project_id=project, document_id=document, genre="Text", audience=audience)
        pair.enabled = True
        await client.genre_audiences.CreateGenreAudience(CreateGenreAudienceRequest(genre_audience=pair))
    async with learner_llm(ANSWER) as (base_url, server):
        learner = await new_provider(client, project, base_url)
        done = await run(client, project, provider, learner, genre_audiences=True, batch=True)
        assert len(server.bodies) == FACTS
    questions = await questions_of(client, done)
    for asked in by_fact(questions).values():
        known = {one.known for one in asked}
        assert len(known) == 1
        forms = [0] if known == {True} else [0, 1, 2]
        voices = Counter(one.genre_audience_id for one in asked)
        assert list(voices.values()) == [len(forms)] * 2
        assert sorted(one.form for one in asked) == sorted(forms * 2)
    assert {one.known for one in questions} == {True, False}
    assert (await writer.stats())["batch_lines"] > 0


@pytest.mark.full
async def test_a_pilot_tells_what_the_whole_takes_and_a_killed_worker_loses_nothing(
    client: Client, rooms: Rooms, writer: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": handbook(MANY)}, **SMALL)
    provider = await new_provider(client, project, writer.base_url)
    async with learner_llm(ANSWER) as (base_url, server):
        learner = await new_provider(client, project, base_url)
        pilot = await run(client, project, provider, learner, pilot_chunks=10)
        assert (pilot.forecast.chunks, pilot.forecast.chunks_seen) == (MANY, 10)
        await writer.control(latency_ms=50)
        async with started_room(rooms.stores, "generation", "worker", "--concurrency", "8") as worker:
            made = await start_generation(client, project, provider, asking(learner))

            async def is_half_done() -> bool:
                return (await view(client, made.id)).job.counts.done > MANY

            await eventually(is_half_done)
            await worker.kill()
            done = await generated(client, made)
    assert (done.job.state, done.job.counts.failed) == (job_pb2.JOB_STATE_SUCCEEDED, 0)
    facts = by_fact(await questions_of(client, done))
    assert len(facts) == MANY
    for asked in facts.values():
        assert [one.form for one in asked] == ([0] if server.knows(asked[0].text) else [0, 1, 2])
    assert done.stats.answered == sum(map(len, facts.values()))
    told, whole = pilot.forecast.calls, done.stats.usage.calls + pilot.stats.usage.calls
    # One in ten lies outside of the interval, by which chunks were drawn.
    assert told.low < told.expected < told.high < 2 * whole, (told, whole)
    assert 0.6 * whole < told.expected < 1.5 * whole, (told, whole)


async def test_who_cannot_be_asked_is_said_at_the_start(client: Client, writer: MockServer) -> None:
    project = await parsed_project(client, {"a.md": handbook(2)}, **SMALL)
    provider = await new_provider(client, project, writer.base_url, price=PRICE)
    stranger = await new_provider(client, await new_project(client), writer.base_url)
    yuan = provider_pb2.ProviderPrice(prompt_per_million=1, completion_per_million=1, currency="CNY")
    dear = await new_provider(client, project, writer.base_url, price=yuan)
    named = "generation.options.knowledge.provider_id"
    for learner, reason, field in (
        (new_id(), "PROVIDER_NOT_FOUND", named),
        (stranger, "PROVIDER_OF_OTHER_PROJECT", named),
        (dear, "CURRENCIES_DIFFER", "generation.options"),
    ):
        knowledge = question_options_pb2.KnowledgeOptions(provider_id=learner)
        options = generation_pb2.GenerationOptions(knowledge=knowledge)
        error = await failure(start_generation(client, project, provider, options))
        assert (error.reason, error.field) == (reason, field)
    request = PreviewPromptRequest(project_id=project, version="probe.en@1", question="How heavy is it?")
    shown = await client.prompts.PreviewPrompt(request)
    assert (shown.messages[-1].content, bool(shown.chunk_id)) == ("How heavy is it?", True)


async def test_the_command_line_asks_what_is_known_and_shows_it(
    client: Client, rooms: Rooms, writer: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": handbook(2)}, **SMALL)
    cli = CommandLine(rooms, project)
    provider = await new_provider(client, project, writer.base_url)
    async with learner_llm(ANSWER, share=256) as (base_url, _):
        learner = await new_provider(client, project, base_url)
        create = ["generation", "create", "--project", project, "--provider", provider]
        asked = ["--knowledge", learner, "--known-forms", "1", "--min-f1", "0.5", "--forms", "4"]
        code, printed = await cli.run("--json", *create, *asked, "--wait")
        assert code == 0, printed
    made = json.loads(printed.splitlines()[-1])
    wanted = made["options"]["knowledge"]
    assert (wanted["provider_id"], wanted["forms_per_known_fact"], wanted["min_f1"]) == (learner, 1, 0.5)
    assert made["stats"]["answered"] == "2"
    code, printed = await cli.run("question", "list", "--project", project)
    assert code == 0
    assert printed.count(" True ") == 2
