"""`sishu example` and `sishu review`: curation, as people and programs do it from the command line."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import sys
from typing import Any

import pytest

from services.runtime.ids import new_id
from sishu.common.v1 import text_span_pb2
from sishu.dataset.v1 import example_pb2
from tests.integration.command_line import RUN_SECONDS, CommandLine
from tests.integration.dataset_school import KEPT, REJECTED, School, turns
from tests.integration.stores import Rooms, room_environment


def command_line(school: School) -> CommandLine:
    return CommandLine(Rooms(school.stores, school.client, {}), new_id())


async def ran(cli: CommandLine, *arguments: str, **env: str) -> str:
    """What a command that ends well prints."""
    code, printed = await cli.run(*arguments, env=env)
    assert code == 0, printed
    return printed


async def read(cli: CommandLine, *arguments: str) -> list[dict[str, Any]]:
    """What a program reads of it."""
    printed = await ran(cli, "--json", *arguments)
    return [json.loads(line) for line in printed.splitlines()]


async def made(school: School, cli: CommandLine, *questions: str) -> list[example_pb2.Example]:
    quote = text_span_pb2.Quote(text="Ada wrote it.")
    return [
        await school.create(
            project_id=cli.project, messages=turns(question, "Ada."), score=number, quotes=[quote]
        )
        for number, question in enumerate(questions)
    ]


async def test_single_examples_are_changed_and_that_is_undone(school: School) -> None:
    cli = command_line(school)
    one, two = await made(school, cli, "Who?", "When?")
    (changed,) = await read(cli, "example", "edit", one.id, "--answer", "爱达。", "--score", "4")
    assert (changed["messages"][1]["content"], changed["score"]) == ("爱达。", 4)
    await ran(cli, "example", "reject", one.id, two.id, "--reason", "Not good.", "--code", "BAD")
    assert {row.rejection.reason for row in await school.listed(cli.project)} == {"BAD"}
    (change,) = await read(cli, "example", "accept", one.id, "--author", "Bea")
    assert (change["changed"], change["author"]) == ("1", "Bea")
    history = await read(cli, "example", "history", one.id)
    assert [row["changed_fields"] for row in history] == [
        ["state", "rejection"],
        ["state", "rejection"],
        ["messages", "score"],
    ]
    assert history[0]["author"] == "Bea"
    assert history[2]["before"]["messages"][1]["content"] == "Ada."
    assert change["id"] in await ran(cli, "example", "history", one.id)
    printed = await ran(cli, "example", "undo", change["id"])
    assert printed.startswith("1 changed, 0 as they were")
    assert (await school.listed(cli.project))[0].state == REJECTED
    code, printed = await cli.run("--lang", "zh", "example", "undo", new_id())
    assert (code, "没有修改" in printed) == (1, True)


@pytest.mark.full
async def test_filters_say_which_are_listed_counted_and_changed(school: School) -> None:
    cli = command_line(school)
    examples = await made(school, cli, "Herons?", "Storks?", "Whales?")
    in_project = ("--project", cli.project)
    await ran(cli, "example", "label", *in_project, "--text", "storks", "--add", "bird", "--score", "5")
    await ran(cli, "example", "label", examples[0].id, "--add", "bird", "--add", "x", "--remove", "x")
    code, printed = await cli.run("example", "discard", examples[0].id, new_id())
    assert (code, "1 of the 2 ids" in printed) == (1, True)
    rows = await read(cli, "example", "list", *in_project, "--label", "bird", "--order", "highest-score")
    assert [row["id"] for row in rows] == [examples[1].id, examples[0].id]
    assert not await read(cli, "example", "list", *in_project, "--before", "2020-01-31")
    options = ["--state", "kept", "--kind", "sft", "--min-score", "0", "--since", "2020-01-31"]
    options += ["--review", "unreviewed", "--language", "en", "--max-characters", "20"]
    assert len(await read(cli, "example", "list", *in_project, *options)) == 3
    counted = await ran(cli, "example", "count", *in_project, "--by", "label", "--by", "review-state")
    assert counted.split() == ["3", "label", "2", "bird", "review-state", "3", "unreviewed"]

    (change,) = await read(cli, "example", "discard", *in_project, "--max-score", "4")
    assert change["changed"] == "2"
    assert len(await read(cli, "example", "list", *in_project, "--deleted")) == 2
    await ran(cli, "example", "undo", change["id"])
    await ran(cli, "example", "reject", *in_project, "--all")
    assert {row.state for row in await school.listed(cli.project)} == {REJECTED}
    for wrong in (in_project, ("--label", "bird"), (*in_project, "--since", "soon")):
        code, printed = await cli.run("example", "accept", *wrong)
        assert (code, "error" in printed) == (1, True)


async def test_comments_are_made_listed_and_deleted(school: School) -> None:
    cli = command_line(school)
    (example,) = await made(school, cli, "Who?")
    (comment,) = await read(cli, "example", "comment", example.id, "Which Ada?", "--author", "Bea")
    assert "Which Ada?" in await ran(cli, "example", "comment", example.id)
    assert await read(cli, "example", "comment", example.id) == [comment]
    assert await read(cli, "example", "comment", example.id, "--delete", comment["id"]) == []


@pytest.mark.full
async def test_reviews_go_without_a_terminal(school: School) -> None:
    cli = command_line(school)
    examples = await made(school, cli, "Who?", "When?", "Where?")
    in_project = ("--project", cli.project)
    shown = await ran(cli, "review", "next", *in_project, SISHU_AUTHOR="Bea")
    assert [line.strip() for line in shown.splitlines()] == [
        f"{examples[0].id}  sft  kept  0",
        "[user] Who?",
        "[assistant] Ada.",
        "quotes:",
        "> Ada wrote it.",
    ]
    (other,) = await read(cli, "review", "next", *in_project, "--reviewer", "Cao")
    assert other["id"] == examples[1].id
    await ran(cli, "review", "accept", examples[0].id, "--reviewer", "Bea")
    await ran(cli, "review", "edit", examples[1].id, "--reviewer", "Cao", "--question", "When was it?")
    await ran(cli, "review", "reject", examples[2].id, "--reviewer", "Cao", "--reason", "Nowhere.")
    assert "nothing left" in await ran(cli, "review", "next", *in_project)
    (summary,) = await read(cli, "review", "summary", *in_project)
    assert (summary["accepted"], summary["rejected"], summary["unreviewed"]) == ("2", "1", "0")
    assert "1 accepted, 0 edited, 0 rejected" in await ran(cli, "review", "summary", *in_project)
    assert "通过 1， 修改 0， 拒绝 0" in await ran(cli, "--lang", "zh", "review", "summary", *in_project)
    listed = await read(cli, "review", "list", *in_project, "--reviewer", "Cao")
    assert [row["example_id"] for row in listed] == [examples[2].id, examples[1].id]
    assert (await school.listed(cli.project))[1].messages[0].content == "When was it?"


async def test_on_a_terminal_the_next_is_asked_until_none_is_left(school: School) -> None:
    cli = command_line(school)
    first, second, third, fourth = await made(school, cli, "1?", "2?", "3?", "4?")
    terminal, inside = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sishu.cli.main", "review", "next", "--project", cli.project),
        *("--reviewer", "Bea"),
        env=room_environment(school.stores, {"COLUMNS": "120", "EDITOR": "sed -i s/Ada/Bob/"}),
        stdin=inside,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    os.close(inside)
    os.write(terminal, b"a\nr\nNo.\ns\ne\n")
    printed, _ = await asyncio.wait_for(process.communicate(), RUN_SECONDS)
    os.close(terminal)
    assert process.returncode == 0, printed
    told = {row.id: row for row in await school.listed(cli.project)}
    assert [told[one.id].state for one in (first, second, third)] == [KEPT, REJECTED, KEPT]
    assert told[second.id].rejection.message == "No."
    assert told[fourth.id].messages[1].content == "Bob."
    assert [told[one.id].review_count for one in (first, second, third, fourth)] == [1, 1, 0, 1]
    assert "nothing left" in printed.decode()
