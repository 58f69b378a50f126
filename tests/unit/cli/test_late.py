"""What takes long to read is read by those alone who want it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from services.runtime.config import ROOMS
from sishu.cli.action_table import ACTIONS
from sishu.cli.late import found_at
from sishu.cli.main import COMMANDS, GROUPS, OF_A_RESOURCE, called, help_of
from sishu.cli.resource_table import RESOURCES
from sishu.cli.resources import OWN
from sishu.client import Client

READ_BY = """
import contextlib, io, sys
sys.argv = ["sishu", *sys.argv[1:]]
from sishu.cli import main
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
    main.main()
print(*sys.modules)
"""
HEAVY = {"grpc", "httpx", "jinja2", "services.local.stack", "google.protobuf.json_format"}


@pytest.mark.parametrize(
    ("arguments", "unread"),
    [
        (["--help"], HEAVY | {"sishu.client", "asyncio"}),
        (["project", "get"], {"httpx", "jinja2", "services.local.stack", "sishu.cli.datasets"}),
    ],
)
def test_a_command_reads_nothing_of_others(arguments: list[str], unread: set[str]) -> None:
    command = [sys.executable, "-c", READ_BY, *arguments]
    read = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.split()
    assert "sishu.cli.main" in read
    assert unread & set(read) == set()


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["project", "list"], "project"),
        (["--home", "job", "--json", "--lang", "zh", "export", "run"], "export"),
        (["--home=job", "status"], "status"),
        (["--lang"], ""),
        ([], ""),
    ],
)
def test_the_command_is_found_behind_the_options(arguments: list[str], command: str) -> None:
    assert called(arguments) == command


def test_every_command_is_where_the_tables_say() -> None:
    assert {name for name, place in GROUPS.items() if place == OF_A_RESOURCE} == {
        one.name for one in RESOURCES
    }
    assert ACTIONS.keys() <= {one.name for one in RESOURCES}
    places = [*COMMANDS.values(), *GROUPS.values(), *OWN.values()]
    places += [place for actions in ACTIONS.values() for _, _, place in actions]
    assert all(found_at(place) for place in places)
    assert all(help_of(name) for name in [*COMMANDS, *GROUPS])


async def test_a_client_has_the_calls_of_every_service() -> None:
    async with Client(dict.fromkeys(ROOMS, "127.0.0.1:1")) as client:
        names = list(Client.__annotations__)
        assert len(names) > 25
        kinds = {type(getattr(client, name)).__name__ for name in names}
        kinds |= {type(client.jobs("dataset")).__name__, type(client.project_data("dataset")).__name__}
    assert len(kinds) == len(names) + 2
