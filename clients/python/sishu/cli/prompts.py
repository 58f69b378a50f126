"""`sishu prompt`: what language models are asked, in the words of a project."""

from __future__ import annotations

import json
import sys
from difflib import get_close_matches, unified_diff
from pathlib import Path
from typing import Annotated

import typer

from sishu.cli.context import with_client
from sishu.cli.documents import first
from sishu.cli.find_projects import find_project
from sishu.cli.options import LimitOption, ProjectOption
from sishu.cli.output import CONSOLE, ERRORS, as_json, show_many, show_one
from sishu.cli.settings import SETTINGS
from sishu.cli.texts import LANGUAGE, say
from sishu.client import Client
from sishu.common.v1.message_pb2 import Role
from sishu.errors import ApiError
from sishu.generation.v1 import prompt_service_pb2 as pb
from sishu.generation.v1.generation_pb2 import GenerationOptions
from sishu.generation.v1.prompt_pb2 import Prompt, PromptDraft, PromptVariable

app = typer.Typer(no_args_is_help=True, help=say("prompt"))

PromptArgument = Annotated[str, typer.Argument(metavar="PROMPT", help=say("prompt_argument"))]
VersionArgument = Annotated[str, typer.Argument(metavar="PROMPT", help=say("prompt_or_version"))]

COLUMNS = ("name", "language", "version", "own", "create_time")
VERSION_COLUMNS = ("version", "own", "current", "create_time")
MOST_VERSIONS = 1_000_000
CHINESE = {
    "advice": "希望如何改进，用户自己的话",
    "answer": "好的回答，或要评审的回答",
    "assistant_role": "由谁回答，可为空",
    "audience": "写给谁：受众的名称与说明；没有体裁受众组合时为空",
    "bad_answer": "差的回答",
    "beginning": "文档的开头部分",
    "choices": "选项，列表；没有时为空",
    "count": "需要的数量，数字",
    "description": "对答案的要求，可为空",
    "document": "文档的名称",
    "fact": "要考查的句子，单行",
    "facts": "要提问的句子，列表；回答中依次称为 fact_1、fact_2 等（对话中为 turn_1、turn_2 等）",
    "flaw": "回答错在哪里：wrong（错误）或 ungrounded（无依据）",
    "form": "所需的形式，如 paraphrase、outline、lesson",
    "forms": "每个知识点的问题数量，数字",
    "genre": "写法：体裁的名称与说明；没有体裁受众组合时为空",
    "history": "回答之前所说的话，最后是问题，列表",
    "instruction": "重新编写时用户希望有何不同；不是重新编写时为空",
    "is_true": "陈述是否应为真",
    "json_schema": "答案须符合的 JSON Schema",
    "key": "标准答案",
    "existing": "已有的内容；没有时为空",
    "labels": "可选的标签，每行一个",
    "length": "答案的长度： short、medium 或 long",
    "levels": "标签树的层数，数字",
    "linked_fact": "另一个文本块中要一并考查的句子，单行",
    "linked_passage": "模型看到的另一个文本块的部分，单行",
    "may_be_none": "没有合适的标签时是否可以回答 0，真或假",
    "most": "一个标签之下最多几个标签，数字",
    "outline": "待归类的条目，每行一个，带编号并按层级缩进，前有所属文档的名称",
    "pairs": "需要几个组合，数字",
    "passage": "模型看到的那部分文本块，单行",
    "path": "从主题到标签的各级标题，列表",
    "question": "要回答或评审的问题",
    "quote": "文本块中的依据，可为空",
    "reasoning": "是否要求写出思路，真或假",
    "scenario": "对话的情境，可为空",
    "several_labels": "是否可以选多个标签，真或假",
    "siblings": "与路径末尾并列的标签，列表",
    "source": "文本块的内容",
    "style": "用户想要的文风；没有要求时为空",
    "tags": "已有的标签，每行一个，按层级缩进；在 tag_places 中带编号",
    "task": "所问或所陈述的内容",
    "text": "要评审的文章",
    "turns": "双方依次说的话，列表",
    "user_role": "由谁提问，可为空",
}
"""What variables hold."""


