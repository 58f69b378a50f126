"""What one engine counts, for its own `/metrics`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Done(Protocol):
    """What is counted of a completion that ended."""

    prompt: list[int]
    reused: int

    @property
    def generated(self) -> int: ...  # noqa: D102


class EngineMetrics:
    """The metrics of an engine."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.completions = Counter(
            "sishu_inference_engine_completions_total",
            "Completions that ended, by outcome: done, failed, cancelled",
            ["outcome"],
            registry=registry,
        )
        self.refused = Counter(
            "sishu_inference_engine_refused_total", "Completions refused with 429", registry=registry
        )
        self.tokens = Counter(
            "sishu_inference_engine_tokens_total",
            "Tokens of completions that are done, by kind: prompt, cached, completion",
            ["kind"],
            registry=registry,
        )
        self.first_token_seconds = Histogram(
            "sishu_inference_engine_first_token_seconds",
            "Seconds from a request to its first token, waiting included",
            buckets=_SECONDS,
            registry=registry,
        )
        self.step_seconds = Histogram(
            "sishu_inference_engine_step_seconds",
            "Seconds of one forward pass over all active completions",
            buckets=_SECONDS,
            registry=registry,
        )
        self._active = Gauge(
            "sishu_inference_engine_active", "Completions that own a slot", registry=registry
        )
        self._waiting = Gauge(
            "sishu_inference_engine_waiting", "Completions that wait for a slot", registry=registry
        )
        self._adapters = Gauge("sishu_inference_engine_adapters", "Adapters loaded", registry=registry)

    def watch(
        self, active: Callable[[], float], waiting: Callable[[], float], adapters: Callable[[], float]
    ) -> None:
        """Read gauges from these when scraped."""
        self._active.set_function(active)
        self._waiting.set_function(waiting)
        self._adapters.set_function(adapters)

    def count_done(self, completion: Done) -> None:
        """Count a completion that is done, with its tokens."""
        self.completions.labels("done").inc()
        self.tokens.labels("prompt").inc(len(completion.prompt))
        self.tokens.labels("cached").inc(completion.reused)
        self.tokens.labels("completion").inc(completion.generated)
