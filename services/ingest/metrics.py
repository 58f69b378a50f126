"""The ingest room's own metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from services.runtime.metrics import SECONDS


class IngestMetrics:
    """Documents parsed, and what it took."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.step_seconds = Histogram(
            "sishu_ingest_parse_step_seconds",
            "Seconds that a step of parsing took in its own process, by step",
            ["step"],
            buckets=SECONDS,
            registry=registry,
        )
        self.chunks = Counter(
            "sishu_ingest_chunks_total", "Chunks cut, those of earlier parses included", registry=registry
        )
        self.bytes = Counter(
            "sishu_ingest_parsed_bytes_total", "Bytes of the files that were parsed", registry=registry
        )
