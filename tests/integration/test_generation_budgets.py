"""Hard limits on what a generation spends: never passed, and what is there when they are reached stays."""

from __future__ import annotations

import pytest
import pytest_asyncio

from services.generation.asking.budgets import Amount
from services.generation.asking.call_store import CallStore
from services.runtime.ids import new_id
from sishu.client import Client
from sishu.common.v1 import job_pb2, job_service_pb2
from sishu.common.v1.message_pb2 import Sampling
from sishu.errors import ApiError
from sishu.generation.v1 import generation_pb2, provider_pb2
from sishu.generation.v1 import generation_service_pb2 as pb
from sishu.generation.v1 import provider_service_pb2 as provider_pb
from tests.integration.documents import new_project, parsed_project
from tests.integration.generations import (
    ONLY_THE_FACT,
    generated,
    handbook,
    new_provider,
    priced_provider,
    questions_of,
    start_generation,
    states,
    view,
)
from tests.integration.processes import eventually
from tests.integration.stores import Rooms
from tests.support.mock_llm import MockServer

SMALL = {"min_size": 1, "max_size": 100}
LONGEST_ANSWER = 100
FACTS = 100
CALLS = FACTS + 2 * FACTS


@pytest_asyncio.fixture
async def mock(mock: MockServer) -> MockServer:
    """Not so fast that all is over before anybody looks."""
    await mock.control(latency_ms=20)
    return mock


def wanted(**options: float) -> generation_pb2.GenerationOptions:
    sampling = Sampling(max_tokens=LONGEST_ANSWER)
    return generation_pb2.GenerationOptions(context_chars=ONLY_THE_FACT, sampling=sampling, **options)  # type: ignore[arg-type]


async def paused(
    client: Client, mock: MockServer, generation: generation_pb2.Generation
) -> generation_pb2.Generation:
    """The generation when its job is paused and nothing of it is in work any more."""

    async def is_paused() -> bool:
        seen = await view(client, generation.id)
        calls = await mock.stats()
        settled = calls["in_flight"] == 0 and seen.stats.usage.calls == calls["paid"]
        return settled and seen.job.state == job_pb2.JOB_STATE_PAUSED

    await eventually(is_paused, seconds=120)
    return await view(client, generation.id)


async def update(client: Client, generation_id: str, **options: float) -> generation_pb2.Generation:
    request = pb.UpdateGenerationRequest(
        generation=generation_pb2.Generation(
            id=generation_id,
            options=generation_pb2.GenerationOptions(**options),  # type: ignore[arg-type]
        )
    )
    request.update_mask.paths.extend(f"options.{name}" for name in options)
    return (await client.generations.UpdateGeneration(request)).generation


async def resume(client: Client, generation: generation_pb2.Generation) -> None:
    await client.jobs("generation").ResumeJob(job_service_pb2.ResumeJobRequest(id=generation.job.id))


def spent(generation: generation_pb2.Generation, name: str) -> float:
    usage = generation.stats.usage
    return generation.stats.cost if name == "max_cost" else usage.prompt_tokens + usage.completion_tokens


