"""What embeddings cost that came to nothing, or were not enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from services.generation.calls.embeddings import MOST_TEXTS, Embedder
from services.generation.calls.endpoints import Endpoints
from services.generation.calls.gate import Gate
from services.generation.calls.replies import usage_of
from services.generation.calls.transport import Transport
from services.generation.metrics import GenerationMetrics
from services.generation.providers.providers import Endpoint, Price, Provider
from services.runtime.errors import SishuError
from tests.support.alone import Alone
from tests.support.web_server import served

GOOD = {"data": [{"index": at, "embedding": [1.0, 0.0]} for at in range(MOST_TEXTS)]}


class One:
    """Finds one endpoint."""

    def __init__(self, url: str) -> None:
        self.endpoint = Endpoint(url, "vectors", price=Price(2.0, 0.0, "EUR"))

    async def find(self, _: Provider) -> list[Endpoint]:
        """The endpoint."""
        return [self.endpoint]


@pytest.mark.parametrize(
    ("status", "second", "calls", "tokens"),
    [
        (200, {"data": [], "usage": {"prompt_tokens": 40}}, 2, 140),
        (200, {"data": []}, 2, 100),
        (400, {"error": {"message": "too long"}}, 1, 100),
    ],
)
async def test_a_failure_tells_what_it_used_and_what_the_calls_before_it_did(
    status: int, second: Mapping[str, Any], calls: int, tokens: int
) -> None:
    said = [(200, {**GOOD, "usage": {"prompt_tokens": 100}}), (status, second)]

    async def answer(_: web.Request) -> web.Response:
        code, body = said.pop(0)
        return web.json_response(body, status=code)

    transport, gate = Transport(5), Gate(Alone(), GenerationMetrics(CollectorRegistry()), refused_seconds=0)
    async with served(answer) as url:
        one = cast(Endpoints, One(url))
        embedder, provider = Embedder(transport, gate, one), cast(Provider, None)
        with pytest.raises(SishuError) as raised:
            await embedder.embed(provider, [f"text {number}" for number in range(MOST_TEXTS + 1)])
        assert await embedder.currency(provider) == "EUR"
    await gate.close()
    await transport.close()
    used = usage_of(raised.value)
    assert (used.calls, used.prompt_tokens) == (calls, tokens)
    assert used.cost == pytest.approx(tokens * 2 / 1e6)
