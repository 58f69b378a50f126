"""Prompts of projects through their rpcs and commands, and what generations make of them."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from services.generation.prompts.built_in import BUILTIN, builtin_text
from services.generation.prompts.prompt_versions import ALL
from services.runtime.ids import new_id
from sishu.client import Client
from sishu.common.v1 import job_pb2, message_pb2
from sishu.common.v1.project_data_service_pb2 import DeleteProjectDataRequest
from sishu.generation.v1 import generation_pb2, prompt_pb2
from sishu.generation.v1 import prompt_service_pb2 as pb
from sishu.generation.v1 import question_service_pb2 as question_pb
from sishu.learn.generations import begin
from tests.integration.command_line import CommandLine
from tests.integration.documents import chunks_of, failure, new_project, parsed_project
from tests.integration.generations import (
    ONLY_THE_FACT,
    generated,
    handbook,
    new_provider,
    questions_of,
    start_generation,
    view,
)
from tests.integration.processes import eventually
from tests.integration.stores import Rooms, room_environment
from tests.support.llm_answers import Prompt as Asked
from tests.support.mock_llm import MockServer

SMALL = {"min_size": 1, "max_size": 100}
CHINESE = "北辰公司成立于2015年，总部设在上海。\n\n它的第一台设备叫做红隼，重量为十二千克。\n"
QUESTIONS = (
    "自定义：{system}。\n=====\n{{% for fact in facts %}}{{{{ loop.index }}}}. {{{{ fact }}}}\n{{% endfor %}}"
)
MINE = "Ask briefly :memo: [bold].\n=====\n{% for fact in facts %}\n{{ fact }}\n{% endfor %}\n"
ANSWER = "Answer {system}.\n=====\nText: {{{{ passage }}}}\n\n{{{{ question }}}}"


def of(
    project_id: str, template: str, name: str = "questions", language: str = "en"
) -> pb.CreatePromptVersionRequest:
    prompt = prompt_pb2.Prompt(project_id=project_id, name=name, language=language, template=template)
    return pb.CreatePromptVersionRequest(prompt=prompt)


async def create(client: Client, project_id: str, template: str, *prompt: str) -> prompt_pb2.Prompt:
    return (await client.prompts.CreatePromptVersion(of(project_id, template, *prompt))).prompt


async def get(client: Client, project_id: str, version: str) -> prompt_pb2.Prompt:
    request = pb.GetPromptRequest(project_id=project_id, version=version)
    return (await client.prompts.GetPrompt(request)).prompt


async def restore(client: Client, project_id: str, version: str) -> prompt_pb2.Prompt:
    request = pb.RestorePromptRequest(project_id=project_id, version=version)
    return (await client.prompts.RestorePrompt(request)).prompt


async def current(client: Client, project_id: str) -> list[str]:
    request = pb.ListPromptsRequest(project_id=project_id)
    prompts = (await client.prompts.ListPrompts(request)).prompts
    assert all(prompt.current for prompt in prompts)
    assert [f"{prompt.name}.{prompt.language}" for prompt in prompts] == list(map(str, ALL))
    return [prompt.version for prompt in prompts if prompt.name in {"answer", "questions"}]


async def versions(client: Client, project_id: str, page_size: int = 0) -> list[prompt_pb2.Prompt]:
    request = pb.ListPromptVersionsRequest(
        project_id=project_id, name="questions", language="en", page_size=page_size
    )
    found: list[prompt_pb2.Prompt] = []
    while True:
        page = await client.prompts.ListPromptVersions(request)
        assert not page_size or len(page.prompts) <= page_size
        found += page.prompts
        request.page_token = page.next_page_token
        if not request.page_token:
            return found


def asked(messages: Any) -> str:
    """How the mock server names a call with these messages."""
    roles = {
        message_pb2.ROLE_SYSTEM: "system",
        message_pb2.ROLE_USER: "user",
        message_pb2.ROLE_ASSISTANT: "assistant",
    }
    sent = [{"role": roles[one.role], "content": one.content} for one in messages]
    return f"{Asked.of(sent).digest:016x}"


async def test_a_project_begins_with_what_is_built_in(client: Client) -> None:
    project = await new_project(client)
    request = pb.ListPromptsRequest(project_id=project)
    prompts = (await client.prompts.ListPrompts(request)).prompts
    assert [one.version for one in prompts] == [prompt.builtin for prompt in ALL]
    for one in prompts:
        assert (one.own, one.current, one.HasField("create_time")) == (False, True, False)
        assert one.template.count("\n=====\n") >= 1
        declared = BUILTIN[one.name].variables
        assert [(v.name, v.description, v.required) for v in one.variables] == [
            (v.name, v.description, v.required) for v in declared
        ]
    request.page_size = len(ALL) - 1
    first = await client.prompts.ListPrompts(request)
    request.page_token = first.next_page_token
    assert [*first.prompts, *(await client.prompts.ListPrompts(request)).prompts] == list(prompts)


async def test_a_changed_text_is_a_new_version_and_the_same_text_is_none(client: Client) -> None:
    project = await new_project(client)
    built_in = await get(client, project, "questions.en@1")
    assert (await create(client, project, built_in.template)).version == "questions.en@1"
    one = await create(client, project, QUESTIONS.format(system="one"))
    assert (one.version, one.own, one.current) == ("questions.en@project-1", True, True)
    assert await create(client, project, QUESTIONS.format(system="one").replace("\n", "\r\n") + "\r\n") == one
    two = await create(client, project, QUESTIONS.format(system="two"))
    assert two.version == "questions.en@project-2"
    # What was there before is made anew, as what is current is another text.
    three = await create(client, project, one.template)
    assert (three.version, three.template) == ("questions.en@project-3", one.template)
    assert await current(client, project) == [
        "answer.en@1",
        "answer.zh@1",
        "questions.en@project-3",
        "questions.zh@1",
    ]
    for size in (0, 1, 2, 4):
        listed = await versions(client, project, size)
        assert [(v.version, v.current) for v in listed] == [
            ("questions.en@project-3", True),
            ("questions.en@project-2", False),
            ("questions.en@project-1", False),
            ("questions.en@1", False),
        ]
    assert await get(client, project, "questions.en@project-3") == three


async def test_an_earlier_version_and_the_built_in_one_can_be_current_again(client: Client) -> None:
    project = await new_project(client)
    one = await create(client, project, QUESTIONS.format(system="one"))
    await create(client, project, QUESTIONS.format(system="two"))
    assert await restore(client, project, one.version) == one
    assert [v.version for v in await versions(client, project) if v.current] == [one.version]
    built_in = await restore(client, project, "questions.en@1")
    assert (built_in.own, built_in.current) == (False, True)
    assert "questions.en@1" in await current(client, project)
    assert not any(v.current for v in await versions(client, project) if v.own)
    # Numbers go on after a restore.
    assert (await create(client, project, one.template)).version == "questions.en@project-3"


async def test_what_a_project_has_not_is_not_found(client: Client) -> None:
    project, other = await new_project(client), await new_project(client)
    theirs = await create(client, other, QUESTIONS.format(system="one"))
    for version in (theirs.version, "questions.en@2", "questions.fr@1", "poem.en@1", "questions.en", "x"):
        for call in (get, restore):
            error = await failure(call(client, project, version))
            assert (error.code, error.reason) == ("NOT_FOUND", "PROMPT_NOT_FOUND")
            near = version.startswith("questions")
            assert near == ("topics.en" not in error.message)
    for error in (
        await failure(create(client, project, "a\n=====\nb", "poem")),
        await failure(preview(client, project, version=theirs.version)),
    ):
        assert error.reason == "PROMPT_NOT_FOUND"
        assert "questions.en" in error.message


async def test_versions_that_are_made_at_once_get_different_numbers(client: Client) -> None:
    project = await new_project(client)
    made = await asyncio.gather(
        *(create(client, project, QUESTIONS.format(system=str(number))) for number in range(8))
    )
    assert {one.version for one in made} == {f"questions.en@project-{number}" for number in range(1, 9)}
    assert len([one for one in await versions(client, project) if one.current]) == 1


async def test_a_create_with_one_request_id_makes_one_version(client: Client) -> None:
    project = await new_project(client)
    request = of(project, QUESTIONS.format(system="one"))
    request.request_id = new_id()
    made = [(await client.prompts.CreatePromptVersion(request)).prompt.version for _ in range(2)]
    await create(client, project, QUESTIONS.format(system="two"))
    request.prompt.template = "whatever"
    again = (await client.prompts.CreatePromptVersion(request)).prompt
    assert {*made, again.version} == {"questions.en@project-1"}
    assert not again.current


async def test_a_template_that_breaks_a_rule_is_refused_with_the_field_and_stored_nowhere(
    client: Client,
) -> None:
    project = await new_project(client)
    template = "Ask.\n=====\n{{ fcats }}"
    error = await failure(create(client, project, template))
    assert (error.code, error.reason, error.field) == (
        "INVALID_ARGUMENT",
        "PROMPT_VARIABLE_UNKNOWN",
        "prompt.template",
    )
    assert (error.metadata["line"], error.metadata["name"]) == ("3", "fcats")
    assert "did you mean `facts`?" in error.message
    draft = prompt_pb2.PromptDraft(name="questions", language="en", template=template)
    assert (await failure(preview(client, project, draft=draft))).field == "draft.template"
    too_long = await failure(create(client, project, QUESTIONS.format(system="x" * 100_000)))
    assert too_long.reason == "PROMPT_TOO_LONG"
    assert [one.version for one in await versions(client, project)] == ["questions.en@1"]


async def preview(client: Client, project_id: str, **fields: Any) -> pb.PreviewPromptResponse:
    return await client.prompts.PreviewPrompt(pb.PreviewPromptRequest(project_id=project_id, **fields))


async def test_a_chinese_prompt_of_the_project_asks_and_its_version_stands_in_every_row(
    client: Client, mock: MockServer
) -> None:
    await mock.control(fixed={"questions": ["北辰公司成立于哪一年？"], "answer": "成立于2015年。"})
    project = await parsed_project(client, {"a.md": CHINESE.encode()})
    mine = await create(client, project, QUESTIONS.format(system="只问事实"), "questions", "zh")
    assert mine.version == "questions.zh@project-1"
    provider = await new_provider(client, project, mock.base_url)
    options = generation_pb2.GenerationOptions(forms_per_fact=1)
    done = await generated(client, await start_generation(client, project, provider, options))
    assert done.job.state == job_pb2.JOB_STATE_SUCCEEDED
    built_in = {str(prompt): prompt.builtin for prompt in ALL}
    assert dict(done.prompt_versions) == {**built_in, "questions.zh": mine.version}
    questions = await questions_of(client, done)
    assert {question.origin.prompt_version for question in questions} == {mine.version}
    assert "answer.zh@1" in {question.answer.origin.prompt_version for question in questions}


@pytest.mark.parametrize("name", ["questions", "answer"])
async def test_a_preview_is_word_for_word_what_a_worker_sends(
    client: Client, mock: MockServer, name: str
) -> None:
    project = await parsed_project(
        client, {"a.md": handbook(2) + b"{{ facts }} costs $$5 $& {% raw %}\x1f here.\n"}, **SMALL
    )
    text = {"questions": QUESTIONS, "answer": ANSWER}[name].format(system="plainly")
    mine = await create(client, project, text, name)
    options = generation_pb2.GenerationOptions(context_chars=ONLY_THE_FACT, forms_per_fact=1)
    chunks = await chunks_of(client, project)
    before = [
        await preview(client, project, version=mine.version, chunk_id=chunk.id, options=options)
        for chunk in chunks
    ]
    assert (await mock.stats())["calls"] == 0
    provider = await new_provider(client, project, mock.base_url)
    done = await generated(client, await start_generation(client, project, provider, options))
    sent = (await mock.stats(prompts=True))["prompts"]
    if name == "questions":
        previews = before
    else:
        # A question is there now, and is taken; it may be given as well.
        previews = [
            await preview(client, project, version=mine.version, chunk_id=chunk.id, options=options)
            for chunk in chunks
        ]
        asks = {question.chunk_ids[0]: question.text for question in await questions_of(client, done)}
        for chunk, shown in zip(chunks, previews, strict=True):
            given = await preview(
                client,
                project,
                version=mine.version,
                chunk_id=chunk.id,
                options=options,
                question=asks[chunk.id],
            )
            assert given == shown
    assert len(previews) == len(chunks) == 3
    assert {asked(shown.messages) for shown in previews} <= sent.keys()
    assert any("{{ facts }} costs $$5 $& {% raw %}" in shown.messages[-1].content for shown in previews)
    draft = prompt_pb2.PromptDraft(name=name, language="en", template=text)
    first = await preview(client, project, draft=draft, options=options)
    assert (first.version, first.chunk_id) == ("", chunks[0].id)
    assert asked(first.messages) == asked(previews[0].messages)


async def test_a_preview_of_an_answer_shows_the_passage_around_the_fact_of_its_question(
    client: Client, mock: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": handbook(4)})
    options = generation_pb2.GenerationOptions(
        chars_per_fact=1, context_chars=ONLY_THE_FACT, forms_per_fact=1, facts_per_call=2
    )
    provider = await new_provider(client, project, mock.base_url)
    done = await generated(client, await start_generation(client, project, provider, options))
    sent = (await mock.stats(prompts=True))["prompts"]
    questions = await questions_of(client, done)
    assert len(questions) == 4
    for question in questions:
        shown = await preview(client, project, version="answer.en@1", options=options)
        assert question.text in shown.messages[-1].content
        assert question.fact.text in shown.messages[-1].content
        assert asked(shown.messages) in sent
        await client.questions.DeleteQuestion(question_pb.DeleteQuestionRequest(id=question.id))
    shown = await preview(client, project, version="answer.en@1", options=options)
    fact = "The part number 1 of the Kestrel weighs 1 grams."
    assert shown.messages[-1].content == f"Text:\n{fact}\n\nQuestion: {fact}"


async def test_a_generation_that_runs_keeps_its_versions(client: Client, mock: MockServer) -> None:
    await mock.control(latency_ms=300)
    project = await parsed_project(client, {"a.md": handbook(12)}, **SMALL)
    first = await create(client, project, ANSWER.format(system="first"), "answer")
    provider = await new_provider(client, project, mock.base_url)
    running = await start_generation(client, project, provider)

    async def begun() -> bool:
        return (await view(client, running.id)).stats.questions > 0

    await eventually(begun)
    second = await create(client, project, ANSWER.format(system="second"), "answer")
    assert (await view(client, running.id)).job.state == job_pb2.JOB_STATE_RUNNING
    await mock.control(latency_ms=0)
    done = await generated(client, running)
    answers = [question.answer for question in await questions_of(client, done)]
    assert len(answers) == 24
    assert {answer.origin.prompt_version for answer in answers} == {first.version}
    later = await generated(client, await start_generation(client, project, provider))
    answers = [question.answer for question in await questions_of(client, later)]
    assert {answer.origin.prompt_version for answer in answers} == {second.version}


async def test_a_template_that_fails_on_a_chunk_fails_that_item_and_says_why(
    client: Client, mock: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": handbook(1)}, **SMALL)
    # Nothing that the samples come to.
    text = "Ask.\n=====\n{{ facts }}\n{% if forms > 5 %}{{ facts[50] }}{% endif %}"
    mine = await create(client, project, text)
    provider = await new_provider(client, project, mock.base_url)
    options = generation_pb2.GenerationOptions(forms_per_fact=6)
    done = await generated(client, await start_generation(client, project, provider, options))
    assert done.job.state == job_pb2.JOB_STATE_FAILED
    assert (done.job.failure.reason, done.job.failure.metadata["line"]) == ("PROMPT_FAILED", "4")
    assert (await mock.stats())["calls"] == 0
    error = await failure(preview(client, project, version=mine.version, options=options))
    assert (error.reason, error.metadata["line"]) == ("PROMPT_FAILED", "4")


async def test_a_preview_says_which_chunk_it_lacks(client: Client) -> None:
    project = await parsed_project(client, {"a.md": handbook(1)}, **SMALL)
    other = await parsed_project(client, {"a.md": b"# Only\n\ntitles\n"})
    (theirs,) = await chunks_of(client, other)
    for chunk_id in (theirs.id, new_id()):
        error = await failure(preview(client, project, version="answer.en@1", chunk_id=chunk_id))
        assert (error.code, error.reason) == ("NOT_FOUND", "CHUNK_NOT_FOUND")
    for fields in ({"chunk_id": theirs.id}, {}):
        error = await failure(preview(client, other, version="answer.en@1", **fields))
        assert (error.code, error.reason) == ("FAILED_PRECONDITION", "NO_FACTS")
    error = await failure(preview(client, project))
    assert error.code == "INVALID_ARGUMENT"


async def test_the_prompts_of_a_project_go_with_it(client: Client) -> None:
    project = await new_project(client)
    request = of(project, QUESTIONS.format(system="one"))
    request.request_id = new_id()
    await client.prompts.CreatePromptVersion(request)
    await create(client, project, ANSWER.format(system="one"), "answer")
    gone = DeleteProjectDataRequest(project_id=project)
    deleted = await client.project_data("generation").DeleteProjectData(gone)
    assert deleted.deleted_rows["generation.prompt_versions"] == 2
    assert [one.version for one in await versions(client, project)] == ["questions.en@1"]
    again = (await client.prompts.CreatePromptVersion(request)).prompt
    assert again.version == "questions.en@project-1"


@pytest_asyncio.fixture
async def cli(rooms: Rooms) -> CommandLine:
    return CommandLine(rooms, await parsed_project(rooms.client, {"a.md": handbook(2)}, **SMALL))


async def said(cli: CommandLine, *arguments: str) -> str:
    """What a command that ends well prints."""
    code, printed = await cli.run("prompt", *arguments, "--project", cli.project, env={"COLUMNS": "80"})
    assert code == 0, printed
    return printed


async def read(cli: CommandLine, *arguments: str) -> list[dict[str, Any]]:
    """What a program reads."""
    code, printed = await cli.run("--json", "prompt", *arguments, "--project", cli.project)
    assert code == 0, printed
    return [json.loads(line) for line in printed.splitlines()]


async def piped(cli: CommandLine, *arguments: str, given: str = "") -> tuple[str, str]:
    """What goes into a pipe, and what stands beside it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sishu.cli.main", "prompt", *arguments, "--project", cli.project),
        env=room_environment(cli.rooms.stores, {"COLUMNS": "80"}),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, beside = await asyncio.wait_for(process.communicate(given.encode()), 60)
    assert process.returncode == 0, beside
    return printed.decode(), beside.decode()


