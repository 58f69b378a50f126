"""Providers of the generation room: what a change may do to them, and what becomes of their keys."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from aiohttp import web

from services.generation.calls.modes import MODES
from services.generation.providers.presets import PRESETS
from services.runtime.db import transaction
from services.runtime.errors import NotFound
from services.runtime.ids import new_id
from services.runtime.interceptors import Context
from services.runtime.server import Servicer
from sishu.client import Client
from sishu.common.v1 import message_pb2
from sishu.errors import ApiError
from sishu.generation.v1 import provider_pb2
from sishu.generation.v1 import provider_service_pb2 as pb
from sishu.inference.v1 import deployment_service_pb2 as deployment_pb
from sishu.inference.v1.deployment_service_pb2_grpc import (
    DeploymentServiceServicer,
    add_DeploymentServiceServicer_to_server,
)
from tests.integration.generations import is_waited_for, new_provider
from tests.integration.processes import eventually
from tests.integration.stand_ins import serving
from tests.integration.stores import Rooms
from tests.support.web_server import served

URL = "http://127.0.0.1:9/v1"
OTHER_URL = "http://127.0.0.1:10/v1"


async def get(client: Client, provider_id: str) -> provider_pb2.Provider:
    return (await client.providers.GetProvider(pb.GetProviderRequest(id=provider_id))).provider


async def update(client: Client, provider_id: str, *paths: str, **fields: Any) -> provider_pb2.Provider:
    request = pb.UpdateProviderRequest(provider=provider_pb2.Provider(id=provider_id, **fields))
    request.update_mask.paths.extend(paths or fields)
    return (await client.providers.UpdateProvider(request)).provider


async def create(client: Client, project_id: str, name: str, request_id: str, **fields: Any) -> str:
    values = {"base_url": URL, "model": "m", **fields}
    wanted = provider_pb2.Provider(project_id=project_id, name=name, **values)
    request = pb.CreateProviderRequest(provider=wanted, request_id=request_id)
    return (await client.providers.CreateProvider(request)).provider.id


@pytest.mark.parametrize("endpoint", [{"base_url": OTHER_URL}, {"deployment_id": new_id()}])
async def test_a_key_does_not_move_to_another_address_unless_it_is_given_again(
    client: Client, endpoint: dict[str, str]
) -> None:
    provider = await new_provider(client, new_id(), URL, "sk-planted")
    with pytest.raises(ApiError) as raised:
        await update(client, provider, **endpoint)
    assert (raised.value.code, raised.value.reason) == (
        "FAILED_PRECONDITION",
        "PROVIDER_KEY_FOR_OTHER_ADDRESS",
    )
    assert (await get(client, provider)).base_url == URL
    assert (await update(client, provider, base_url=URL)).has_api_key
    moved = await update(client, provider, *endpoint, "api_key", **endpoint)
    assert (moved.base_url, moved.deployment_id, moved.has_api_key) == (
        endpoint.get("base_url", ""),
        endpoint.get("deployment_id", ""),
        False,
    )
    assert (await update(client, provider, base_url=URL, api_key="sk-other")).has_api_key


async def test_a_change_touches_the_named_fields_only(client: Client) -> None:
    provider = await new_provider(client, new_id(), URL, "sk-planted")
    before = await get(client, provider)
    fields = {"name": "n", "model": "other", "api_key": "sk", "base_url": OTHER_URL}
    sampling = message_pb2.Sampling(temperature=0, stop=["END"])
    after = await update(client, provider, "sampling", sampling=sampling, **fields)
    assert after.update_time.ToDatetime() > before.update_time.ToDatetime()
    before.sampling.CopyFrom(sampling)
    before.update_time.CopyFrom(after.update_time)
    assert after == before
    again = await update(client, provider, "sampling", sampling=message_pb2.Sampling(seed=0))
    assert again.sampling == message_pb2.Sampling(seed=0)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "provider.name"),
        ({"name": "n" * 101}, "provider.name"),
        ({"model": "m" * 201}, "provider.model"),
        ({"api_key": "k" * 2001}, "provider.api_key"),
        ({"base_url": "http://h/" + "u" * 2000}, "provider.base_url"),
        ({"deployment_id": "no uuid"}, "provider.deployment_id"),
        ({"base_url": ""}, "provider.base_url"),
        ({"sampling": message_pb2.Sampling(temperature=3)}, "provider.sampling.temperature"),
    ],
)
async def test_a_changed_provider_keeps_the_rules_of_a_new_one(
    client: Client, fields: dict[str, Any], field: str
) -> None:
    provider = await new_provider(client, new_id(), URL)
    before = await get(client, provider)
    with pytest.raises(ApiError) as raised:
        await update(client, provider, **fields)
    assert (raised.value.code, raised.value.field) == ("INVALID_ARGUMENT", field)
    assert await get(client, provider) == before


LIMITS = provider_pb2.ProviderLimits(calls_per_minute=60, tokens_per_minute=10**10, calls_in_flight=4)
PRICE = provider_pb2.ProviderPrice(
    prompt_per_million=0.5, completion_per_million=8, currency="CNY", batch_factor=0.5
)


async def test_limits_price_and_streaming_are_kept_and_changed_one_by_one(client: Client) -> None:
    made = await get(client, await create(client, new_id(), "n", new_id()))
    assert made.streaming == provider_pb2.PROVIDER_STREAMING_AUTO
    assert not made.HasField("limits")
    assert not made.HasField("price")
    always = provider_pb2.PROVIDER_STREAMING_ALWAYS
    await update(client, made.id, limits=LIMITS, price=PRICE, streaming=always)
    got = await get(client, made.id)
    assert (got.limits, got.price, got.streaming) == (LIMITS, PRICE, always)
    got = await update(client, made.id, "price", "streaming")
    assert (got.limits, got.HasField("price")) == (LIMITS, False)
    assert got.streaming == provider_pb2.PROVIDER_STREAMING_AUTO


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"limits": provider_pb2.ProviderLimits(calls_in_flight=-1)}, "provider.limits.calls_in_flight"),
        ({"price": provider_pb2.ProviderPrice(currency="yuan")}, "provider.price.currency"),
        (
            {"price": provider_pb2.ProviderPrice(currency="CNY", batch_factor=1.5)},
            "provider.price.batch_factor",
        ),
        (
            {"price": provider_pb2.ProviderPrice(prompt_per_million=float("inf"), currency="CNY")},
            "provider.price.prompt_per_million",
        ),
        ({"api_key_variable": "HOME"}, "provider.api_key_variable"),
        ({"api_key_file": "../key"}, "provider.api_key_file"),
        ({"streaming": 9}, "provider.streaming"),
    ],
)
async def test_what_makes_no_sense_is_refused_when_made_and_when_changed(
    client: Client, fields: dict[str, Any], field: str
) -> None:
    project = new_id()
    provider = await create(client, project, "n", new_id())
    for refused in (create(client, project, "o", new_id(), **fields), update(client, provider, **fields)):
        with pytest.raises(ApiError) as raised:
            await refused
        assert (raised.value.code, raised.value.field) == ("INVALID_ARGUMENT", field)


async def test_the_ways_to_give_a_key_replace_each_other(client: Client) -> None:
    provider = await create(client, new_id(), "n", new_id(), api_key="sk-planted")
    got = await update(client, provider, api_key_variable="DEEPSEEK_API_KEY")
    assert (got.api_key_variable, got.has_api_key) == ("DEEPSEEK_API_KEY", True)
    got = await update(client, provider, api_key_file="deepseek.key")
    assert (got.api_key_variable, got.api_key_file, got.has_api_key) == ("", "deepseek.key", True)
    got = await update(client, provider, api_key="sk-planted")
    assert (got.api_key_file, got.api_key, got.has_api_key) == ("", "", True)
    assert not (await update(client, provider, "api_key_variable")).has_api_key


@pytest.mark.parametrize("credential", [{"api_key_variable": "A_API_KEY"}, {"api_key_file": "a"}])
async def test_a_variable_or_file_does_not_move_to_another_address_either(
    client: Client, credential: dict[str, str]
) -> None:
    provider = await create(client, new_id(), "n", new_id(), **credential)
    with pytest.raises(ApiError) as raised:
        await update(client, provider, base_url=OTHER_URL)
    assert raised.value.reason == "PROVIDER_KEY_FOR_OTHER_ADDRESS"
    got = await update(client, provider, base_url=OTHER_URL, **credential)
    assert (got.base_url, got.has_api_key) == (OTHER_URL, True)


async def pool_of(client: Client, project: str, name: str, *members: str, **fields: Any) -> str:
    pool = provider_pb2.ProviderPool(provider_ids=members)
    wanted = provider_pb2.Provider(project_id=project, name=name, pool=pool, **fields)
    request = pb.CreateProviderRequest(provider=wanted)
    return (await client.providers.CreateProvider(request)).provider.id


async def reason_of(refused: Awaitable[Any]) -> str:
    with pytest.raises(ApiError) as raised:
        await refused
    return raised.value.reason


async def test_a_pool_has_members_of_the_same_project_and_model(client: Client) -> None:
    project = new_id()
    one, two = [await create(client, project, name, new_id()) for name in ("one", "two")]
    pool = await pool_of(client, project, "pool", two, one)
    assert list((await get(client, pool)).pool.provider_ids) == [two, one]
    other_model = await create(client, project, "three", new_id(), model="other")
    stranger = await create(client, new_id(), "stranger", new_id())
    refused = {
        "missing": (one, new_id()),
        "stranger": (one, stranger),
        "in pool": (one, pool),
        "differ": (one, other_model),
    }
    reasons = {name: await reason_of(pool_of(client, project, name, *ids)) for name, ids in refused.items()}
    assert reasons == {
        "missing": "PROVIDER_NOT_FOUND",
        "stranger": "PROVIDER_NOT_FOUND",
        "in pool": "POOL_IN_POOL",
        "differ": "POOL_MODELS_DIFFER",
    }
    assert await pool_of(client, project, "named", one, other_model, model="the same")


async def test_a_pool_is_changed_by_the_rules_of_a_new_one(client: Client) -> None:
    project = new_id()
    one, two = [await create(client, project, name, new_id()) for name in ("one", "two")]
    pool = await pool_of(client, project, "pool", one)
    wanted = provider_pb2.ProviderPool(provider_ids=[one, two])
    assert (await update(client, pool, pool=wanted)).pool == wanted
    itself = provider_pb2.ProviderPool(provider_ids=[pool])
    assert await reason_of(update(client, pool, pool=itself)) == "POOL_IN_POOL"
    assert await reason_of(update(client, pool, limits=LIMITS)) == "FIELD_INVALID"
    assert await reason_of(update(client, pool, api_key="sk-planted")) == "FIELD_INVALID"
    single = await update(client, pool, base_url=URL, model="m")
    assert (single.base_url, single.HasField("pool")) == (URL, False)


async def test_a_member_of_a_pool_is_neither_deleted_nor_made_unfit_for_it(client: Client) -> None:
    project = new_id()
    one, two = [await create(client, project, name, new_id()) for name in ("one", "two")]
    pool = await pool_of(client, project, "pool", one, two)
    delete = pb.DeleteProviderRequest(id=one)
    assert await reason_of(client.providers.DeleteProvider(delete)) == "PROVIDER_IN_USE"
    assert await reason_of(update(client, one, model="other")) == "PROVIDER_IN_USE"
    members = provider_pb2.ProviderPool(provider_ids=[two])
    assert await reason_of(update(client, one, "pool", "model", pool=members)) == "PROVIDER_IN_USE"
    assert (await update(client, one, base_url=OTHER_URL)).base_url == OTHER_URL
    await update(client, pool, pool=members)
    await client.providers.DeleteProvider(delete)


async def test_a_provider_that_is_being_deleted_gets_into_no_pool(client: Client, rooms: Rooms) -> None:
    project = new_id()
    one = await create(client, project, "one", new_id())
    async with rooms.stores.pool("generation") as pool:
        async with transaction(pool) as connection:
            await connection.execute("DELETE FROM providers WHERE id = $1", one)
            making = asyncio.ensure_future(pool_of(client, project, "pool", one))
            await eventually(lambda: is_waited_for(pool))
        assert await reason_of(making) == "PROVIDER_NOT_FOUND"


async def test_a_change_without_endpoint_or_uuid_is_refused(client: Client) -> None:
    provider = await new_provider(client, new_id(), URL)
    for provider_id, paths, said in ((provider, ["base_url"], "endpoint"), ("x", ["name"], "UUID")):
        with pytest.raises(ApiError, match=said) as raised:
            await update(client, provider_id, *paths, name="n")
        assert raised.value.code == "INVALID_ARGUMENT"


async def test_changes_at_the_same_time_are_both_kept(client: Client, rooms: Rooms) -> None:
    provider = await new_provider(client, new_id(), URL)
    async with rooms.stores.pool("generation") as pool:
        async with transaction(pool) as connection:
            await connection.execute("UPDATE providers SET model = 'first' WHERE id = $1", provider)
            second = asyncio.ensure_future(update(client, provider, name="second"))
            await eventually(lambda: is_waited_for(pool))
        changed = await second
    assert (changed.model, changed.name) == ("first", "second")


async def test_a_refused_create_leaves_its_request_id_free(client: Client) -> None:
    project, request_id = new_id(), new_id()
    await create(client, project, "taken", new_id())
    with pytest.raises(ApiError) as raised:
        await create(client, project, "taken", request_id)
    assert raised.value.reason == "PROVIDER_NAME_TAKEN"
    made = await create(client, project, "free", request_id)
    assert (await get(client, made)).name == "free"


async def test_a_request_id_gives_what_it_made_before_whatever_else_is_said(client: Client) -> None:
    project, request_id = new_id(), new_id()
    made = await create(client, project, "n", request_id)
    assert await create(client, project, "n", request_id, base_url="no address") == made
    await client.providers.DeleteProvider(pb.DeleteProviderRequest(id=made))
    again = await create(client, project, "n", request_id)
    assert (await get(client, again)).id == again != made


async def test_presets_are_listed_page_by_page(client: Client) -> None:
    found: list[provider_pb2.ProviderPreset] = []
    request = pb.ListProviderPresetsRequest(page_size=5)
    while not found or request.page_token:
        page = await client.providers.ListProviderPresets(request)
        found += page.presets
        request.page_token = page.next_page_token
    assert [one.name for one in found] == [preset.name for preset in PRESETS]
    whole = (await client.providers.ListProviderPresets(pb.ListProviderPresetsRequest())).presets
    assert list(whole) == found


async def tried(client: Client, provider_id: str) -> pb.TestProviderResponse:
    return await client.providers.TestProvider(pb.TestProviderRequest(id=provider_id))


async def test_a_provider_whose_list_of_models_hangs_works(client: Client) -> None:
    left = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        if request.method == "GET":
            await left.wait()
        message = {"role": "assistant", "content": "Good day."}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        return web.json_response({"id": "x", "object": "chat.completion", "created": 1, "choices": choices})

    async with served(answer) as url:
        report = await tried(client, await new_provider(client, new_id(), url))
        left.set()
    assert (report.ok, list(report.models)) == (True, [])
    assert report.latency_seconds < 5


async def test_a_trial_is_remembered_for_all_who_ask_the_server(client: Client, rooms: Rooms) -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.method == "POST" and "json_schema" in await request.text():
            error = {"message": "response_format json_schema is not supported"}
            return web.json_response({"error": error}, status=400)
        choice = {"message": {"content": '{"capital": "Paris"}'}, "finish_reason": "stop"}
        return web.json_response({"model": "m", "choices": [choice]})

    async with served(answer) as url:
        report = await tried(client, await new_provider(client, new_id(), url))
        async with rooms.stores.pool("generation") as pool:
            kept = await pool.fetchval("SELECT output_mode FROM endpoints WHERE base_url = $1", url)
    assert (report.output_mode, MODES[kept]) == ("json_object", "json_object")


async def no_deployment(_: Any, request: deployment_pb.GetDeploymentRequest, context: Context) -> Any:
    raise NotFound("DEPLOYMENT_NOT_FOUND", f"there is no deployment {request.id}")


async def test_a_deployment_that_is_not_there_is_refused(client: Client, rooms: Rooms) -> None:
    name = "sishu.inference.v1.DeploymentService"
    deployments = type("Deployments", (DeploymentServiceServicer,), {"GetDeployment": no_deployment})
    service = Servicer(name, add_DeploymentServiceServicer_to_server, deployments())
    project = new_id()
    provider = await create(client, project, "here", "")
    async with serving(rooms.stores, "inference", service):
        for call in (
            create(client, project, "n", "", base_url="", model="", deployment_id=new_id()),
            update(client, provider, deployment_id=new_id()),
        ):
            with pytest.raises(ApiError) as raised:
                await call
            assert (raised.value.code, raised.value.reason) == ("INVALID_ARGUMENT", "DEPLOYMENT_NOT_FOUND")
            assert raised.value.field == "provider.deployment_id"
    assert (await get(client, provider)).base_url == URL


async def test_a_deployment_that_cannot_be_found_is_an_answer_of_the_trial(client: Client) -> None:
    wanted = provider_pb2.Provider(project_id=new_id(), name="n", deployment_id=new_id())
    made = await client.providers.CreateProvider(pb.CreateProviderRequest(provider=wanted))
    report = await tried(client, made.provider.id)
    assert (report.ok, report.failure.reason) == (False, "SERVICE_UNREACHABLE")
