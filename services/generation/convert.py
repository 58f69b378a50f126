"""Between the contracts of the generation room and its domain."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from google.protobuf.struct_pb2 import Struct

from services.generation.forecasts import Forecast
from services.generation.generations import GenerationView, NewGeneration
from services.generation.option_convert import options, options_to_pb, sampling, sampling_to_pb
from services.generation.presets import Preset, batch_factor_at
from services.generation.providers import NO_LIMITS, STREAMING, Limits, Price, Provider
from services.generation.questions import CallRecord
from services.generation.quotes import Quote
from services.generation.trial import TrialReport
from services.runtime.convert import failure_to_pb, job_to_pb, timestamp
from services.runtime.ids import new_id
from services.runtime.secrets import SecretBox
from sishu.common.v1 import message_pb2, origin_pb2, text_span_pb2
from sishu.generation.v1 import (
    generation_pb2,
    provider_pb2,
    provider_service_pb2,
)

ENDPOINT = frozenset({"base_url", "deployment_id", "pool"})
CREDENTIAL = frozenset({"api_key", "api_key_variable", "api_key_file"})
OWN_FIELDS = ("name", "model", "sampling", "limits", "price", "streaming")
PROVIDER_FIELDS = (*sorted(ENDPOINT | CREDENTIAL), *OWN_FIELDS)
"""Fields of a provider that its owner may change."""

GENERATION_FIELDS = ("options.max_cost", "options.max_tokens")
"""Fields of a generation that may change."""


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


def generation_from_pb(message: generation_pb2.Generation) -> NewGeneration:
    """A generation to start."""
    return NewGeneration(message.project_id, message.provider_id, options(message.options))


def generation_to_pb(view: GenerationView, forecast: Forecast | None = None) -> generation_pb2.Generation:
    """A generation with its job, what it made and what it will take."""
    stats = view.stats
    return generation_pb2.Generation(
        id=view.generation.id,
        project_id=view.generation.project_id,
        provider_id=view.generation.provider_id,
        options=options_to_pb(view.generation.options),
        job=job_to_pb(view.job),
        stats=generation_pb2.GenerationStats(
            questions=stats.questions,
            answered=stats.answered,
            rejected=stats.rejected,
            rejected_by_reason=dict(stats.rejected_by_reason),
            usage=message_pb2.TokenUsage(
                prompt_tokens=stats.prompt_tokens,
                completion_tokens=stats.completion_tokens,
                calls=stats.calls,
            ),
            cost=stats.cost,
            currency=stats.currency,
            cached=stats.cached,
            calls_per_second=stats.calls_per_second,
            kept_candidates=stats.kept_candidates,
            rejected_candidates=stats.rejected_candidates,
            missing=stats.missing,
            missing_by_reason=dict(stats.missing_by_reason),
            sections=stats.sections,
            lacking_sections=stats.lacking_sections,
        ),
        forecast=forecast_to_pb(forecast) if forecast else None,
        prompt_versions=dict(view.generation.prompt_versions),
        create_time=timestamp(view.generation.create_time),
    )


def forecast_to_pb(forecast: Forecast) -> generation_pb2.GenerationForecast:
    """A forecast."""
    estimates = {
        name: generation_pb2.Estimate(**asdict(value))
        for name in ("calls", "prompt_tokens", "completion_tokens", "cost", "seconds")
        if (value := getattr(forecast, name))
    }
    return generation_pb2.GenerationForecast(
        chunks=forecast.chunks,
        chunks_seen=forecast.chunks_seen,
        promised_seconds=forecast.promised_seconds,
        **estimates,
    )


def merged_generation(
    view: GenerationView, wanted: generation_pb2.Generation, paths: frozenset[str]
) -> generation_pb2.Generation:
    """A generation with the named options of another."""
    message = generation_to_pb(view)
    for path in paths:
        name = path.removeprefix("options.")
        setattr(message.options, name, getattr(wanted.options, name))
    return message


def changed_options(message: generation_pb2.Generation, paths: frozenset[str]) -> dict[str, Any]:
    """The named options of a generation, by their names here."""
    names = [path.removeprefix("options.") for path in paths]
    return {name: getattr(message.options, name) for name in names}


def quote_to_pb(quote: Quote) -> text_span_pb2.Quote:
    """A quote."""
    return text_span_pb2.Quote(
        text=quote.text,
        chunk_id=quote.chunk_id,
        document_id=quote.document_id,
        document_version=quote.document_version,
        span=text_span_pb2.TextSpan(start=quote.start, end=quote.end),
    )


def origin_to_pb(call: CallRecord) -> origin_pb2.Origin:
    """How a text was made."""
    parameters = Struct()
    parameters.update(dict(call.parameters))
    return origin_pb2.Origin(
        prompt_version=call.prompt_version,
        provider_id=call.provider_id,
        model=call.model,
        parameters=parameters,
        usage=message_pb2.TokenUsage(
            prompt_tokens=call.prompt_tokens, completion_tokens=call.completion_tokens, calls=call.calls
        ),
    )
