"""What is made of the lines of a batch's files."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from services.generation.calls.batch_api import BatchApi, is_crowded, is_too_large
from services.generation.calls.batches import found_in, unique
from services.generation.calls.transport import Transport
from services.generation.providers.providers import Endpoint, Price
from services.runtime.ids import new_id
from tests.support.web_server import served

ENDPOINT = Endpoint("http://host/v1", "m", price=Price(2, 8, "EUR", 0.6))
BODY = {
    "model": "m-1",
    "choices": [{"message": {"content": "{}"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 100, "completion_tokens": 50},
}


def line(request_id: str, **values: Any) -> dict[str, Any]:
    return {"custom_id": request_id, "response": {"status_code": 200, "body": BODY}, "error": None, **values}


def test_an_answer_of_a_batch_costs_a_share_of_a_single_one() -> None:
    request_id = new_id()
    found = found_in(line(request_id), ENDPOINT)
    assert found and found.request_id == request_id and found.reply
    assert (found.reply.text, found.reply.model, found.reply.usage.calls) == ("{}", "m-1", 1)
    assert found.reply.usage.cost == pytest.approx((100 * 2 + 50 * 8) / 1e6 * 0.6)


@pytest.mark.parametrize(
    "values",
    [
        {"response": {"status_code": 500, "body": BODY}},
        {"response": None, "error": {"code": "batch_expired"}},
        {"response": {"status_code": 200, "body": "a page"}},
        {"response": 7},
    ],
)
def test_what_is_no_answer_has_failed(values: dict[str, Any]) -> None:
    found = found_in(line(new_id(), **values), ENDPOINT)
    assert found and found.reply is None


@pytest.mark.parametrize("stray", [None, 7, [], {}, {"custom_id": "another's"}, {"custom_id": 4}])
def test_lines_about_no_request_are_left_out(stray: Any) -> None:
    assert found_in(stray, ENDPOINT) is None


def test_of_two_lines_about_a_request_the_first_counts() -> None:
    request_id = new_id()
    found = [found_in(line(request_id), ENDPOINT), found_in(line(request_id, error="late"), ENDPOINT)]
    first, *others = unique([one for one in found if one])
    assert first.reply and not others


@pytest.mark.parametrize(
    ("reason", "crowded"),
    [
        # OpenAI, of all batches together
        ("token_limit_exceeded: Enqueued token limit reached for gpt-4o in organization org-1.", True),
        # Azure
        (
            "token_limit_exceeded: The number of enqueued tokens has surpassed the configured limit of 30K",
            True,
        ),
        ("too_many_tasks: The number of requests exceeds the maximum of 100,000", False),
        # OpenAI, of one batch
        ("The batch input file is larger than the 209715200 maximum for the gpt-4o model.", False),
        (": File is too large", False),
    ],
)
def test_servers_say_in_several_ways_that_a_batch_is_too_large(reason: str, crowded: bool) -> None:
    assert (is_too_large(reason), is_crowded(reason)) == (True, crowded)


@pytest.mark.parametrize(
    "reason", ["invalid: a bad file", "", "duplicate_custom_id: line 7", "model_not_found"]
)
def test_other_failures_are_none_of_size(reason: str) -> None:
    assert not is_too_large(reason)


async def test_why_a_batch_failed_is_said_without_the_key() -> None:
    async def look(_: web.Request) -> web.Response:
        errors = {"data": [{"code": "invalid", "message": "no rights for sk-secret here"}]}
        return web.json_response({"id": "b", "status": "failed", "errors": errors})

    transport = Transport(10)
    async with served(look) as url:
        remote = await BatchApi(transport).look(Endpoint(url, "m", "sk-secret"), "b")
    await transport.close()
    assert remote.reason == "invalid: no rights for *** here"
