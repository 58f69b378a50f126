"""The generation room's own metrics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.runtime.metrics import SECONDS, Outcome


class GenerationMetrics:
    """Calls to language models."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.calls = Counter(
            "sishu_generation_llm_calls_total",
            "Calls to language models ended, by outcome",
            ["outcome"],
            registry=registry,
        )
        self.call_seconds = Histogram(
            "sishu_generation_llm_call_seconds",
            "Seconds from request to whole answer of a language model",
            buckets=SECONDS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "sishu_generation_llm_in_flight_calls", "Calls to language models in progress", registry=registry
        )
        self.tokens = Counter(
            "sishu_generation_llm_tokens_total",
            "Tokens of language model calls, by direction",
            ["direction"],
            registry=registry,
        )
        self.prompt_tokens = self.tokens.labels("prompt")
        self.completion_tokens = self.tokens.labels("completion")
        self.invalid_outputs = Counter(
            "sishu_generation_llm_invalid_outputs_total",
            "Answers of language models that did not validate and were asked for again",
            registry=registry,
        )
        self.salvaged_outputs = Counter(
            "sishu_generation_llm_salvaged_outputs_total",
            "Answers of language models that were no plain JSON and validated nonetheless",
            registry=registry,
        )
        self.batches = Counter(
            "sishu_generation_llm_batches_total", "Batches of calls handed in", registry=registry
        )
        self.batch_answers = Counter(
            "sishu_generation_llm_batch_answers_total",
            "Answers of language models that came by batches",
            registry=registry,
        )
        self.limits = Gauge(
            "sishu_generation_llm_limit_calls",
            "Calls that this process may have in flight to a model, found by all workers together",
            ["base_url", "model"],
            registry=registry,
        )

    def show_limit(self, base_url: str, model: str, calls: int | None) -> None:
        """Show the limit of calls to a model; nothing to show it no more."""
        if calls is None:
            with suppress(KeyError):
                self.limits.remove(base_url, model)
        else:
            self.limits.labels(base_url, model).set(calls)

    @contextmanager
    def call(self) -> Iterator[Outcome]:
        """Count and time one call."""
        outcome = Outcome()
        started = time.monotonic()
        with self.in_flight.track_inprogress():
            try:
                yield outcome
            except asyncio.CancelledError:
                outcome.set("cancelled")
                raise
            finally:
                self.calls.labels(outcome.value).inc()
                self.call_seconds.observe(time.monotonic() - started)
