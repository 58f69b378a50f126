"""Where providers and pools are asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from services.generation.calls.endpoints import Endpoints
from services.generation.providers.keys import Keys
from services.generation.providers.providers import Endpoint, Limits, Price, Provider
from services.runtime.errors import FailedPrecondition, SishuError
from services.runtime.secrets import SecretBox
from sishu.client import Client

NOW = datetime.now(UTC)
ONE = Provider("one", "project", "one", "http://one/v1", None, "m", None, {}, NOW, NOW)
TWO = replace(ONE, id="two", base_url="http://two/v1", key_variable="TWO_API_KEY")
KEYLESS = replace(ONE, id="keyless", key_variable="UNSET_API_KEY")
LOADING = replace(ONE, id="loading", base_url="", deployment_id="0198f2a0-0000-7000-8000-000000000001")
STORED = {provider.id: provider for provider in (ONE, TWO, KEYLESS, LOADING)}


async def stored(provider_ids: Sequence[str]) -> list[Provider]:
    return [STORED[one] for one in provider_ids if one in STORED]


@pytest_asyncio.fixture
async def endpoints() -> AsyncIterator[Endpoints]:
    # Nobody listens there.
    async with Client({"inference": "127.0.0.1:9"}, patience=0) as client:
        yield Endpoints(client, Keys(SecretBox(None), {"TWO_API_KEY": "sk-two"}, None), stored)


def pool(*members: str) -> Provider:
    return replace(ONE, id="pool", base_url="", model="", pool_ids=members)


async def test_an_endpoint_knows_what_its_provider_says_of_it(endpoints: Endpoints) -> None:
    limits, price = Limits(60, 0, 4), Price(1, 2, "CNY")
    provider = replace(TWO, limits=limits, price=price, streaming="always")
    found = await endpoints.find(provider)
    assert found == (Endpoint("http://two/v1", "m", "sk-two", "two", limits, price, "always"),)


async def test_a_pool_is_asked_at_its_members_in_their_order(endpoints: Endpoints) -> None:
    found = await endpoints.find(pool("two", "one"))
    assert [(one.provider_id, one.api_key) for one in found] == [("two", "sk-two"), ("one", "")]


async def test_a_pool_goes_on_without_the_members_that_cannot_be_found(endpoints: Endpoints) -> None:
    found = await endpoints.find(pool("keyless", "gone", "loading", "one"))
    assert [one.provider_id for one in found] == ["one"]


async def test_a_pool_of_which_no_member_can_be_found_says_why(endpoints: Endpoints) -> None:
    with pytest.raises(FailedPrecondition) as raised:
        await endpoints.find(pool("keyless", "gone"))
    assert raised.value.reason == "PROVIDER_KEY_MISSING"
    with pytest.raises(FailedPrecondition) as raised:
        await endpoints.find(pool("gone"))
    assert raised.value.reason == "POOL_EMPTY"


async def test_a_pool_that_may_have_a_member_later_is_waited_for(endpoints: Endpoints) -> None:
    with pytest.raises(SishuError) as later:
        await endpoints.find(pool("keyless", "loading"))
    assert later.value.code == "UNAVAILABLE"