@app.command("list", help=say("prompt_list"))
def list_prompts(project: ProjectOption) -> None:
    """Print the current version of every prompt."""

    async def work(client: Client) -> list[Prompt]:
        return await current(client, (await find_project(client, project)).id)

    show_many(with_client(work), COLUMNS)


@app.command("show", help=say("prompt_show"))
def show_prompt(prompt: VersionArgument, project: ProjectOption) -> None:
    """Print a template as it is; what it is filled with is said beside it, and does not get into a file."""

    async def work(client: Client) -> Prompt:
        return await found(client, (await find_project(client, project)).id, prompt)

    shown = with_client(work)
    if SETTINGS.json:
        print(as_json(shown))
        return
    for one in shown.variables:
        must = f" ({say('prompt_required')})" if one.required else ""
        line = f"{one.name}{must}: {described(one)}"
        ERRORS.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)
    sys.stdout.write(shown.template)


@app.command("versions", help=say("prompt_versions"))
def list_versions(prompt: PromptArgument, project: ProjectOption, limit: LimitOption = 100) -> None:
    """Print the versions of a prompt, newest first."""

    async def work(client: Client) -> list[Prompt]:
        project_id = (await find_project(client, project)).id
        return await versions(client, await found(client, project_id, prompt), limit)

    show_many(with_client(work), VERSION_COLUMNS)


@app.command("set", help=say("prompt_set"))
def set_prompt(
    prompt: PromptArgument,
    file: Annotated[str, typer.Argument(metavar="FILE", help=say("prompt_file"))],
    project: ProjectOption,
) -> None:
    """Give a prompt another text."""
    template = read_template(file)

    async def work(client: Client) -> Prompt:
        project_id = (await find_project(client, project)).id
        known = await found(client, project_id, prompt)
        wanted = Prompt(project_id=project_id, name=known.name, language=known.language, template=template)
        request = pb.CreatePromptVersionRequest(prompt=wanted)
        return (await client.prompts.CreatePromptVersion(request)).prompt

    show_many([with_client(work)], VERSION_COLUMNS)


@app.command("preview", help=say("prompt_preview"))
def preview_prompt(
    prompt: VersionArgument,
    project: ProjectOption,
    file: Annotated[str, typer.Option(help=say("prompt_draft"))] = "",
    chunk: Annotated[str, typer.Option(help=say("prompt_chunk"))] = "",
    question: Annotated[str, typer.Option(help=say("prompt_question"))] = "",
    forms: Annotated[int, typer.Option(min=0, max=20, help=say("learn_forms"))] = 0,
) -> None:
    """Print what a worker would send."""
    template = read_template(file) if file else ""

    async def work(client: Client) -> pb.PreviewPromptResponse:
        project_id = (await find_project(client, project)).id
        known = await found(client, project_id, prompt)
        request = pb.PreviewPromptRequest(
            project_id=project_id,
            chunk_id=chunk,
            question=question,
            options=GenerationOptions(forms_per_fact=forms),
        )
        if file:
            draft = PromptDraft(name=known.name, language=known.language, template=template)
            request.draft.CopyFrom(draft)
        else:
            request.version = known.version
        return await client.prompts.PreviewPrompt(request)

    shown = with_client(work)
    if SETTINGS.json:
        show_one(shown)
        return
    for message in shown.messages:
        role = Role.Name(message.role).removeprefix("ROLE_").lower()
        CONSOLE.print(f"[{role}]", style="bold", markup=False, highlight=False)
        # Word for word: the library would put pictures in the place of `:memo:`.
        sys.stdout.write(f"{message.content}\n")


