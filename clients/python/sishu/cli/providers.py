"""`sishu provider add|update|presets|test`: language models that write."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from google.protobuf.field_mask_pb2 import FieldMask

from sishu.cli.context import with_client
from sishu.cli.failures import failure_in_words
from sishu.cli.find import find_provider
from sishu.cli.find_projects import find_project, is_id
from sishu.cli.options import NameArgument, ProjectOption, takes
from sishu.cli.output import CONSOLE, ERRORS, show_fields, show_many, show_one
from sishu.cli.provider_options import ProviderOptions, presets_of, wrong
from sishu.cli.settings import SETTINGS
from sishu.cli.texts import say
from sishu.client import Client
from sishu.generation.v1.provider_pb2 import Provider
from sishu.generation.v1.provider_service_pb2 import (
    CreateProviderRequest,
    GetProviderRequest,
    TestProviderRequest,
    TestProviderResponse,
    UpdateProviderRequest,
)

ProviderArgument = Annotated[str, typer.Argument(metavar="PROVIDER", help=say("provider_tested"))]
ProviderProjectOption = Annotated[str, typer.Option("--project", "-p", help=say("option_project"))]

TEST_SECONDS = 150.0
"""A server may take half a minute for each of a few calls."""
MOST_MODELS = 8
"""Names of models shown; JSON has them all."""


@takes(ProviderOptions)
def add_provider(name: NameArgument, project: ProjectOption, *, options: ProviderOptions) -> None:
    """`sishu provider add`."""

    async def work(client: Client) -> Provider:
        wanted = Provider(name=name, project_id=(await find_project(client, project)).id)
        await options.apply(client, wanted)
        return (await client.providers.CreateProvider(CreateProviderRequest(provider=wanted))).provider

    show_added(with_client(work))


@takes(ProviderOptions)
def update_provider(
    provider: ProviderArgument,
    project: ProviderProjectOption = "",
    name: Annotated[str | None, typer.Option(help=say("provider_name"))] = None,
    no_price: Annotated[bool, typer.Option("--no-price", help=say("provider_no_price"))] = False,
    no_sampling: Annotated[bool, typer.Option("--no-sampling", help=say("provider_no_sampling"))] = False,
    *,
    options: ProviderOptions,
) -> None:
    """`sishu provider update`: change what is said, and nothing else."""
    dropped = [one for one, drop in (("price", no_price), ("sampling", no_sampling)) if drop]

    async def work(client: Client) -> Provider:
        provider_id = await named_provider(client, provider, project)
        wanted = (await client.providers.GetProvider(GetProviderRequest(id=provider_id))).provider
        for one in dropped:
            wanted.ClearField(one)  # type: ignore[arg-type]  # one of them
        paths = {*dropped, *await options.apply(client, wanted)}
        if name is not None:
            wanted.name = name
            paths.add("name")
        if not paths:
            raise wrong(say("wrong_nothing"))
        request = UpdateProviderRequest(provider=wanted, update_mask=FieldMask(paths=sorted(paths)))
        return (await client.providers.UpdateProvider(request)).provider

    show_added(with_client(work))


def show_added(provider: Provider) -> None:
    """Print a provider, with a hint where its address looks like half of one."""
    show_one(provider)
    if provider.base_url and urlsplit(provider.base_url).path in {"", "/"}:
        hint = say("hint_v1").format(provider.base_url.rstrip("/"))
        ERRORS.print(hint, markup=False, highlight=False, soft_wrap=True)


async def named_provider(client: Client, provider: str, project: str) -> str:
    """The id of a provider, given by id, or by name beside its project.

    Raises:
        ApiError: there is none, or a name stands alone.
    """
    if not project and not is_id(provider):
        raise wrong(say("wrong_provider").format(provider))
    return await find_provider(client, (await find_project(client, project)).id if project else "", provider)


def list_presets() -> None:
    """`sishu provider presets`."""
    show_many(with_client(presets_of), ("name", "title", "base_url", "api_key_variable", "batches"))


def test_provider(
    provider: ProviderArgument,
    project: ProviderProjectOption = "",
) -> None:
    """`sishu provider test`; exit with 1 when it does not work."""

    async def work(client: Client) -> bool:
        provider_id = await named_provider(client, provider, project)
        request = TestProviderRequest(id=provider_id)
        answer = await client.providers.TestProvider(request, timeout=TEST_SECONDS)
        if SETTINGS.json:
            show_one(answer)
        elif answer.members:
            await show_members(client, provider_id, answer)
        else:
            show_fields(tested(answer))
        return answer.ok

    if not with_client(work):
        raise typer.Exit(1)


async def show_members(client: Client, pool_id: str, answer: TestProviderResponse) -> None:
    """Print the tests of a pool's members, each under its name."""
    pool = (await client.providers.GetProvider(GetProviderRequest(id=pool_id))).provider.pool
    for member_id, test in zip(pool.provider_ids, answer.members, strict=False):
        member = (await client.providers.GetProvider(GetProviderRequest(id=member_id))).provider
        CONSOLE.print(member.name, style="bold", markup=False, highlight=False)
        show_fields(tested(test))


def tested(answer: TestProviderResponse) -> list[tuple[str, str]]:
    """What a test found, in words: a label and a value each."""
    models = ", ".join(answer.models[:MOST_MODELS]) + (" …" if len(answer.models) > MOST_MODELS else "")
    rows = [
        ("tested_ok", yes_or_no(answer.ok)),
        ("tested_models", f"{len(answer.models)}: {models}" if answer.models else say("tested_unlisted")),
    ]
    if not answer.ok:
        failure = answer.failure
        return said([*rows, ("failed", f"{failure_in_words(failure)} [{failure.reason}]")])
    first = say("tested_first").format(answer.first_token_seconds)
    speed = answer.tokens_per_second
    return said(
        [
            *rows,
            ("tested_latency", f"{answer.latency_seconds:.2f} s"),
            ("tested_streams", yes_or_no(answer.streams) + (first if answer.streams else "")),
            ("tested_json", say(f"tested_{answer.output_mode or 'unknown'}")),
            ("tested_reasons", yes_or_no(answer.reasons)),
            ("tested_speed", f"{speed:.0f} {say('tested_tokens')}" if speed else say("tested_uncounted")),
        ]
    )


def said(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Rows with their labels in the chosen language."""
    return [(say(label), value) for label, value in rows]


def yes_or_no(answer: Any) -> str:
    """`yes` or `no` in the chosen language."""
    return say("yes" if answer else "no")
