"""Between the contract of generations and their domain."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from services.generation.forecasts.forecasts import Forecast
from services.generation.generations.generations import GenerationView, NewGeneration
from services.generation.generations.option_convert import options, options_to_pb
from services.runtime.convert import job_to_pb, timestamp
from sishu.common.v1 import message_pb2
from sishu.generation.v1 import (
    generation_pb2,
)

GENERATION_FIELDS = ("options.max_cost", "options.max_tokens")
"""Fields of a generation that may change."""


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
