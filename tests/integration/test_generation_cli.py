"""`sishu provider`: add, presets and test, as people and programs use them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from sishu.client import Client
from sishu.ingest.v1.project_pb2 import Project
from sishu.ingest.v1.project_service_pb2 import CreateProjectRequest
from tests.integration.command_line import CommandLine
from tests.integration.stores import Rooms
from tests.support.mock_llm import MockServer, mock_llm


@dataclass
class Cli(CommandLine):
    """With what is said of providers."""

    async def add(self, name: str, *options: str, env: dict[str, str] | None = None) -> dict[str, Any]:
        """Add a provider that must be fine; what is printed of it for programs."""
        code, printed = await self.run(
            "--json", "provider", "add", name, "--project", self.project, *options, env=env
        )
        assert code == 0, printed
        return dict(json.loads(printed))

    async def update(self, name: str, *options: str) -> dict[str, Any]:
        """Update a provider with what must be fine; what is printed of it for programs."""
        code, printed = await self.run(
            "--json", "provider", "update", name, "--project", self.project, *options
        )
        assert code == 0, printed
        return dict(json.loads(printed))

    async def refused(self, *options: str) -> str:
        """What is said about a provider that cannot be added."""
        code, printed = await self.run("provider", "add", "n", "--project", self.project, *options)
        assert code == 1, printed
        return printed


async def new_project(client: Client, name: str) -> str:
    request = CreateProjectRequest(project=Project(name=name))
    return (await client.projects.CreateProject(request)).project.id


@pytest_asyncio.fixture(scope="module")
async def cli(rooms: Rooms) -> Cli:
    return Cli(rooms, await new_project(rooms.client, "command line"))


@pytest_asyncio.fixture(scope="module")
async def mock() -> AsyncIterator[MockServer]:
    async with mock_llm(api_key="sk-planted") as server:
        yield server


async def test_a_preset_gives_address_and_key(cli: Cli) -> None:
    added = await cli.add("seek", "--preset", "deepseek", "--model", "deepseek-v4-flash")
    assert added["base_url"] == "https://api.deepseek.com/v1"
    assert (added["api_key_variable"], added["has_api_key"]) == ("DEEPSEEK_API_KEY", True)
    # Another address, so that the key of the preset is not its.
    proxied = ["--preset", "deepseek", "--base-url", "http://127.0.0.1:9/v1", "--model", "m"]
    assert not (await cli.add("proxied", *proxied))["has_api_key"]


async def test_all_that_can_be_said_of_a_provider_is_kept(cli: Cli) -> None:
    limits = ["--rpm", "60", "--tpm", "100000", "--in-flight", "4"]
    prices = ["--price-prompt", "0.5", "--price-completion", "8", "--currency", "CNY"]
    rest = ["--api-key-file", "bailian.key", "--stream", "always"]
    added = await cli.add("full", "--preset", "bailian", "--model", "qwen", *limits, *prices, *rest)
    assert added["limits"] == {"calls_per_minute": 60, "tokens_per_minute": "100000", "calls_in_flight": 4}
    price = {"prompt_per_million": 0.5, "completion_per_million": 8.0, "currency": "CNY", "batch_factor": 0.5}
    assert added["price"] == price
    slow = await cli.add("slow", "--preset", "bailian", "--model", "qwen", *prices, "--batch-factor", "0.8")
    assert slow["price"] == price | {"batch_factor": 0.8}
    assert (added["api_key_file"], added["streaming"]) == ("bailian.key", "PROVIDER_STREAMING_ALWAYS")


@pytest.mark.full
async def test_options_that_make_no_sense_are_refused_with_what_to_do(cli: Cli) -> None:
    assert "deepseek" in await cli.refused("--preset", "deepsink", "--model", "m")
    assert "--base-url" in await cli.refused("--model", "m")
    address = ["--base-url", "http://127.0.0.1:9/v1", "--model", "m"]
    assert "--currency" in await cli.refused(*address, "--price-prompt", "1")
    assert "--currency" in await cli.refused(*address, "--batch-factor", "0.5")
    assert "--stream" in await cli.refused(*address, "--stream", "sometimes")
    assert "--api-key-file" in await cli.refused(
        *address, "--api-key-file", "a", "--api-key-env", "A_API_KEY"
    )
    assert "ending in _API_KEY" in await cli.refused(*address, "--api-key-env", "MY_KEY")
    assert "without its folder" in await cli.refused(*address, "--api-key-file", "keys/a")
    prices = ["--price-prompt", "1", "--price-completion", "2", "--currency"]
    assert "three capitals" in await cli.refused(*address, *prices, "eur")
    assert "--model" in await cli.refused("--preset", "openai")
    whole = ["--base-url", "http://127.0.0.1:9/v1/chat/completions", "--model", "m"]
    assert "leave that out" in await cli.refused(*whole)


async def test_a_number_that_is_too_large_is_refused_with_its_range(cli: Cli) -> None:
    limit = ["--base-url", "http://127.0.0.1:9/v1", "--model", "m", "--in-flight", "99999999999"]
    code, printed = await cli.run("provider", "add", "n", "--project", cli.project, *limit)
    assert (code, "2147483647" in printed) == (2, True)


async def test_an_address_without_its_version_gets_a_hint(cli: Cli) -> None:
    address = ["--base-url", "http://127.0.0.1:9", "--model", "m"]
    code, printed = await cli.run("provider", "add", "bare", "--project", cli.project, *address)
    assert (code, "take http://127.0.0.1:9/v1" in printed) == (0, True)


@pytest.mark.full
async def test_what_is_said_in_an_update_changes_and_nothing_else(cli: Cli) -> None:
    address = ["--base-url", "http://127.0.0.1:9/v1", "--model", "m"]
    prices = ["--price-prompt", "1", "--price-completion", "2", "--currency", "EUR"]
    old = await cli.add("change", *address, *prices, "--rpm", "60", "--temperature", "0", "--seed", "7")
    assert old["sampling"] == {"temperature": 0.0, "seed": "7", "stop": []}
    rest = ["--price-prompt", "3", "--in-flight", "4", "--top-p", "0.5", "--max-answer-tokens", "300"]
    new = await cli.update("change", *rest, "--stream", "always", "--name", "changed")
    assert new["price"] == old["price"] | {"prompt_per_million": 3.0}
    assert new["limits"] == old["limits"] | {"calls_in_flight": 4}
    assert new["sampling"] == old["sampling"] | {"top_p": 0.5, "max_tokens": 300}
    assert (new["name"], new["base_url"], new["model"]) == ("changed", old["base_url"], "m")
    dropped = await cli.update(old["id"], "--no-price", "--no-sampling", "--rpm", "0")
    assert ("price" in dropped, "sampling" in dropped and dropped["sampling"].get("seed")) == (False, None)
    assert dropped["limits"]["calls_per_minute"] == 0
    keyed = await cli.update("changed", "--api-key-env", "NEW_API_KEY")
    assert (keyed["api_key_variable"], keyed["has_api_key"]) == ("NEW_API_KEY", True)
    assert not (await cli.update("changed", "--api-key-env", ""))["has_api_key"]
    moved = await cli.update("changed", "--preset", "deepseek")
    assert (moved["base_url"], moved["api_key_variable"]) == (
        "https://api.deepseek.com/v1",
        "DEEPSEEK_API_KEY",
    )
    by_name = ["changed", "--project", cli.project]
    code, printed = await cli.run("--json", "provider", "get", *by_name)
    assert (code, json.loads(printed)["id"]) == (0, old["id"])
    await cli.add("gone", *address)
    assert (await cli.run("provider", "delete", "gone", "--project", cli.project))[0] == 0
    assert (await cli.run("provider", "get", "gone", "--project", cli.project))[0] == 1
    code, printed = await cli.run("provider", "update", *by_name)
    assert (code, "give what is to change" in printed) == (1, True)


async def test_presets_are_listed(cli: Cli) -> None:
    code, printed = await cli.run("provider", "presets")
    assert code == 0
    assert "https://dashscope.aliyuncs.com/compatible-mode/v1" in printed
    assert "DASHSCOPE_API_KEY" in printed


async def test_a_test_tells_people_and_programs_what_works(cli: Cli, mock: MockServer) -> None:
    options = ["--llm-base-url", mock.base_url, "--llm-model", "mock-model", "--llm-api-key-env", "MY_KEY"]
    works = await cli.add("works", *options, env={"MY_KEY": "sk-planted"})
    await cli.add("keyless", "--base-url", mock.base_url, "--model", "mock-model")
    test = ["provider", "test", "--project", cli.project]
    code, printed = await cli.run("--json", "provider", "test", works["id"])
    found = json.loads(printed)
    assert (code, found["ok"], found["output_mode"], found["streams"]) == (0, True, "json_schema", True)
    code, printed = await cli.run("--lang", "zh", *test, "works")
    assert code == 0
    assert all(word in printed for word in ("可用", "按模式", "首个 token", "token/秒", "mock-model"))
    code, printed = await cli.run(*test, "keyless")
    assert code == 1
    assert "PROVIDER_REFUSED_KEY" in printed
    await cli.add("both", "--pool", f"keyless, {works['id']}")
    code, printed = await cli.run(*test, "both")
    assert code == 0
    assert "PROVIDER_REFUSED_KEY" in printed
    assert printed.index("keyless") < printed.index("works") < printed.index("by schema")