async def test_a_prompt_is_shown_changed_compared_and_restored(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "mine.jinja"
    file.write_text(MINE)
    shown, beside = await piped(cli, "show", "questions.en")
    assert shown == builtin_text("questions.en@1")
    assert "facts (must be used): the sentences" in beside
    assert "questions.en@project-1" in await said(cli, "set", "questions.en", str(file))
    listed = await said(cli, "list")
    assert all(version in listed for version in ("questions.en@project-1", "questions.zh@1"))
    assert max(map(len, listed.splitlines())) <= 80
    diff, _ = await piped(cli, "diff", "questions.en")
    assert diff.startswith("--- questions.en@1\n+++ questions.en@project-1\n@@ ")
    assert "\n+Ask briefly :memo: [bold].\n" in diff
    await piped(cli, "set", "questions.en", "-", given=MINE.replace("briefly", "at length"))
    pair = ["--from", "questions.en@project-2", "--to", "questions.en@project-1"]
    (compared,) = await read(cli, "diff", "questions.en", *pair)
    assert (compared["from"], compared["to"]) == (pair[1], pair[3])
    assert "\n-Ask at length" in compared["diff"]
    assert "\n+Ask briefly" in compared["diff"]
    await said(cli, "restore", "questions.en@1")
    versions = await read(cli, "versions", "questions.en")
    assert [(one["version"], one["current"]) for one in versions] == [
        ("questions.en@project-2", False),
        ("questions.en@project-1", False),
        ("questions.en@1", True),
    ]


async def test_a_preview_shows_the_messages_as_they_are_sent(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "mine.jinja"
    file.write_text(MINE)
    fact = "The part number 1 of the Kestrel weighs 1 grams."
    shown, _ = await piped(cli, "preview", "questions.en", "--file", str(file))
    assert shown == f"[system]\nAsk briefly :memo: [bold].\n[user]\n{fact}\n"
    (answer,) = await read(cli, "preview", "answer.en", "--question", "How heavy is it?")
    assert answer["version"] == "answer.en@1"
    assert answer["messages"][-1]["content"].endswith("Question: How heavy is it?")
    (made,) = await read(cli, "preview", "questions.en@1", "--forms", "4", "--chunk", answer["chunk_id"])
    assert "Write 4 questions" in made["messages"][0]["content"]


@pytest.mark.full
async def test_what_is_wrong_is_said_with_what_there_is(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "mine.jinja"
    file.write_text("Ask.\n=====\n{{ fcats }}")
    for lang, arguments, words in (
        (
            "en",
            ["set", "questions.en", str(file)],
            "line 3: there is no variable `fcats`; did you mean `facts`?",
        ),
        ("zh", ["set", "questions.en", str(file)], "模板第 3 行：没有变量 fcats；可用的有 facts"),
        ("zh", ["show", "poem.en"], "没有提示词 poem.en；已有 answer.en"),
        ("zh", ["set", "answer.en", "nowhere.jinja"], "没有文件或文件夹 nowhere.jinja"),
    ):
        code, printed = await cli.run("--lang", lang, "prompt", *arguments, "--project", cli.project)
        assert code == 1
        assert words in printed
    code, printed = await cli.run("--lang", "zh", "prompt", "--help")
    assert code == 0
    assert "恢复较早的版本" in printed


async def test_a_generation_after_a_change_of_words_is_another_one(
    cli: CommandLine, mock: MockServer, tmp_path: Path
) -> None:
    client, file = cli.rooms.client, tmp_path / "mine.jinja"
    file.write_text(MINE)
    provider = await new_provider(client, cli.project, mock.base_url)
    options = generation_pb2.GenerationOptions(context_chars=ONLY_THE_FACT)
    wanted = generation_pb2.Generation(project_id=cli.project, provider_id=provider, options=options)
    first = await generated(client, await begin(client, wanted))
    await said(cli, "set", "questions.en", str(file))
    second = await generated(client, await begin(client, wanted))
    assert second.id != first.id
    assert second.prompt_versions["questions.en"] == "questions.en@project-1"
    assert (await begin(client, wanted)).id == second.id
    await said(cli, "restore", "questions.en@1")
    assert (await begin(client, wanted)).id == first.id
