from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from services.trainer.convert import run_to_pb
from services.trainer.engine_events import (
    MOST_EVENTS,
    RunLog,
    next_events,
    progress_text,
    reports_of,
    steps_of,
)
from tests.unit.trainer.test_following import RUN

STARTED = {
    "type": "started",
    "time": 1.0,
    "device": "cpu",
    "precision": "fp32",
    "dropped_rows": 1,
    "steps_total": 10,
    "trainable_parameter_count": 5,
    "parameter_count": 100,
    "versions": {"torch": "2"},
    "chat_template_sha256": "aa",
    "base_model_sha256": "bb",
}

FINISHED = {"type": "finished", "time": 9.0, "tokens_per_second": 150.0}


def step(number: int, loss: float = 1.0, tokens: int = 100, memory: int = 7) -> dict[str, Any]:
    return {
        "type": "step",
        "time": 1_700_000_000.5 + number,
        "step": number,
        "epoch": number / 10,
        "loss": loss,
        "learning_rate": 1e-3,
        "grad_norm": 0.5,
        "tokens": tokens,
        "supervised_tokens": 40,
        "padded_tokens": 120,
        "seconds": 0.5,
        "peak_memory_bytes": memory,
    }


def placed(*events: dict[str, Any], begin: int = 0) -> list[tuple[dict[str, Any], int]]:
    """Events of one byte each."""
    return [(event, begin + number) for number, event in enumerate(events, 1)]


def test_the_variables_that_the_engine_found_are_kept_with_the_run() -> None:
    found = {"NCCL_P2P_LEVEL": "SYS"}
    log = RunLog().after(placed({**STARTED, "environment": found}))
    assert replace(RUN, engine=log.facts).engine_environment == found
    assert dict(run_to_pb(replace(RUN, engine=log.facts)).engine_environment) == found
    # An engine of before said none.
    assert replace(RUN, engine=RunLog().after(placed(STARTED)).facts).engine_environment == {}


def test_a_large_file_comes_in_parts(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    events = [step(number) for number in range(1, MOST_EVENTS + 3)]
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    first = next_events(path, 0)
    rest = next_events(path, first[-1][1])
    assert [event["step"] for event, _ in [*first, *rest]] == list(range(1, MOST_EVENTS + 3))
    assert (len(first), rest[-1][1]) == (MOST_EVENTS, path.stat().st_size)
    assert next_events(path, rest[-1][1]) == []


def test_a_step_done_again_stands_once_as_measured_last() -> None:
    steps = steps_of(placed(step(1), step(2, loss=9.0), step(3), step(2, loss=4.0)))
    assert [(one.step, one.loss) for one in steps] == [(1, 1.0), (2, 4.0), (3, 1.0)]
    assert steps[0].time.isoformat() == "2023-11-14T22:13:21.500000+00:00"


def test_the_summary_follows_the_events() -> None:
    log = RunLog().after(placed({"type": "progress", "phase": "loading", "time": 0.0}, STARTED))
    assert (log.summary.phase, log.summary.steps_total, log.summary.dropped_rows) == ("training", 10, 1)
    assert log.facts == {
        "versions": {"torch": "2"},
        "chat_template_sha256": "aa",
        "base_model_sha256": "bb",
    }
    log = log.after(placed(step(1, loss=3.0, memory=9), step(2, loss=2.0, memory=8)))
    assert (log.summary.steps, log.summary.loss_first, log.summary.loss_last) == (2, 3.0, 2.0)
    assert (log.summary.peak_memory_bytes, log.summary.tokens_per_second) == (9, 200.0)
    assert progress_text(log.summary) == "step 2/10, loss 2, 200 tokens/s"
    log = log.after(placed(FINISHED))
    assert log.finished
    assert progress_text(log.summary) == "storing"


def test_the_summary_shows_the_newest_and_the_best_validation_loss() -> None:
    best = {"validation_loss": 1.5, "validation_loss_best": 1.5, "validation_best_step": 2}
    worse = {**best, "validation_loss": 1.75}
    done = {**FINISHED, "published_step": 2}
    events = placed(STARTED, step(1), {**step(2), **best}, step(3), {**step(4), **worse}, done)
    log = RunLog().after(events[:-1])
    assert progress_text(log.summary) == "step 4/10, loss 1, validation loss 1.75, 200 tokens/s"
    one = RunLog().after(events).summary
    assert (one.validation_loss, one.validation_loss_best) == (1.75, 1.5)
    assert (one.validation_best_step, one.published_step) == (2, 2)
    assert [each.validation_loss for each in steps_of(events)] == [None, 1.5, None, 1.75]


def test_what_became_of_the_rows_is_known_before_the_run_has_started() -> None:
    told = {"rows": 9, "kept_rows": 6, "truncated_rows": 1, "dropped_rows": 2, "samples": 8, "time": 0.5}
    train = {"type": "rows", "split": "train", "report": "tokens/a/rows.jsonl", **told}
    held_out = {**train, "split": "validation", "report": "tokens/b/rows.jsonl", "dropped_rows": 1}
    log = RunLog().after(placed(train, held_out))
    counts = {"rows": 9, "kept": 6, "cut": 1, "dropped": 2, "samples": 8}
    assert log.facts["row_counts"] == {"train": counts, "validation": {**counts, "dropped": 1}}
    assert (log.summary.dropped_rows, log.reports["train"]) == (2, "tokens/a/rows.jsonl")
    assert log.after(placed(STARTED)).facts["row_counts"]["train"] == counts
    assert reports_of(placed(train, STARTED)) == {"train": "tokens/a/rows.jsonl"}


def test_rates_count_the_present_process_only() -> None:
    before = placed(STARTED, step(1, tokens=10), step(2, tokens=10))
    now = placed(STARTED, {"type": "resumed", "step": 1, "time": 2.0}, step(2, tokens=300), begin=100)
    log = RunLog(fresh_from=100).after([*before, *now])
    assert (log.tokens, log.summary.tokens_per_second, log.summary.steps) == (300, 600.0, 2)


def test_a_run_that_was_finished_by_an_earlier_process_keeps_its_speed() -> None:
    log = RunLog(fresh_from=100).after(placed(STARTED, step(1), FINISHED))
    assert (log.finished, log.summary.tokens_per_second) == (True, 150.0)


def test_a_checkpoint_counts_for_the_process_that_wrote_it() -> None:
    checkpoint = {"type": "checkpoint", "step": 5}
    assert not RunLog(fresh_from=50).after(placed(checkpoint)).saved
    assert RunLog(fresh_from=50).after(placed(checkpoint, step(6), begin=50)).saved


def test_a_resumed_run_stands_where_its_checkpoint_is() -> None:
    log = RunLog().after(placed(STARTED, step(1), step(2), step(3), {"type": "resumed", "step": 2}))
    assert log.summary.steps == 2


def test_the_failure_of_an_earlier_process_is_not_that_of_this_one() -> None:
    failed = {"type": "failed", "reason": "NON_FINITE_LOSS", "message": "step 3: loss nan"}
    assert RunLog(fresh_from=50).after(placed(failed)).failure is None
    failure = RunLog(fresh_from=50).after(placed(failed, begin=50)).failure
    assert failure is not None
    assert (failure.reason, failure.message) == ("NON_FINITE_LOSS", "step 3: loss nan")
