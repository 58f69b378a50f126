"""The fastest setting that fits, and the nearest one where the wanted setting does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil

from services.trainer.estimating.memory import memory_of
from services.trainer.estimating.speed import Rates, speed_of
from services.trainer.estimating.trainings import LARGEST_MICRO_BATCH, fits_itself
from services.trainer.estimating.workloads import Workload

WARN_SHARE = 0.8
"""Of what is free: estimates under it are not known to run out (arXiv 2411.06465), so plans stay there."""
REFUSE_SHARE = 0.9
MICRO_BATCH_STEP = 1024
_FEWEST_LOGITS = 256
_SHORTEST_ROW = 256
_ALIKE = 1.005
"""Times that differ by less are the same."""
_FIELDS = {
    "micro_tokens": "batch_tokens",
    "recompute": "gradient_checkpointing",
    "logits_positions": "logits_positions",
    "stage": "deepspeed_stage",
    "offload": "cpu_offload",
    "quantization_bits": "quantization_bits",
    "row_tokens": "cutoff_length",
    "method": "method",
    "optimizer": "optimizer",
}
"""Attributes of a workload, and the fields of the config that they follow from."""
_SMALL_CHANGES = ("logits_positions", "recompute", "micro_tokens")
"""Those that a larger change may make needless."""


@dataclass(frozen=True)
class Change:
    """A field of the config with the value that it should have."""

    field: str
    value: int | str | bool


@dataclass(frozen=True)
class Advice:
    """A setting, as changes of the wanted one, and what the device then does."""

    work: Workload
    changes: tuple[Change, ...]


def fits(work: Workload, free_bytes: float, share: float = WARN_SHARE) -> bool:
    """Whether a device holds the work within a share of what is free."""
    return memory_of(work).total <= share * free_bytes


def as_engine_does(work: Workload, free_bytes: float, step_tokens: float) -> Workload:
    """The work in the micro-batches that the engine takes by itself, where it does.

    As many tokens as fit, and activations computed again only where not even the longest row fits.
    """
    if not fits_itself(work):
        return work
    own = max(work.row_tokens, ceil(step_tokens / work.devices))
    most = min(LARGEST_MICRO_BATCH, own)
    least = replace(work, micro_tokens=work.row_tokens)
    if not fits(least, free_bytes, REFUSE_SHARE):
        least = replace(least, recompute=True)
    larger = (
        replace(least, micro_tokens=tokens) for tokens in range(most, work.row_tokens, -MICRO_BATCH_STEP)
    )
    return next((each for each in larger if fits(each, free_bytes, REFUSE_SHARE)), least)


def fastest(work: Workload, rates: Rates, free_bytes: float, step_tokens: float) -> Advice | None:
    """The fastest of micro-batches, stages of ZeRO, recomputing or not, that fits.

    The wanted setting where it is as fast. What is learned stays the same: the rows of a step, the method,
    the weights. None where nothing fits.
    """

    def seconds(each: Workload) -> float:
        return speed_of(each, rates, step_tokens).step_seconds

    own = ceil(step_tokens / work.devices)
    fitting = [each for each in _plans(work, own) if fits(each, free_bytes)]
    if not fitting:
        return None
    enough = _ALIKE * min(map(seconds, fitting))
    if fits(work, free_bytes) and seconds(work) <= enough:
        return Advice(work, ())
    # Of equals the simplest, in the largest micro-batch: a step of more tokens then needs no other setting.
    alike = (each for each in fitting if seconds(each) <= enough)
    best = min(alike, key=lambda each: (each.stage, each.recompute, -each.micro_tokens))
    return Advice(best, tuple(_changes(work, best)))


def _plans(work: Workload, own: int) -> Iterator[Workload]:
    """Settings for steps of `own` tokens a device."""
    first = _whole_steps(work.row_tokens)
    most = max(first, min(LARGEST_MICRO_BATCH, _whole_steps(own)))
    stages = {work.stage, *((0, 2, 3) if _may_be_divided(work) else ())}
    for stage in sorted(stages):
        divided = _at_stage(work, stage)
        for tokens in range(first, most + 1, MICRO_BATCH_STEP):
            for recompute in (False, True):
                yield replace(divided, micro_tokens=tokens, recompute=recompute)


def _whole_steps(tokens: int) -> int:
    return ceil(tokens / MICRO_BATCH_STEP) * MICRO_BATCH_STEP


def nearest(work: Workload, free_bytes: float, share: float = REFUSE_SHARE) -> Advice | None:
    """The first that fits of ever larger changes, less those of them that it can do without.

    First what changes nothing that is learned, then what learns, number formats, and rows. None where even
    the last does not fit.
    """
    found = next((each for each in _steps_down(work) if fits(each, free_bytes, share)), None)
    if found is None:
        return None
    for name in _SMALL_CHANGES:
        # A row that was cut short is not to be longer than its micro-batch.
        if name == "micro_tokens" and found.row_tokens != work.row_tokens:
            continue
        without = replace(found, **{name: getattr(work, name)})
        found = without if fits(without, free_bytes, share) else found
    return Advice(found, tuple(_changes(work, found)))


def _steps_down(work: Workload) -> Iterator[Workload]:
    for tokens in _halved(work.micro_tokens, work.row_tokens):
        work = replace(work, micro_tokens=tokens)
        yield work
    work = replace(work, recompute=True)
    yield work
    for positions in _halved(min(work.logits_positions, work.logit_rows), _FEWEST_LOGITS):
        work = replace(work, logits_positions=positions)
        yield work
    for divided in _divided(work):
        yield divided
        work = divided
    yield from _fewer_bytes(work)


def _fewer_bytes(work: Workload) -> Iterator[Workload]:
    """Adapters in place of all weights, divided, on weights in few bits, of shorter rows."""
    if work.method != "lora":
        work = replace(work, method="lora", optimizer="adamw")
        yield work
        for divided in _divided(work):
            yield divided
            work = divided
    if not work.stage and not work.quantization_bits:
        work = replace(work, quantization_bits=4)
        yield work
    for tokens in _halved(work.row_tokens, _SHORTEST_ROW):
        work = replace(work, row_tokens=tokens, micro_tokens=tokens)
        yield work


def _divided(work: Workload) -> Iterator[Workload]:
    """ZeRO's stages above the work's, then with the machine's memory; as the engine can have them."""
    if not _may_be_divided(work):
        return
    for stage in range(max(2, work.stage + 1), 4):
        yield _at_stage(work, stage)
    yield replace(_at_stage(work, 3), offload=True)


def _may_be_divided(work: Workload) -> bool:
    plain = work.method == "lora" and work.optimizer == "adamw" and not work.quantization_bits
    return work.devices > 1 and plain and work.precision != "fp16"


def _at_stage(work: Workload, stage: int) -> Workload:
    """The work with another stage of ZeRO, adapters computing as they do there."""
    return replace(work, stage=stage, lean=stage < 3 and (work.lean or work.stage == 3))


def _halved(value: int, least: int) -> Iterator[int]:
    while value > least:
        value = max(least, value // 2)
        yield value


def _changes(before: Workload, after: Workload) -> Iterator[Change]:
    """What to write into the config; one field for each attribute that differs."""
    for attribute, field in _FIELDS.items():
        value = getattr(after, attribute)
        # Where the engine fits micro-batches by itself, it does so whatever the config says.
        is_said = attribute != "micro_tokens" or not fits_itself(after)
        if is_said and value != getattr(before, attribute):
            yield Change(field, value)