@app.command("diff", help=say("prompt_diff"))
def diff_prompt(
    prompt: PromptArgument,
    project: ProjectOption,
    old: Annotated[str, typer.Option("--from", help=say("prompt_from"))] = "",
    new: Annotated[str, typer.Option("--to", help=say("prompt_to"))] = "",
) -> None:
    """Print how two versions differ, in the form of `diff -u`."""

    async def work(client: Client) -> tuple[Prompt, Prompt]:
        project_id = (await find_project(client, project)).id
        known = await found(client, project_id, prompt)
        before = await found(client, project_id, old) if old else await builtin_of(client, known)
        return before, await found(client, project_id, new) if new else known

    before, after = with_client(work)
    lines = unified_diff(
        before.template.splitlines(keepends=True),
        after.template.splitlines(keepends=True),
        before.version,
        after.version,
    )
    if SETTINGS.json:
        print(
            json.dumps(
                {"from": before.version, "to": after.version, "diff": "".join(lines)}, ensure_ascii=False
            )
        )
    else:
        sys.stdout.writelines(lines)


@app.command("restore", help=say("prompt_restore"))
def restore_prompt(
    version: Annotated[str, typer.Argument(metavar="VERSION", help=say("prompt_version"))],
    project: ProjectOption,
) -> None:
    """Make a version current again."""

    async def work(client: Client) -> Prompt:
        project_id = (await find_project(client, project)).id
        request = pb.RestorePromptRequest(project_id=project_id, version=version)
        return (await client.prompts.RestorePrompt(request)).prompt

    show_many([with_client(work)], VERSION_COLUMNS)


def described(variable: PromptVariable) -> str:
    """What a variable holds, in Chinese where there are words for it, else as the server says it."""
    return CHINESE.get(variable.name, variable.description) if LANGUAGE == "zh" else variable.description


async def current(client: Client, project_id: str) -> list[Prompt]:
    """The current version of every prompt."""
    request = pb.ListPromptsRequest(project_id=project_id)
    return await first(client.prompts.ListPrompts, request, "prompts", MOST_VERSIONS)


async def versions(client: Client, prompt: Prompt, limit: int = MOST_VERSIONS) -> list[Prompt]:
    """The versions of a prompt, newest first."""
    request = pb.ListPromptVersionsRequest(
        project_id=prompt.project_id, name=prompt.name, language=prompt.language
    )
    return await first(client.prompts.ListPromptVersions, request, "prompts", limit)


async def builtin_of(client: Client, prompt: Prompt) -> Prompt:
    """The version that is built in."""
    return (await versions(client, prompt))[-1] if prompt.own else prompt


async def found(client: Client, project_id: str, name: str) -> Prompt:
    """A version by its name, or the current one of a prompt such as `questions.en`.

    Raises:
        ApiError: there is none.
    """
    if "@" in name:
        request = pb.GetPromptRequest(project_id=project_id, version=name)
        return (await client.prompts.GetPrompt(request)).prompt
    prompts = {f"{one.name}.{one.language}": one for one in await current(client, project_id)}
    if name not in prompts:
        names = ", ".join(get_close_matches(name, [*prompts], n=4, cutoff=0.5) or prompts)
        raise ApiError(
            "NOT_FOUND",
            "PROMPT_NOT_FOUND",
            f"there is no prompt {name!r}; names have a language, such as questions.en; there are {names}; "
            "`sishu prompt list` shows all",
            metadata={"version": name, "names": names},
        )
    return prompts[name]


def read_template(file: str) -> str:
    """The text of a file; `-` is standard input.

    Raises:
        ApiError: it cannot be read, or is no UTF-8.
    """
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return data.decode()
    except OSError as error:
        raise ApiError(
            "NOT_FOUND", "PATH_NOT_FOUND", f"{file} cannot be read: {error}", metadata={"path": file}
        ) from error
    except UnicodeDecodeError as error:
        raise ApiError(
            "INVALID_ARGUMENT",
            "TEXT_NOT_UTF8",
            f"{file} is no UTF-8 text; save it as such",
            metadata={"path": file},
        ) from error
