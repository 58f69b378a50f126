"""Providers of the generation room: what a change may do to them, and what becomes of their keys."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from services.runtime.db import transaction
from services.runtime.ids import new_id
from sishu.client import Client
from sishu.common.v1 import message_pb2
from sishu.errors import ApiError
from sishu.generation.v1 import provider_pb2
from sishu.generation.v1 import provider_service_pb2 as pb
from tests.integration.generations import is_waited_for, new_provider
from tests.integration.processes import eventually
from tests.integration.stores import Rooms
from tests.support.web_server import served

URL = "http://127.0.0.1:9/v1"
OTHER_URL = "http://127.0.0.1:10/v1"


@pytest.fixture
def client(rooms: Rooms) -> Client:
    return rooms.client


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


async def tried(client: Client, provider_id: str) -> pb.TestProviderResponse:
    return await client.providers.TestProvider(pb.TestProviderRequest(id=provider_id))


async def test_a_provider_whose_list_of_models_hangs_works(client: Client) -> None:
    left = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        if request.method == "GET":
            await left.wait()
        return web.json_response({"id": "x", "object": "chat.completion", "created": 1, "choices": []})

    async with served(answer) as url:
        report = await tried(client, await new_provider(client, new_id(), url))
        left.set()
    assert (report.ok, list(report.models)) == (True, [])
    assert report.latency_seconds < 5


async def test_a_deployment_that_cannot_be_found_is_an_answer_of_the_trial(client: Client) -> None:
    wanted = provider_pb2.Provider(project_id=new_id(), name="n", deployment_id=new_id())
    made = await client.providers.CreateProvider(pb.CreateProviderRequest(provider=wanted))
    report = await tried(client, made.provider.id)
    assert (report.ok, report.failure.reason) == (False, "SERVICE_UNREACHABLE")
