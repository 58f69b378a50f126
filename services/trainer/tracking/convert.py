"""Between the contracts of what is told of runs and their domain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from services.trainer.tracking.verdict import LossVerdict
from sishu.trainer.v1 import training_tracking_pb2


def verdict_to_pb(verdict: LossVerdict | None) -> training_tracking_pb2.LossVerdict | None:
    """A verdict; nothing before the first step."""
    if verdict is None:
        return None
    kind = training_tracking_pb2.LossVerdictKind.Value(f"LOSS_VERDICT_KIND_{verdict.kind.upper()}")
    return training_tracking_pb2.LossVerdict(**{**asdict(verdict), "kind": kind})


def tracker_to_pb(report: Mapping[str, object]) -> training_tracking_pb2.TrackerReport:
    """What became of a tracker."""
    return training_tracking_pb2.TrackerReport(**report)  # type: ignore[arg-type]  # the names are the same
