from __future__ import annotations

import time
from collections import Counter

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from services.generation.calls.gate import Gate
from services.generation.calls.rate_headers import Left, calls_left, tokens_left
from services.generation.calls.transport import Transport
from services.generation.metrics import GenerationMetrics
from services.generation.providers.providers import Endpoint
from tests.support.alone import Alone
from tests.support.web_server import served
from tests.unit.generation.calls.test_gate import call_all


@pytest.mark.parametrize(
    ("reset", "seconds"), [("1s", 1), ("6m0s", 360), ("20ms", 0.02), ("2m59.56s", 179.56), ("59.7", 59.7)]
)
def test_a_reset_is_a_duration_or_seconds(reset: str, seconds: float) -> None:
    headers = {"x-ratelimit-remaining-requests": "30", "x-ratelimit-reset-requests": reset}
    assert calls_left(headers) == Left(30, seconds)
    assert tokens_left(headers) is None


@pytest.mark.parametrize(
    ("amount", "reset"),
    [("", "1s"), ("30", ""), ("many", "1s"), ("30", "soon"), ("30", "0s"), ("30", "1790000000")],
)
def test_what_says_nothing_is_passed_over(amount: str, reset: str) -> None:
    headers = {"x-ratelimit-remaining-tokens": amount, "x-ratelimit-reset-tokens": reset}
    assert tokens_left(headers) is None


async def test_calls_keep_to_a_rate_that_the_server_tells() -> None:
    statuses: Counter[int] = Counter()
    window, most, started = 2.0, 20, time.monotonic()
    used: Counter[int] = Counter()

    async def complete(_: web.Request) -> web.Response:
        passed = time.monotonic() - started
        number = int(passed // window)
        used[number] += 1
        status = 200 if used[number] <= most else 429
        statuses[status] += 1
        headers = {
            "x-ratelimit-remaining-requests": str(max(0, most - used[number])),
            "x-ratelimit-reset-requests": f"{(number + 1) * window - passed:.3f}s",
        }
        message = {"role": "assistant", "content": "yes"}
        return web.json_response({"choices": [{"message": message}]}, status=status, headers=headers)

    gate = Gate(Alone(), GenerationMetrics(CollectorRegistry()))
    transport = Transport(20, heard=gate.heard)
    async with served(complete) as url:
        await call_all(gate, transport, [Endpoint(url, "m")], 100)
    await gate.close()
    await transport.close()
    assert statuses[200] == 100
    assert statuses[429] <= 15
