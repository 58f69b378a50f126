"""Between the contract of providers and their domain."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from services.generation.generations.option_convert import sampling, sampling_to_pb
from services.generation.providers.presets import Preset, batch_factor_at
from services.generation.providers.providers import NO_LIMITS, STREAMING, Limits, Price, Provider
from services.generation.providers.trial import TrialReport
from services.runtime.convert import failure_to_pb, timestamp
from services.runtime.ids import new_id
from services.runtime.secrets import SecretBox
from sishu.generation.v1 import (
    provider_pb2,
    provider_service_pb2,
)

ENDPOINT = frozenset({"base_url", "deployment_id", "pool"})
CREDENTIAL = frozenset({"api_key", "api_key_variable", "api_key_file"})
OWN_FIELDS = ("name", "model", "sampling", "limits", "price", "streaming")
PROVIDER_FIELDS = (*sorted(ENDPOINT | CREDENTIAL), *OWN_FIELDS)
"""Fields of a provider that its owner may change."""


def provider_from_pb(message: provider_pb2.Provider, secrets: SecretBox) -> Provider:
    """A new provider."""
    now = datetime.now(UTC)
    values = provider_values(message, PROVIDER_FIELDS, secrets)
    return Provider(id=new_id(), project_id=message.project_id, **values, create_time=now, update_time=now)


def provider_values(
    message: provider_pb2.Provider, paths: Collection[str], secrets: SecretBox
) -> dict[str, Any]:
    """What a caller says about a provider, by the domain's names; the key where the paths name one."""
    values: dict[str, Any] = {
        "name": message.name,
        "base_url": message.base_url,
        "deployment_id": message.deployment_id or None,
        "pool_ids": list(message.pool.provider_ids),
        "model": message.model,
        "sampling": sampling(message.sampling),
        "limits": limits(message.limits),
        "price": price(message.price, message.base_url) if message.HasField("price") else None,
        "streaming": streaming(message.streaming),
    }
    if CREDENTIAL & set(paths):
        values["sealed_key"] = secrets.seal(message.api_key) if message.api_key else None
        values["key_variable"] = message.api_key_variable
        values["key_file"] = message.api_key_file
    return values


def limits(message: provider_pb2.ProviderLimits) -> Limits:
    """Hard limits."""
    return Limits(message.calls_per_minute, message.tokens_per_minute, message.calls_in_flight)


def price(message: provider_pb2.ProviderPrice, base_url: str) -> Price:
    """What tokens cost at an address."""
    factor = message.batch_factor if message.HasField("batch_factor") else batch_factor_at(base_url)
    return Price(message.prompt_per_million, message.completion_per_million, message.currency, factor)


def streaming(value: provider_pb2.ProviderStreaming.ValueType) -> str:
    """When answers are streamed; unspecified is automatic."""
    name = provider_pb2.ProviderStreaming.Name(value)[len("PROVIDER_STREAMING_") :].lower()
    return name if name in STREAMING else "auto"


def merged_provider(
    provider: Provider, wanted: provider_pb2.Provider, paths: frozenset[str]
) -> provider_pb2.Provider:
    """A provider with the named fields of another; its endpoint is one field, and its key another."""
    for group in (ENDPOINT, CREDENTIAL):
        paths = paths | group if paths & group else paths
    message, taken = provider_to_pb(provider), provider_pb2.Provider()
    taken.CopyFrom(wanted)
    for name in provider_pb2.Provider.DESCRIPTOR.fields_by_name:
        loser: Any = message if name in paths else taken
        loser.ClearField(name)
    message.MergeFrom(taken)
    return message


def provider_to_pb(provider: Provider) -> provider_pb2.Provider:
    """A provider, without its key."""
    message = provider_pb2.Provider(
        id=provider.id,
        project_id=provider.project_id,
        name=provider.name,
        model=provider.model,
        has_api_key=provider.has_key,
        sampling=sampling_to_pb(provider.sampling),
        streaming=provider_pb2.ProviderStreaming.Value(f"PROVIDER_STREAMING_{provider.streaming.upper()}"),
        create_time=timestamp(provider.create_time),
        update_time=timestamp(provider.update_time),
        **endpoint_to_pb(provider),
    )
    if provider.key_variable:
        message.api_key_variable = provider.key_variable
    if provider.key_file:
        message.api_key_file = provider.key_file
    if provider.limits != NO_LIMITS:
        message.limits.CopyFrom(provider_pb2.ProviderLimits(**asdict(provider.limits)))
    if provider.price:
        message.price.CopyFrom(provider_pb2.ProviderPrice(**asdict(provider.price)))
    return message


def endpoint_to_pb(provider: Provider) -> dict[str, Any]:
    """The field that says where a provider is."""
    if provider.pool_ids:
        return {"pool": provider_pb2.ProviderPool(provider_ids=provider.pool_ids)}
    return (
        {"deployment_id": provider.deployment_id}
        if provider.deployment_id
        else {"base_url": provider.base_url}
    )


def preset_to_pb(preset: Preset) -> provider_pb2.ProviderPreset:
    """A service or server that many use."""
    return provider_pb2.ProviderPreset(**asdict(preset))


def report_to_pb(report: TrialReport) -> provider_service_pb2.TestProviderResponse:
    """What trying a provider showed."""
    return provider_service_pb2.TestProviderResponse(
        ok=report.failure is None,
        failure=failure_to_pb(report.failure),
        latency_seconds=report.seconds,
        models=report.models,
        streams=report.first_seconds > 0,
        first_token_seconds=report.first_seconds,
        output_mode=report.output_mode,
        reasons=report.reasons,
        tokens_per_second=report.tokens_per_second,
        members=map(report_to_pb, report.members),
    )
