"""Between the contract of the machine that trains and its domain."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from services.runtime.convert import timestamp
from services.trainer.node.accelerators import Accelerator
from services.trainer.node.advice import Advice
from services.trainer.node.probing import Probe
from services.trainer.node.sampler import Sample
from sishu.trainer.v1 import trainer_node_pb2 as pb


def node_to_pb(host: str, sample: Sample) -> pb.TrainerNode:
    """A machine, as its accelerators' tool tells of it."""
    return pb.TrainerNode(
        host=host,
        accelerators=map(accelerator_to_pb, sample.accelerators),
        tool=sample.tool,
        sample_time=timestamp(datetime.fromtimestamp(sample.time, UTC)) if sample.time else None,
        age_seconds=sample.age_seconds,
        stale=sample.is_stale,
        failure_reason=sample.reason,
        failure_message=sample.message,
    )


def accelerator_to_pb(card: Accelerator) -> pb.Accelerator:
    """A card."""
    return pb.Accelerator(
        index=card.index,
        name=card.name,
        utilization=card.utilization,
        memory_used_bytes=card.memory_used_bytes,
        memory_total_bytes=card.memory_total_bytes,
        temperature_celsius=card.temperature_celsius,
        power_watts=card.power_watts,
        power_limit_watts=card.power_limit_watts,
    )


def probe_to_pb(probe: Probe, advice: Sequence[Advice]) -> pb.NodeProbe:
    """A probe with what it means."""
    versions = {**probe.found("libraries", "versions", {})}
    python = probe.found("libraries", "python")
    return pb.NodeProbe(
        host=probe.host,
        python=probe.python,
        driver_version=probe.driver,
        dtk_version=probe.found("libraries", "dtk", ""),
        torch_version=probe.found("torch", "torch", ""),
        hip_version=probe.found("torch", "hip", ""),
        cuda_version=probe.found("torch", "cuda", ""),
        library_versions={**({"python": python} if python else {}), **versions},
        devices=_devices(probe),
        checks=[
            pb.NodeCheck(name=one.name, outcome=_outcome(one.outcome), message=one.message)
            for one in probe.checks
        ],
        gather_speed=_gather_speed(probe),
        advice=[
            pb.NodeAdvice(reason=one.reason, message=one.message, metadata=one.metadata) for one in advice
        ],
        environment=probe.environment,
        busy=probe.is_busy,
        time=timestamp(datetime.fromtimestamp(probe.time, UTC)),
        seconds=probe.seconds,
        cpu_gemm_flops=0.0 if probe.found("torch", "devices") else sum(probe.found("gemm", "flops", [])),
        backends=[name for name in ("nccl", "gloo") if probe.found("torch", name)],
        gemm_dtype=probe.found("gemm", "dtype", ""),
    )


def advice_to_pb(advice: Advice) -> pb.NodeAdvice:
    """One thing to say."""
    return pb.NodeAdvice(reason=advice.reason, message=advice.message, metadata=advice.metadata)


def _outcome(outcome: str) -> pb.NodeCheckOutcome.ValueType:
    return pb.NodeCheckOutcome.Value(f"NODE_CHECK_OUTCOME_{outcome.upper()}")


def _devices(probe: Probe) -> list[pb.ProbedDevice]:
    rates = probe.found("gemm", "flops", [])
    return [
        pb.ProbedDevice(**device, gemm_flops=rates[place] if place < len(rates) else 0.0)
        for place, device in enumerate(probe.found("torch", "devices", []))
    ]


def _gather_speed(probe: Probe) -> pb.GatherSpeed | None:
    if not probe.passed("all_gather"):
        return None
    names = ("backend", "ranks", "bytes_per_second")
    return pb.GatherSpeed(**{name: probe.found("all_gather", name) for name in names})
