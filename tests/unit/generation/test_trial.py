from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from aiohttp import web

from services.generation.calls.endpoints import Endpoints
from services.generation.calls.transport import Transport
from services.generation.keys import Keys
from services.generation.providers import Provider
from services.generation.trial import Trial
from services.runtime.secrets import SecretBox
from sishu.client import Client
from tests.support.web_server import served


async def no_providers(_: Sequence[str]) -> Sequence[Provider]:
    return []


async def test_a_trial_waits_less_long_than_a_call_may_take() -> None:
    left = asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        await left.wait()
        return web.Response()

    transport, now = Transport(60), datetime.now(UTC)
    async with served(hang) as url, Client({}) as rooms, asyncio.timeout(30):
        provider = Provider("id", "project", "n", url, None, "m", None, {}, now, now)
        report = await Trial(
            transport, Endpoints(rooms, Keys(SecretBox(None), {}, None), no_providers), seconds=0.3
        ).run(provider)
        left.set()
        await transport.close()
    assert report.failure
    assert (report.failure.code, report.failure.reason) == ("DEADLINE_EXCEEDED", "PROVIDER_TIMED_OUT")
