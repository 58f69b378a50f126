"""`sishu generation`: forecasts, budgets and how a run goes, as people and programs see them."""

from __future__ import annotations

import json
from typing import Any

import pytest
import pytest_asyncio

from sishu.client import Client
from tests.integration.command_line import CommandLine
from tests.integration.documents import parsed_project
from tests.integration.generations import handbook, new_provider, priced_provider
from tests.integration.stores import Rooms
from tests.support.mock_llm import MockServer

FACTS = 30
CALLS = 3 * FACTS
PILOT_CALLS = 3 * 10


@pytest_asyncio.fixture
async def mock(mock: MockServer) -> MockServer:
    """Not so fast that all is over before anybody looks."""
    await mock.control(latency_ms=20)
    return mock


@pytest_asyncio.fixture
async def cli(rooms: Rooms) -> CommandLine:
    files = {"a.md": handbook(FACTS)}
    return CommandLine(rooms, await parsed_project(rooms.client, files, min_size=1, max_size=100))


async def made(cli: CommandLine, *arguments: str) -> dict[str, Any]:
    """What a program reads of a command that ends well; what people see stands before it."""
    code, printed = await cli.run("--json", "generation", *arguments)
    assert code == 0, printed
    return dict(json.loads(printed.splitlines()[-1]))


async def test_a_forecast_is_told_in_words_and_numbers_and_paid_once(
    cli: CommandLine, client: Client, mock: MockServer
) -> None:
    provider = await priced_provider(client, cli.project, mock.base_url)
    wanted = ["--project", cli.project, "--provider", provider]
    code, printed = await cli.run("generation", "forecast", *wanted)
    assert code == 0, printed
    assert f"{FACTS}, told from 10" in printed
    assert "EUR" in printed
    told = await made(cli, "forecast", *wanted)
    assert told["calls"]["expected"] == pytest.approx(CALLS, rel=0.05)
    code, printed = await cli.run("--lang", "zh", "generation", "forecast", *wanted)
    assert f"{FACTS}，据其中 10 个预估" in printed
    assert (await mock.stats())["paid"] == PILOT_CALLS
    done = await made(cli, "create", *wanted, "--wait")
    assert (done["stats"]["answered"], done["stats"]["currency"]) == (str(2 * FACTS), "EUR")
    assert (await mock.stats())["paid"] == CALLS


async def test_a_forecast_stands_before_a_run_with_a_limit_and_a_raised_limit_ends_it(
    cli: CommandLine, client: Client, mock: MockServer
) -> None:
    provider = await new_provider(client, cli.project, mock.base_url)
    wanted = ["--project", cli.project, "--provider", provider]
    code, printed = await cli.run("generation", "create", *wanted, "--max-tokens", "20000", "--wait")
    assert code == 1
    assert "forecast: chunks" in printed
    assert "BUDGET_REACHED" in printed
    paid = await mock.stats()
    assert PILOT_CALLS < paid["paid"] < CALLS
    job, generation = (word_after(printed, words) for words in ("sishu job resume ", "generation update "))
    raised = await made(cli, "update", generation, "--max-tokens", "0")
    assert raised["options"]["max_tokens"] == "0"
    code, printed = await cli.run("job", "resume", job)
    assert code == 0, printed
    code, printed = await cli.run("job", "wait", job)
    assert code == 0, printed
    calls = await mock.stats()
    assert (calls["paid"], calls["distinct_prompts"]) == (CALLS, CALLS)


def word_after(text: str, words: str) -> str:
    """The word that stands after some others in what was printed in lines."""
    plain = " ".join(text.split())
    return plain.partition(words)[2].split()[0].strip("`.,")


async def test_an_update_of_nothing_is_refused(cli: CommandLine) -> None:
    code, printed = await cli.run("generation", "update", cli.project)
    assert (code, "--max-cost" in printed) == (1, True)