async def test_a_budget_holds_where_nobody_knew_how_long_answers_are(
    client: Client, mock: MockServer
) -> None:
    # The first two of a list are taken; all of it is paid.
    long = [f"How much does part {number} weigh?" for number in range(800)]
    await mock.control(fixed={"questions": long}, latency_ms=200)
    project = await parsed_project(client, {"a.md": handbook(FACTS)}, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    options = generation_pb2.GenerationOptions(
        context_chars=ONLY_THE_FACT, facts_per_call=1, max_tokens=60_000, no_cache=True
    )
    stopped = await paused(client, mock, await start_generation(client, project, provider, options))
    assert stopped.job.failure.reason == "BUDGET_REACHED"
    assert 20_000 < spent(stopped, "max_tokens") <= 60_000


@pytest.mark.parametrize("name", ["max_cost", pytest.param("max_tokens", marks=pytest.mark.full)])
async def test_a_budget_is_never_passed_and_what_is_left_is_done_when_it_is_raised(
    client: Client, mock: MockServer, name: str
) -> None:
    project = await parsed_project(client, {"a.md": handbook(FACTS)}, **SMALL)
    provider = await priced_provider(client, project, mock.base_url)
    whole = spent(await generated(client, await start_generation(client, project, provider, wanted())), name)
    await mock.reset()
    half = whole / 2 if name == "max_cost" else int(whole / 2)
    limited = wanted(no_cache=True, **{name: half})
    generation = await start_generation(client, project, provider, limited)
    stopped = await paused(client, mock, generation)
    assert stopped.job.failure.reason == "BUDGET_REACHED"
    assert "sishu generation update" in stopped.job.failure.message
    assert 0.8 * half < spent(stopped, name) <= half
    assert stopped.stats.usage.calls == (await mock.stats())["paid"] < CALLS
    assert states(await questions_of(client, stopped))["ANSWERED"] == stopped.stats.answered > 0
    await resume(client, stopped)
    again = await paused(client, mock, stopped)
    # What was left may be enough for a call that is shorter than the one that did not fit.
    assert again.job.failure.reason == "BUDGET_REACHED"
    assert spent(stopped, name) <= spent(again, name) <= half
    raised = await update(client, stopped.id, **{name: 2 * whole if name == "max_cost" else int(2 * whole)})
    assert raised.job.state == job_pb2.JOB_STATE_PAUSED
    await resume(client, stopped)
    done = await generated(client, stopped)
    assert (done.job.state, done.stats.answered) == (job_pb2.JOB_STATE_SUCCEEDED, 2 * FACTS)
    assert spent(done, name) == pytest.approx(whole)
    calls = await mock.stats()
    assert (calls["paid"], calls["distinct_prompts"]) == (CALLS, CALLS)


async def test_a_budget_is_never_passed_where_connections_break_after_calls_are_paid(
    client: Client, mock: MockServer
) -> None:
    await mock.control(rate_drop=0.5)
    project = await parsed_project(client, {"a.md": handbook(FACTS)}, **SMALL)
    provider = await priced_provider(client, project, mock.base_url)
    generation = await start_generation(client, project, provider, wanted(max_tokens=20_000, no_cache=True))
    stopped = await paused(client, mock, generation)
    assert stopped.job.failure.reason == "BUDGET_REACHED"
    assert spent(stopped, "max_tokens") <= 20_000
    assert stopped.stats.usage.calls == (await mock.stats())["paid"]


async def test_an_attempt_replaces_what_it_had_reserved(
    client: Client, mock: MockServer, rooms: Rooms
) -> None:
    project = await parsed_project(client, {"a.md": handbook(1)}, **SMALL)
    provider = await priced_provider(client, project, mock.base_url)
    done = await generated(
        client, await start_generation(client, project, provider, wanted(max_tokens=10_000))
    )
    left = 10_000 - int(spent(done, "max_tokens"))
    first, second, attempt = new_id(), new_id(), new_id()
    async with rooms.stores.pool("generation") as pool:
        assert await pool.fetchval("SELECT count(*) FROM reservations") == 0
        store = CallStore(pool)
        for wants, item, fits in (
            (left, first, True),
            (1, second, False),
            (left - 1, first, True),
            (1, second, True),
        ):
            standing = await store.reserve(done.id, item, attempt, Amount(wants))
            assert standing and (standing.reserved, standing.is_over(Amount(wants))) == (fits, False)
        standing = await store.reserve(done.id, second, attempt, Amount(left + 1))
        assert standing and standing.is_over(Amount(left + 1))
        assert await store.reserve(new_id(), second, attempt, Amount(1)) is None


async def test_what_a_killed_worker_had_reserved_counts_as_spent_if_it_is_in_no_batch(
    client: Client, mock: MockServer, rooms: Rooms
) -> None:
    project = await parsed_project(client, {"a.md": handbook(1)}, **SMALL)
    provider = await priced_provider(client, project, mock.base_url)
    done = await generated(
        client, await start_generation(client, project, provider, wanted(max_tokens=10_000))
    )
    before = int(spent(done, "max_tokens"))
    left, killed, batched = 10_000 - before, new_id(), new_id()
    async with rooms.stores.pool("generation") as pool:
        store = CallStore(pool)
        await store.reserve(done.id, killed, new_id(), Amount(1000))
        again = await store.reserve(done.id, killed, new_id(), Amount(left))
        assert again and (again.reserved, again.spent.tokens) == (False, before + 1000)
        assert again.is_over(Amount(left))
        again = await store.reserve(done.id, killed, new_id(), Amount(left - 1000))
        assert again and (again.reserved, again.spent.tokens) == (True, before + 1000)
        await store.release(killed)
        await store.reserve(done.id, batched, new_id(), Amount(left - 1000))
        await store.set_in_batch(batched)
        # A new process may know no long answers yet.
        again = await store.reserve(done.id, batched, new_id(), Amount(1))
        assert again and (again.reserved, again.spent.tokens) == (True, before + 1000)
        other = await store.reserve(done.id, killed, new_id(), Amount(1))
        assert other and not other.reserved
        await store.release(batched)
    assert (await view(client, done.id)).stats.usage == done.stats.usage


async def test_a_limit_of_money_needs_prices(client: Client, mock: MockServer) -> None:
    project = await parsed_project(client, {"a.md": handbook(1)}, **SMALL)
    free = await new_provider(client, project, mock.base_url)
    with pytest.raises(ApiError) as raised:
        await start_generation(client, project, free, wanted(max_cost=1))
    assert (raised.value.reason, raised.value.field) == ("PRICE_MISSING", "generation.options.max_cost")
    generation = await start_generation(client, project, free, wanted(max_tokens=100_000))
    with pytest.raises(ApiError) as raised:
        await update(client, generation.id, max_cost=1)
    assert raised.value.reason == "PRICE_MISSING"
    await generated(client, generation)


async def test_members_of_a_pool_have_prices_in_one_currency(client: Client, mock: MockServer) -> None:
    project = await parsed_project(client, {"a.md": handbook(1)}, **SMALL)
    price = provider_pb2.ProviderPrice(prompt_per_million=1, completion_per_million=1, currency="USD")
    members = [
        await priced_provider(client, project, mock.base_url),
        await new_provider(client, project, mock.base_url, price=price),
    ]
    pool = provider_pb2.Provider(
        project_id=project, name="pool", pool=provider_pb2.ProviderPool(provider_ids=members)
    )
    made = (await client.providers.CreateProvider(provider_pb.CreateProviderRequest(provider=pool))).provider
    with pytest.raises(ApiError) as raised:
        await start_generation(client, project, made.id, wanted(max_cost=1))
    assert raised.value.reason == "CURRENCIES_DIFFER"


@pytest.mark.parametrize(("options", "reason"), [({"max_cost": -1.0}, "FIELD_INVALID"), ({}, "MASK_INVALID")])
async def test_a_budget_that_is_none_is_refused(
    client: Client, mock: MockServer, options: dict[str, float], reason: str
) -> None:
    project = await parsed_project(client, {"a.md": handbook(1)}, **SMALL)
    provider = await priced_provider(client, project, mock.base_url)
    generation = await generated(client, await start_generation(client, project, provider))
    with pytest.raises(ApiError) as raised:
        await update(client, generation.id, **options)
    assert raised.value.reason == reason


async def test_the_budget_of_a_generation_that_is_not_there_is_not_found(client: Client) -> None:
    await new_project(client)
    with pytest.raises(ApiError) as raised:
        await update(client, new_id(), max_tokens=1)
    assert raised.value.reason == "GENERATION_NOT_FOUND"
