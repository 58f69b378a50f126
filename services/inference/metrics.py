"""Metrics of the inference room beside those that every room has."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.runtime.metrics import SECONDS

DEPLOYMENT_STATES = ("loading", "ready", "failed", "idle")


class InferenceMetrics:
    """What the room counts about engines, answers and exams.

    Args:
        registry: where the metrics are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.deployments = Gauge(
            "sishu_inference_deployments", "Deployments, by state", ["state"], registry=registry
        )
        self.loads = Counter(
            "sishu_inference_loads_total",
            "Tries to load a model, by outcome: ready, failed",
            ["outcome"],
            registry=registry,
        )
        self.chat_requests = Counter(
            "sishu_inference_chat_requests_total",
            "Requests sent to engines, by outcome: done, failed, cancelled",
            ["outcome"],
            registry=registry,
        )
        self.chat_tokens = Counter(
            "sishu_inference_chat_tokens_total",
            "Tokens read and written by engines, by kind: prompt, completion",
            ["kind"],
            registry=registry,
        )
        self.first_token_seconds = Histogram(
            "sishu_inference_first_token_seconds",
            "Seconds from a request to the first piece of its answer",
            buckets=SECONDS,
            registry=registry,
        )
        self.exam_items = Counter(
            "sishu_inference_exam_items_total", "Exam questions answered and scored", registry=registry
        )

    def set_deployments(self, states: Iterable[str]) -> None:
        """Note the states of all deployments."""
        found = list(states)
        for state in DEPLOYMENT_STATES:
            self.deployments.labels(state).set(found.count(state))
