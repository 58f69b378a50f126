"""`sishu generation`: forecasts, budgets and how a run goes, as people and programs see them."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from rich.console import Console

from sishu.cli.texts import say
from sishu.client import Client
from sishu.generation.v1.provider_pb2 import Provider
from sishu.generation.v1.provider_service_pb2 import GetProviderRequest
from sishu.ingest.v1.project_pb2 import Project
from sishu.learn.options import LearnOptions
from sishu.learn.pipeline import Pipeline
from sishu.learn.progress import ProgressDisplay
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
    return await command_line(rooms, FACTS)


async def command_line(rooms: Rooms, facts: int) -> CommandLine:
    """The command line, on a project with so many facts, each in a chunk of its own."""
    files = {"a.md": handbook(facts)}
    return CommandLine(rooms, await parsed_project(rooms.client, files, min_size=1, max_size=100))


async def made(cli: CommandLine, *arguments: str) -> dict[str, Any]:
    """What a program reads of a command that ends well; what people see stands before it."""
    code, printed = await cli.run("--json", "generation", *arguments)
    assert code == 0, printed
    return dict(json.loads(printed.splitlines()[-1]))


@pytest.mark.full
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
    assert "预估中并未扣除" in printed
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
    assert "same command" not in printed
    code, refused = await cli.run("generation", "delete", generation)
    assert (code, "is paused" in refused) == (1, True)
    raised = await made(cli, "update", generation, "--max-tokens", "0")
    assert raised["options"]["max_tokens"] == "0"
    code, printed = await cli.run("job", "resume", job)
    assert code == 0, printed
    code, printed = await cli.run("job", "wait", job)
    assert code == 0, printed
    calls = await mock.stats()
    assert (calls["paid"], calls["distinct_prompts"]) == (CALLS, CALLS)


async def test_a_pilot_of_which_a_part_failed_tells_from_the_rest_and_the_run_goes_on(
    rooms: Rooms, client: Client, mock: MockServer
) -> None:
    cli = await command_line(rooms, facts=10)
    provider = await priced_provider(client, cli.project, mock.base_url)
    await mock.control(refused="number 7 of the Kestrel")
    wanted = ["--project", cli.project, "--provider", provider]
    code, printed = await cli.run("generation", "create", *wanted)
    assert code == 0, printed
    assert "forecast: chunks 10, told from 9" in printed
    assert re.search(r"1 of \d+ items of the pilot failed; the first: .*not wanted here", printed)
    code, printed = await cli.run("--lang", "zh", "generation", "forecast", *wanted)
    assert code == 0, printed
    assert re.search(r"试运行的 \d+ 项中有 1 项失败；第一项：.*拒绝了请求", printed)
    assert "10，据其中 9 个预估" in printed


async def test_a_pilot_of_which_all_failed_is_an_error_that_says_what_to_do(
    rooms: Rooms, client: Client, mock: MockServer
) -> None:
    cli = await command_line(rooms, facts=6)
    provider = await priced_provider(client, cli.project, mock.base_url)
    await mock.control(refused="Kestrel")
    code, printed = await cli.run("generation", "create", "--project", cli.project, "--provider", provider)
    assert code == 1
    assert "not wanted here" in printed
    assert "there is no forecast; mend this, then give the same command again" in printed


async def test_of_a_failed_run_it_is_said_what_is_stored_and_what_failed_by_reason(
    rooms: Rooms, client: Client, mock: MockServer
) -> None:
    cli = await command_line(rooms, facts=20)
    provider = await new_provider(client, cli.project, mock.base_url)
    # The numbers 1 and 10 to 19.
    await mock.control(refused="number 1")
    code, printed = await cli.run(
        "generation", "create", "--project", cli.project, "--provider", provider, "--wait"
    )
    assert code == 1
    assert re.search(r"11 of \d+ items failed \(11 PROVIDER_REFUSED\), \d+ are done and stored", printed)
    job = word_after(printed, "sishu job retry ")
    code, printed = await cli.run("job", "get", job)
    assert (code, "11 × PROVIDER_REFUSED" in printed, "and 1 more failed" in printed) == (0, True, True)
    code, printed = await cli.run("--json", "job", "get", job)
    assert len(printed.splitlines()) == 1 + 11
    code, printed = await cli.run("job", "resume", job)
    assert (code, "has ended (failed)" in printed) == (1, True)


async def test_learning_goes_on_after_a_pilot_of_which_a_part_failed(
    rooms: Rooms, client: Client, mock: MockServer
) -> None:
    project_id = (await command_line(rooms, facts=10)).project
    provider_id = await priced_provider(client, project_id, mock.base_url)
    await mock.control(refused="number 7 of the Kestrel")
    said = io.StringIO()
    options = LearnOptions(files=(), name="", out=Path(), llm_base_url=mock.base_url)
    pipeline = Pipeline(client, options, ProgressDisplay(Console(file=said, width=200)), say)
    generation = await pipeline.generate(Project(id=project_id), (), await provider_of(client, provider_id))
    assert generation.stats.answered == 18
    assert "forecast: chunks 10, told from 9" in said.getvalue()
    assert "items of the pilot failed" in said.getvalue()


async def provider_of(client: Client, provider_id: str) -> Provider:
    return (await client.providers.GetProvider(GetProviderRequest(id=provider_id))).provider


def word_after(text: str, words: str) -> str:
    """The word that stands after some others in what was printed in lines."""
    plain = " ".join(text.split())
    return plain.partition(words)[2].split()[0].strip("`.,")


async def test_sampling_is_kept_as_it_was_said(cli: CommandLine, client: Client, mock: MockServer) -> None:
    provider = await new_provider(client, cli.project, mock.base_url)
    sampling = ["--temperature", "0", "--top-p", "0.9", "--max-answer-tokens", "500", "--seed", "0"]
    made_so = await made(cli, "create", "--project", cli.project, "--provider", provider, *sampling)
    told = {"temperature": 0.0, "top_p": 0.9, "max_tokens": 500, "seed": "0", "stop": []}
    assert made_so["options"]["sampling"] == told


async def test_an_update_of_nothing_is_refused(cli: CommandLine) -> None:
    code, printed = await cli.run("generation", "update", cli.project)
    assert (code, "--max-cost" in printed) == (1, True)


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_of_a_pilot_that_spends_the_budget_is_said_that_there_is_no_run_and_what_to_do(
    cli: CommandLine, client: Client, mock: MockServer, language: str
) -> None:
    provider = await priced_provider(client, cli.project, mock.base_url)
    command = ["--lang", language, "generation", "create", "--project", cli.project, "--provider", provider]
    code, printed = await cli.run(*command, "--max-tokens", "3000", "--wait")
    told = re.sub(r"\s+", "", printed)
    assert (code, "BUDGET_REACHED" in told) == (1, True)
    never, again = {
        "en": ("therunitselfwasnevercreated", "givethesamecommandagainwithahigher"),
        "zh": ("正式的生成尚未创建", "再执行同一命令"),
    }[language]
    assert never in told
    assert again in told
    assert "jobresume" not in told
    assert "generationupdate" not in told
    code, printed = await cli.run(*command, "--wait")
    assert code == 0, printed
    paid = await mock.stats()
    assert paid["paid"] == paid["distinct_prompts"] == CALLS
