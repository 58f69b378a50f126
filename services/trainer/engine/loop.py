"""A training run from top to bottom: prepare, resume, step, export."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import Any

import torch

from services.trainer.engine import environment, measuring, memory, model
from services.trainer.engine.batching import BatchPlan, MicroBatch, Step
from services.trainer.engine.errors import BadStepError, NonFiniteLossError, Stopped
from services.trainer.engine.events import EventLog
from services.trainer.engine.loss_scale import ScaleSpentError
from services.trainer.engine.mishaps import Mishaps
from services.trainer.engine.objectives import PAIRED, WITH_REFERENCE, Objective, objective_of
from services.trainer.engine.packing import parted, split_evenly
from services.trainer.engine.parallel import group, place, starting
from services.trainer.engine.parallel.strategy import Strategy
from services.trainer.engine.products import products_of
from services.trainer.engine.reading import Rows, read_rows
from services.trainer.engine.recovery import check_step, check_validation, lines_of, recover, save_sound
from services.trainer.engine.rendering import template_text
from services.trainer.engine.saving import publish, resume, save
from services.trainer.engine.schedules import Schedule
from services.trainer.engine.spec import TrainSpec
from services.trainer.engine.state import Run, Totals
from services.trainer.engine.stopping import StopSignal
from services.trainer.engine.tokenizing import load_tokenizer
from services.trainer.engine.validation import Validation

_MAY_CHANGE = (
    "base_model",  # paths may move between machines: the hashes must stay
    "train_file",
    "validation_file",
    "output_dir",
    "base_model_name",
    "precision",  # the optimizer's copies are fp32 in any case
    "checkpoint_steps",
    "keep_checkpoints",
    "threads",
    "tokenizer_processes",
    "device",
    "attention",  # like those after it a question of speed
    "packing",  # like these two a question of speed: the rows of a step are the same
    "logits_positions",
    "gradient_checkpointing",
    "micro_tokens",
    "devices",  # and these four: a checkpoint's layout says what can be continued
    "deepspeed_stage",
    "cpu_offload",
    "deepspeed_config",
    "bad_step",  # what failed under one of them may be tried again under another
    "rollback_limit",
    "rollback_rate",
)
_SHOWN_LINES = 20


def train(spec: TrainSpec, events: EventLog, stop: StopSignal) -> None:
    """Do the run, or what is left of it. Raises EngineError, or Stopped once a checkpoint holds all work."""
    device, _ = model.choose_device(spec)
    with group.joined(device):
        _train(prepare(spec, events), stop)


def _train(run: Run, stop: StopSignal) -> None:
    resume(run)
    stop.wait_for_step()
    if run.goes_back:
        save(run)
    run.events.enter_phase("training")
    while run.totals.step < run.steps_total and not run.ends_early:
        try:
            do_steps(run, stop)
        except BadStepError as failure:
            recover(run, failure)
    finish(run)


def do_steps(run: Run, stop: StopSignal) -> None:
    """Do what is left of the run, with checkpoints. Raises BadStepError, or Stopped once all is saved."""
    for step in run.plan.steps(run.totals.step, run.steps_total):
        if run.ends_early:
            return
        if group.any_of(stop.requested):
            save_sound(run)
            raise Stopped(run.totals.step)
        if step.number in run.mishaps.passed_over:
            pass_over(run, step)
        else:
            do_step(run, step)
        if run.is_saved_after(step.number):
            save_sound(run)


def prepare(spec: TrainSpec, events: EventLog) -> Run:
    """Read the rows first, since they are the likeliest to be wrong, then load the model."""
    device, precision = model.choose_device(spec)
    events.enter_phase("tokenizing")
    tokenizer = load_tokenizer(spec.base_model)
    cutoff = min(spec.cutoff_length, model.context_length(spec.base_model))
    rows = read_rows(spec, tokenizer, cutoff, events)
    pad_id = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    objective = objective_of(spec, rows.train, pad_id)
    plan = BatchPlan(objective.lengths, spec.batch_tokens, spec.accumulation, spec.seed, spec.step_rows)
    events.enter_phase("hashing")
    identity = _identity(spec, tokenizer, rows)
    events.enter_phase("loading")
    trainable, strategy = starting.load(spec, device, precision)
    steps_total = plan.total_steps(spec.epochs, spec.max_steps)
    run = Run(
        spec=spec,
        events=events,
        objective=objective,
        plan=plan,
        steps_total=steps_total,
        model=trainable,
        strategy=strategy,
        schedule=Schedule(spec, steps_total),
        memory=_plan_memory(spec, events, trainable, strategy, objective, plan).within(spec.micro_tokens),
        identity=identity,
        validation=Validation(
            objective_of(spec, rows.validation or [], pad_id), spec.validation_steps or plan.steps_per_epoch
        ),
        totals=Totals(),
        mishaps=Mishaps.read(spec.output_dir),
        products=products_of(trainable),
    )
    starting.draw_apart(spec.seed, 0)
    trainable.causal.base_model.register_forward_hook(lambda *_: events.worked())
    _see_reference(run)
    _announce(run, rows, cutoff)
    return run


def _plan_memory(
    spec: TrainSpec,
    events: EventLog,
    trainable: model.TrainableModel,
    strategy: Strategy,
    objective: Objective,
    plan: BatchPlan,
) -> memory.MemoryPlan:
    """Fit micro batches to the accelerator; recompute activations only where not even one row fits."""
    if trainable.device.type != "cuda" or not trainable.packed or not strategy.plans_memory:
        return memory.MemoryPlan(spec.batch_tokens)
    events.enter_phase("planning")
    samples = list(objective.items[int(objective.lengths.argmax())].sequences)
    try:
        found = memory.plan(trainable, samples, plan.most_step_tokens)
    except torch.cuda.OutOfMemoryError:
        found = None
    is_short_somewhere = group.any_of(found is None)
    if found is None or is_short_somewhere:
        trainable.recompute_activations()
        torch.cuda.empty_cache()
        found = memory.plan(trainable, samples, plan.most_step_tokens)
    strategy.discard()
    torch.cuda.reset_peak_memory_stats()
    found.most_tokens = group.least(found.most_tokens)
    return found


def _see_reference(run: Run) -> None:
    """Let objectives that compare with the base look at it, before a checkpoint is loaded."""
    if run.spec.objective not in WITH_REFERENCE:
        return
    run.events.enter_phase("reference")
    run.objective.prepare(run.model, run.strategy, run.memory.most_tokens)
    if run.validation.objective.items:
        run.validation.objective.prepare(run.model, run.strategy, run.memory.most_tokens)


def _announce(run: Run, rows: Rows, cutoff: int) -> None:
    counts, measured = rows.train.counts, rows.validation_counts
    run.events.emit(
        "started",
        device=run.model.device.type,
        device_name=measuring.device_name(run.model.device),
        environment=environment.recorded(),
        precision=run.model.precision,
        devices=place.size(),
        strategy=run.strategy.name,
        threads=torch.get_num_threads(),
        rows=counts.rows,
        samples=counts.samples,
        dropped_rows=counts.dropped,
        truncated_rows=counts.cut,
        validation_rows=measured.rows,
        validation_truncated_rows=measured.cut,
        validation_dropped_rows=measured.dropped,
        cutoff_length=cutoff,
        truncation=run.spec.truncation,
        steps_total=run.steps_total,
        trainable_parameter_count=model.count(run.model.learned),
        parameter_count=model.count(run.model.adapted.parameters()),
        head_at_labels=run.model.head_at_labels,
        packed=run.model.packed,
        shares_prefix=run.model.shares_prefix,
        recomputes_activations=run.model.recomputes_activations,
        micro_batch_tokens=run.memory.most_tokens,
        memory_estimate_bytes=run.memory.estimate_bytes,
        versions=model.versions(),
        chat_template_sha256=run.identity["chat_template_sha256"],
        renderer_sha256=run.identity["renderer"].get("sha256", ""),
        base_model_sha256=run.identity["base_model_sha256"],
    )


def _identity(spec: TrainSpec, tokenizer: Any, rows: Rows) -> dict[str, Any]:
    settings = {name: value for name, value in asdict(spec).items() if name not in _MAY_CHANGE}
    return {
        # Through JSON, as it comes back from a checkpoint.
        **json.loads(json.dumps(settings)),
        "train_file_sha256": rows.train.rows_sha256,
        "validation_file_sha256": rows.validation_sha256,
        "chat_template_sha256": model.text_sha256(template_text(tokenizer))
        if tokenizer.chat_template
        else "",
        "renderer": rows.renderer,
        "base_model_sha256": group.first_then_others(
            lambda: model.base_model_sha256(spec.base_model, spec.output_dir / "base_model_sha256.json")
        ),
    }


def do_step(run: Run, step: Step) -> None:
    """One optimizer step over its micro batches. Raises BadStepError before it touches the weights."""
    began = time.perf_counter()
    rate = run.schedule.rate(step.number) * run.mishaps.rate_factor
    rows = [index for batch in step.batches for index in batch]
    # Rows of which nothing is learned have no weight, and then no loss either.
    gathered = _accumulate(run, step, run.objective.weight(rows) or 1)
    figures = torch.stack([gathered.loss, gathered.won, gathered.margin]).double()
    padded = torch.tensor([gathered.padded]).to(figures)
    (loss_value, won, margin, padded_tokens), norm = run.strategy.step(torch.cat([figures, padded]), rate)
    check_step(run, step, loss_value, norm)
    seconds = time.perf_counter() - began
    tokens = sum(len(each.ids) for index in rows for each in run.objective.items[index].sequences)
    _add(run.totals, step.number, tokens, seconds, loss_value)
    paired = run.spec.objective in PAIRED
    supervised = run.objective.learned_tokens(rows)
    costs = measuring.costs(run, tokens, supervised, int(padded_tokens))
    validated = _validate(run, step.number)
    run.events.emit(
        "step",
        step=step.number,
        epoch=round(step.epoch, 4),
        loss=loss_value,
        learning_rate=rate,
        grad_norm=norm,
        tokens=tokens,
        supervised_tokens=supervised,
        padded_tokens=int(padded_tokens),
        seconds=round(seconds, 4),
        tokens_per_second=round(tokens / seconds, 2),
        peak_memory_bytes=model.peak_memory_bytes(run.model.device),
        **costs,
        **({"reward_accuracy": won / len(rows), "reward_margin": margin / len(rows)} if paired else {}),
        **validated,
    )


def pass_over(run: Run, step: Step) -> None:
    """Count a step as done that came to nothing when it was tried."""
    run.totals.step = step.number
    validated = _validate(run, step.number)
    run.events.emit("passed_over", step=step.number, lines=lines_of(run, step), **validated)


def _validate(run: Run, step: int) -> dict[str, float]:
    """Measure the loss on the validation rows where that is due; what the step's event says of it."""
    if not run.validation.is_due(step, run.steps_total):
        return {}
    run.events.enter_phase("validating")
    began = time.perf_counter()
    measured = run.validation.loss(run.model, run.strategy, group.least(run.memory.most_tokens))
    loss = check_validation(step, measured)
    run.totals.best.take(step, loss, run.spec.early_stop_margin)
    run.schedule.measured(loss)
    run.events.enter_phase("training")
    return {
        "validation_loss": loss,
        "validation_loss_best": run.totals.best.loss,
        "validation_best_step": run.totals.best.step,
        "validation_seconds": round(time.perf_counter() - began, 4),
    }


