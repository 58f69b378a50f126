"""What can be said of a language model, and how it becomes the fields of a provider."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from sishu.cli.find import find_provider
from sishu.cli.sampling_options import SamplingOptions
from sishu.cli.texts import say
from sishu.client import Client
from sishu.errors import ApiError
from sishu.generation.v1.provider_pb2 import (
    Provider,
    ProviderPool,
    ProviderPreset,
    ProviderPrice,
    ProviderStreaming,
)
from sishu.generation.v1.provider_service_pb2 import ListProviderPresetsRequest

MOST_INT32 = 2**31 - 1
MOST_INT64 = 2**63 - 1

PriceOption = Annotated[float | None, typer.Option(min=0, help=say("provider_price_prompt"))]
AnswerPriceOption = Annotated[float | None, typer.Option(min=0, help=say("provider_price_completion"))]
BatchFactorOption = Annotated[float | None, typer.Option(min=0, max=1, help=say("provider_batch_factor"))]

KEY_VARIABLE = re.compile(r"([A-Z][A-Z0-9_]*_API_KEY)?")
KEY_FILE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,99})?")
CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True)
class ProviderOptions(SamplingOptions):
    """Everything but its name; what is not said stays as it is."""

    preset: Annotated[str | None, typer.Option(help=say("provider_preset"))] = None
    base_url: Annotated[str | None, typer.Option("--base-url", "--llm-base-url", help=say("learn_url"))] = (
        None
    )
    model: Annotated[str | None, typer.Option("--model", "--llm-model", help=say("learn_model"))] = None
    deployment: Annotated[str | None, typer.Option(help=say("provider_deployment"))] = None
    pool: Annotated[str | None, typer.Option(help=say("provider_pool"))] = None
    api_key_env: Annotated[str | None, typer.Option(help=say("provider_key_env"))] = None
    api_key_file: Annotated[str | None, typer.Option(help=say("provider_key_file"))] = None
    llm_api_key_env: Annotated[str | None, typer.Option(help=say("provider_key_stored"))] = None
    rpm: Annotated[int | None, typer.Option(min=0, max=MOST_INT32, help=say("provider_rpm"))] = None
    tpm: Annotated[int | None, typer.Option(min=0, max=MOST_INT64, help=say("provider_tpm"))] = None
    in_flight: Annotated[int | None, typer.Option(min=0, max=MOST_INT32, help=say("provider_in_flight"))] = (
        None
    )
    price_prompt: PriceOption = None
    price_completion: AnswerPriceOption = None
    currency: Annotated[str | None, typer.Option(help=say("provider_currency"))] = None
    batch_factor: BatchFactorOption = None
    stream: Annotated[str | None, typer.Option(help=say("provider_stream"))] = None

    async def apply(self, client: Client, provider: Provider) -> set[str]:
        """Put what was said into a provider; the names of the fields that it changes.

        Raises:
            ApiError: it makes no sense.
        """
        return {
            *self._give_key(provider),
            *await self._give_endpoint(client, provider),
            *self._give_limits(provider),
            *self._give_price(provider),
            *self._give_rest(provider),
        }

    def _give_key(self, provider: Provider) -> set[str]:
        given = said(
            api_key_variable=self.api_key_env, api_key_file=self.api_key_file, api_key=self.llm_api_key_env
        )
        if len(given) > 1:
            raise wrong(say("wrong_keys"))
        for name, value in given.items():
            if name == "api_key_variable" and not KEY_VARIABLE.fullmatch(value):
                raise wrong(say("wrong_key_variable").format(value))
            if name == "api_key_file" and not KEY_FILE.fullmatch(value):
                raise wrong(say("wrong_key_file").format(value))
            setattr(provider, name, read_key(value) if name == "api_key" else value)
        return set(given)

    async def _give_endpoint(self, client: Client, provider: Provider) -> set[str]:
        preset = await find_preset(client, self.preset) if self.preset else ProviderPreset()
        given = said(
            base_url=self.base_url or preset.base_url or None, deployment_id=self.deployment, pool=self.pool
        )
        if len(given) > 1 or (not given and not provider.WhichOneof("endpoint")):
            raise wrong(say("wrong_endpoints"))
        for name, value in given.items():
            if name == "pool":
                provider.pool.CopyFrom(await pool_of(client, provider.project_id, value))
            else:
                setattr(provider, name, value)
        if given and provider.base_url and not (self.model or provider.model):
            raise wrong(say("wrong_model"))
        return {*given, *self._take_key_of(preset, provider)}

    def _take_key_of(self, preset: ProviderPreset, provider: Provider) -> set[str]:
        """The usual variable of a preset, where the address is its own and no key was given."""
        keys = said(variable=self.api_key_env, file=self.api_key_file, stored=self.llm_api_key_env)
        if keys or self.base_url or not preset.api_key_variable:
            return set()
        provider.api_key_variable = preset.api_key_variable
        return {"api_key_variable"}

    def _give_limits(self, provider: Provider) -> set[str]:
        given = said(calls_per_minute=self.rpm, tokens_per_minute=self.tpm, calls_in_flight=self.in_flight)
        for name, value in given.items():
            setattr(provider.limits, name, value)
        return {"limits"} if given else set()

    def _give_price(self, provider: Provider) -> set[str]:
        given = said(
            prompt_per_million=self.price_prompt,
            completion_per_million=self.price_completion,
            currency=self.currency,
            batch_factor=self.batch_factor,
        )
        if not given:
            return set()
        if not provider.HasField("price"):
            price = price_of(self.price_prompt, self.price_completion, self.currency or "", self.batch_factor)
            provider.price.CopyFrom(price or ProviderPrice())
            return {"price"}
        check_currency(self.currency)
        for name, value in given.items():
            setattr(provider.price, name, value)
        return {"price"}

    def _give_rest(self, provider: Provider) -> set[str]:
        paths = {"sampling"} if self.fill(provider.sampling) else set()
        if self.model is not None:
            provider.model = self.model
            paths.add("model")
        if self.stream is not None:
            provider.streaming = streaming(self.stream)
            paths.add("streaming")
        return paths


def said(**options: Any) -> Mapping[str, Any]:
    """Those options that were given; an empty text is one."""
    return {name: value for name, value in options.items() if value is not None}


def streaming(word: str) -> ProviderStreaming.ValueType:
    """The value of `--stream`.

    Raises:
        ApiError: it is none.
    """
    name = f"PROVIDER_STREAMING_{word.upper()}"
    if word not in {"auto", "always", "never"}:
        raise wrong(say("wrong_stream").format(word))
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
        raise wrong(say("wrong_price"))
    if not given and batch_factor is not None:
        raise wrong(say("wrong_batch_factor"))
    if not given:
        return None
    check_currency(currency)
    return ProviderPrice(
        prompt_per_million=prompt or 0,
        completion_per_million=completion or 0,
        currency=currency,
        batch_factor=batch_factor,
    )


def check_currency(currency: str | None) -> None:
    """Refuse what is no code of a currency.

    Raises:
        ApiError: it is none.
    """
    if currency is not None and not CURRENCY.fullmatch(currency):
        raise wrong(say("wrong_currency").format(currency))


async def pool_of(client: Client, project_id: str, members: str) -> ProviderPool:
    """A pool of providers, named by names or ids with commas between them."""
    names = [name.strip() for name in members.split(",") if name.strip()]
    return ProviderPool(provider_ids=[await find_provider(client, project_id, name) for name in names])


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
    raise wrong(say("wrong_preset").format(", ".join(preset.name for preset in presets), name))


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
