"""`sishu provider add|presets|test`: language models that write."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from sishu.cli.context import SETTINGS, with_client
from sishu.cli.failures import failure_in_words
from sishu.cli.find import find_project, find_provider, is_id
from sishu.cli.options import NameArgument, ProjectOption
from sishu.cli.output import CONSOLE, show_fields, show_many, show_one
from sishu.cli.texts import say
from sishu.client import Client
from sishu.errors import ApiError
from sishu.generation.v1.provider_pb2 import (
    Provider,
    ProviderLimits,
    ProviderPool,
    ProviderPreset,
    ProviderPrice,
    ProviderStreaming,
)
from sishu.generation.v1.provider_service_pb2 import (
    CreateProviderRequest,
    GetProviderRequest,
    ListProviderPresetsRequest,
    TestProviderRequest,
    TestProviderResponse,
)

BatchFactorOption = Annotated[float | None, typer.Option(min=0, max=1, help=say("provider_batch_factor"))]

TEST_SECONDS = 150.0
"""A server may take half a minute for each of a few calls."""
MOST_MODELS = 8
"""Names of models shown; JSON has them all."""


def add_provider(
    name: NameArgument,
    project: ProjectOption,
    preset: Annotated[str, typer.Option(help=say("provider_preset"))] = "",
    base_url: Annotated[str, typer.Option("--base-url", "--llm-base-url", help=say("learn_url"))] = "",
    model: Annotated[str, typer.Option("--model", "--llm-model", help=say("learn_model"))] = "",
    deployment: Annotated[str, typer.Option(help=say("provider_deployment"))] = "",
    pool: Annotated[str, typer.Option(help=say("provider_pool"))] = "",
    api_key_env: Annotated[str, typer.Option(help=say("provider_key_env"))] = "",
    api_key_file: Annotated[str, typer.Option(help=say("provider_key_file"))] = "",
    llm_api_key_env: Annotated[str, typer.Option(help=say("provider_key_stored"))] = "",
    rpm: Annotated[int, typer.Option(help=say("provider_rpm"))] = 0,
    tpm: Annotated[int, typer.Option(help=say("provider_tpm"))] = 0,
    in_flight: Annotated[int, typer.Option(help=say("provider_in_flight"))] = 0,
    price_prompt: Annotated[float | None, typer.Option(help=say("provider_price_prompt"))] = None,
    price_completion: Annotated[float | None, typer.Option(help=say("provider_price_completion"))] = None,
    currency: Annotated[str, typer.Option(help=say("provider_currency"))] = "",
    batch_factor: BatchFactorOption = None,
    stream: Annotated[str, typer.Option(help=say("provider_stream"))] = "auto",
) -> None:
    """`sishu provider add`."""
    price = price_of(price_prompt, price_completion, currency, batch_factor)
    wanted = Provider(name=name, model=model, streaming=streaming(stream), price=price)
    if rpm or tpm or in_flight:
        limits = ProviderLimits(calls_per_minute=rpm, tokens_per_minute=tpm, calls_in_flight=in_flight)
        wanted.limits.CopyFrom(limits)
    give_key(wanted, api_key_env, api_key_file, llm_api_key_env)

    async def work(client: Client) -> Provider:
        wanted.project_id = (await find_project(client, project)).id
        if preset:
            take_preset(wanted, await find_preset(client, preset), own_address=bool(base_url))
        await give_endpoint(client, wanted, base_url, deployment, pool)
        return (await client.providers.CreateProvider(CreateProviderRequest(provider=wanted))).provider

    show_one(with_client(work))


def streaming(word: str) -> ProviderStreaming.ValueType:
    """The value of `--stream`.

    Raises:
        ApiError: it is none.
    """
    name = f"PROVIDER_STREAMING_{word.upper()}"
    if word not in {"auto", "always", "never"}:
        raise wrong(f"--stream is auto, always or never, not {word}")
    return ProviderStreaming.Value(name)


def price_of(
    prompt: float | None, completion: float | None, currency: str, batch_factor: float | None = None
) -> ProviderPrice | None:
    """What tokens cost, where that was said.

    Raises:
        ApiError: the currency is missing, or stands alone, or the factor does.
    """
    given = prompt is not None or completion is not None
    if given != bool(currency):
        raise wrong("a price has a currency: --price-prompt, --price-completion and --currency go together")
    if not given and batch_factor is not None:
        raise wrong(
            "--batch-factor is a part of a price; give --price-prompt, --price-completion and --currency"
        )
    if not given:
        return None
    return ProviderPrice(
        prompt_per_million=prompt or 0,
        completion_per_million=completion or 0,
        currency=currency,
        batch_factor=batch_factor,
    )


def give_key(wanted: Provider, variable: str, file: str, stored: str) -> None:
    """Fill in where the key is.

    Raises:
        ApiError: it is said in two ways, or the key to store is not there.
    """
    if sum(map(bool, (variable, file, stored))) > 1:
        raise wrong("give one of --api-key-env, --api-key-file and --llm-api-key-env")
    if variable:
        wanted.api_key_variable = variable
    elif file:
        wanted.api_key_file = file
    elif stored:
        wanted.api_key = read_key(stored)


def take_preset(wanted: Provider, preset: ProviderPreset, *, own_address: bool) -> None:
    """Fill in the address of a preset and, where the address is not another one, its key."""
    if preset.base_url and not own_address:
        wanted.base_url = preset.base_url
        if preset.api_key_variable and not wanted.WhichOneof("credential"):
            wanted.api_key_variable = preset.api_key_variable


async def give_endpoint(client: Client, wanted: Provider, base_url: str, deployment: str, pool: str) -> None:
    """Fill in where the model is.

    Raises:
        ApiError: it is said in two ways, in none, or a member of the pool is not there.
    """
    if sum(map(bool, (base_url or wanted.base_url, deployment, pool))) != 1:
        raise wrong("give one of --preset, --base-url, --deployment (with --preset sishu too) and --pool")
    if base_url:
        wanted.base_url = base_url
    elif deployment:
        wanted.deployment_id = deployment
    elif pool:
        names = [name.strip() for name in pool.split(",") if name.strip()]
        ids = [await find_provider(client, wanted.project_id, name) for name in names]
        wanted.pool.CopyFrom(ProviderPool(provider_ids=ids))


async def presets_of(client: Client) -> list[ProviderPreset]:
    """All presets; they are few."""
    return list((await client.providers.ListProviderPresets(ListProviderPresetsRequest())).presets)


async def find_preset(client: Client, name: str) -> ProviderPreset:
    """A preset by its name.

    Raises:
        ApiError: there is none.
    """
    presets = await presets_of(client)
    for preset in presets:
        if preset.name == name:
            return preset
    raise wrong(f"--preset is one of {', '.join(preset.name for preset in presets)}, not {name}")


def list_presets() -> None:
    """`sishu provider presets`."""
    show_many(with_client(presets_of), ("name", "title", "base_url", "api_key_variable", "batches"))


def test_provider(
    provider: Annotated[str, typer.Argument(metavar="PROVIDER", help=say("provider_tested"))],
    project: ProjectOption = "",
) -> None:
    """`sishu provider test`; exit with 1 when it does not work."""

    async def work(client: Client) -> bool:
        if not project and not is_id(provider):
            raise wrong(f"{provider} is no id; with --project a provider can be given by name")
        found = (await find_project(client, project)).id if project else ""
        provider_id = await find_provider(client, found, provider)
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


def read_key(variable: str) -> str:
    """The API key in an environment variable; empty when no variable is named.

    Raises:
        ApiError: the variable is not set.
    """
    if not variable:
        return ""
    key = os.environ.get(variable, "")
    if not key:
        raise ApiError(
            "INVALID_ARGUMENT",
            "KEY_MISSING",
            f"the environment variable {variable} is not set; put the API key there",
            metadata={"variable": variable},
        )
    return key


def wrong(message: str) -> ApiError:
    """The error for options that make no sense."""
    return ApiError("INVALID_ARGUMENT", "OPTION_INVALID", message)