def _accumulate(run: Run, step: Step, weight: int) -> Gathered:
    """Gather a step's gradient.

    Where the memory plan promised too much, the step is done anew in smaller micro batches, and where the
    gradient left fp16's range, with a smaller scale.
    """
    while True:
        micro = _micro_batches(run, step)
        try:
            gathered = _gather(run, micro, weight)
            if not run.strategy.overflowed(gathered.loss):
                return gathered
        except ScaleSpentError:
            raise NonFiniteLossError(
                f"step {step.number}: the gradient is not finite however small the loss is made; lower "
                "learning_rate, or use precision bf16 or fp32",
                step.number,
            ) from None
        except torch.cuda.OutOfMemoryError:
            fixed = not (run.model.packed and run.strategy.plans_memory)
            if fixed or all(len(batch) == 1 for batch in micro):
                raise
            torch.cuda.empty_cache()
            run.memory.most_tokens = max(1, run.memory.most_tokens // 2)
        run.strategy.discard()


@dataclass
class Gathered:
    """What a step's micro batches came to."""

    loss: torch.Tensor
    won: torch.Tensor
    margin: torch.Tensor
    padded: int = 0


def _gather(run: Run, micro: list[MicroBatch], weight: int) -> Gathered:
    zero = torch.zeros((), device=run.model.device)
    gathered = Gathered(zero.clone(), zero.clone(), zero.clone())
    run.objective.begin(run.model, micro)
    for number, indices in enumerate(micro, 1):
        batch, found = run.objective.pass_over(run.model, indices)
        # The mean is over the whole step, so micro batches of unlike size weigh right.
        loss = found.total / weight
        run.strategy.backward(loss, last=number == len(micro))
        gathered.loss += loss.detach()
        if found.won is not None and found.margin is not None:
            gathered.won += found.won
            gathered.margin += found.margin
        gathered.padded += batch.ids.numel() + batch.spared
    return gathered


def _micro_batches(run: Run, step: Step) -> list[MicroBatch]:
    """This device's part of the step: batches as planned, or rows in packs of the size that suits it."""
    lengths = run.plan.lengths
    if not run.model.packed:
        return run.strategy.share(parted(step.batches, lengths, run.spec.micro_tokens), lengths)
    rows = [index for batch in step.batches for index in batch]
    if not run.strategy.plans_memory:
        return run.strategy.share(split_evenly(rows, lengths, run.memory.most_tokens), lengths)
    # Rows first: one device may have learned that it takes less than the others.
    mine = run.strategy.share([[row] for row in rows], lengths)
    return split_evenly([row for batch in mine for row in batch], lengths, run.memory.most_tokens)


def _add(totals: Totals, step: int, tokens: int, seconds: float, loss: float) -> None:
    totals.step = step
    totals.tokens += tokens
    totals.seconds += seconds
    totals.loss_last = loss
    totals.loss_first = totals.loss_first or loss


def finish(run: Run) -> None:
    """Publish what was learned and say that the run is done, in this order."""
    target, published = publish(run)
    totals = run.totals
    run.events.emit(
        "finished",
        steps=totals.step,
        tokens=totals.tokens,
        seconds=round(totals.seconds, 3),
        tokens_per_second=round(totals.tokens / totals.seconds, 2) if totals.seconds else 0.0,
        loss_first=totals.loss_first,
        loss_last=totals.loss_last,
        published_step=published,
        stopped_early=totals.step < run.steps_total,
        peak_memory_bytes=model.peak_memory_bytes(run.model.device),
        adapter_dir=str(target),
    )
