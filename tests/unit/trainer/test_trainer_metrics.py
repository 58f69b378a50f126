from __future__ import annotations

from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from services.trainer.metrics import TrainerMetrics
from services.trainer.training_runs import TrainingStep

STEP = TrainingStep(3, 0.5, 2.5, 1e-3, 0.7, 100, 40, 120, 0.5, 1 << 30, datetime(2024, 1, 1, tzinfo=UTC))


def test_a_step_moves_counters_and_gauges() -> None:
    registry = CollectorRegistry()
    metrics = TrainerMetrics(registry)
    metrics.observe(STEP)
    metrics.observe(STEP)
    assert registry.get_sample_value("sishu_trainer_tokens_total", {"kind": "real"}) == 200
    assert registry.get_sample_value("sishu_trainer_tokens_total", {"kind": "supervised"}) == 80
    assert registry.get_sample_value("sishu_trainer_tokens_total", {"kind": "padded"}) == 240
    assert registry.get_sample_value("sishu_trainer_step_seconds_count") == 2
    assert registry.get_sample_value("sishu_trainer_loss") == 2.5
    assert registry.get_sample_value("sishu_trainer_learning_rate") == 1e-3
    assert registry.get_sample_value("sishu_trainer_grad_norm") == 0.7
    assert registry.get_sample_value("sishu_trainer_tokens_per_second") == 200
    assert registry.get_sample_value("sishu_trainer_peak_memory_bytes") == 1 << 30
    assert registry.get_sample_value("sishu_trainer_last_step_timestamp_seconds") == STEP.time.timestamp()


def test_an_idle_trainer_shows_no_rate() -> None:
    registry = CollectorRegistry()
    metrics = TrainerMetrics(registry)
    metrics.observe(STEP)
    metrics.idle()
    assert registry.get_sample_value("sishu_trainer_tokens_per_second") == 0
    assert registry.get_sample_value("sishu_trainer_peak_memory_bytes") == 0
