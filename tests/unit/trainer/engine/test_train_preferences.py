from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from services.trainer.engine import data, preference_losses
from services.trainer.engine.conversations import Encoder, Rules
from services.trainer.engine.errors import InvalidRowError
from services.trainer.engine.preferences import encode_judged, encode_pair
from services.trainer.engine.rendering import Renderer
from services.trainer.engine.run import run
from services.trainer.engine.spec import TrainSpec
from services.trainer.engine.stopping import StopSignal
from tests.unit.trainer.engine.make_trl_losses import (
    BETA,
    DESIRABLE,
    GAMMA,
    GOLDEN,
    SMOOTHING,
    UNDESIRABLE,
)
from tests.unit.trainer.engine.tiny import MakeSpec, events_of

# peft 0.21 asks transformers 5.23 by a name that transformers is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")


def test_the_losses_are_those_of_trl() -> None:
    given = {name: torch.tensor(values) for name, values in json.loads(GOLDEN.read_bytes()).items()}
    chosen, rejected = given["chosen"] - given["ref_chosen"], given["rejected"] - given["ref_rejected"]
    means = given["mean_chosen"], given["mean_rejected"]
    # TRL's is a bonus, which its trainer takes from the loss.
    odds = BETA * preference_losses.odds_ratio(*means)
    divergence = (given["kl"] - given["ref_kl"]).mean().clamp(min=0)
    assert divergence > 0
    good = torch.tensor([True] * len(chosen) + [False] * len(rejected))
    judged = preference_losses.kto(torch.cat([chosen, rejected]), good, divergence, BETA)
    found = {
        "dpo": preference_losses.dpo(chosen, rejected, BETA, SMOOTHING),
        "orpo": -odds,
        "simpo": preference_losses.simpo(*means, BETA, GAMMA, SMOOTHING),
        "kto": judged * torch.where(good, DESIRABLE, UNDESIRABLE),
    }
    for name, losses in found.items():
        torch.testing.assert_close(losses, given[name], rtol=1e-6, atol=1e-6, msg=name)


def read_rows(
    encode: Any, path: Path, tokenizer: Any, cutoff: int, policy: str = "drop"
) -> list[data.Encoded]:
    encoder = Encoder(tokenizer, Renderer(tokenizer), Rules(cutoff, policy))
    return [encode(encoder, data.parse_row(content), line) for line, content in data.read_lines(path)]


read_pairs = partial(read_rows, encode_pair)
read_judged = partial(read_rows, encode_judged)


def asked(number: int) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"Where is town {number}?"}]


def said(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    rows = [
        {"prompt": asked(i), "chosen": said(f"By the river {i}."), "rejected": said("No idea, ask another.")}
        for i in range(12)
    ]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def judged(pairs: Path) -> Path:
    rows = [json.loads(line) for line in pairs.read_text().splitlines()]
    path = pairs.with_name("judged.jsonl")
    path.write_text(
        "".join(
            json.dumps({"prompt": row["prompt"], "completion": row[name], "label": name == "chosen"}) + "\n"
            for row in rows
            for name in ("chosen", "rejected")
        )
    )
    return path


@torch.no_grad()
def likelihoods(network: Any, samples: list[data.Sample]) -> torch.Tensor:
    """Summed log-likelihood of each sample's answer, a row at a time by transformers."""
    found = []
    for sample in samples:
        ids = torch.tensor([list(sample.ids)])
        logs = network(input_ids=ids).logits[0].log_softmax(-1)
        ((start, end),) = sample.spans
        found.append(sum(logs[place - 1, ids[0, place]] for place in range(start, end)))
    return torch.stack(found)


def losses_of(spec: TrainSpec) -> list[float]:
    return [event["loss"] for event in events_of(spec, "step")]


@pytest.mark.parametrize("packing", ["off", pytest.param("on", marks=pytest.mark.full)])
def test_dpo_prefers_the_better_answers_and_says_how_well(
    make_spec: MakeSpec, pairs: Path, tokenizer: Any, packing: str
) -> None:
    spec = make_spec(
        train_file=pairs,
        validation_file=pairs,
        objective="dpo",
        beta=0.3,
        packing=packing,
        learning_rate=3e-3,
    )
    assert run(spec, StopSignal()) == 0
    first, *_, last = events_of(spec, "step")
    # Before the first step the model is the reference: nothing is preferred.
    assert first["loss"] == pytest.approx(0.693147, abs=1e-4)
    assert (first["reward_margin"], last["reward_accuracy"]) == (pytest.approx(0, abs=1e-4), 1.0)
    assert last["loss"] < 0.5
    base = AutoModelForCausalLM.from_pretrained(spec.base_model)
    items = [item for row in read_pairs(pairs, tokenizer, 512) for item in row.items]
    sides = [[item.sequences[side] for item in items] for side in (0, 1)]
    reference = [likelihoods(base, side) for side in sides]
    tuned = PeftModel.from_pretrained(base, spec.output_dir / "adapter")
    ratios = [likelihoods(tuned, side) - before for side, before in zip(sides, reference, strict=True)]
    wanted = preference_losses.dpo(ratios[0], ratios[1], 0.3, 0.0).mean()
    best = min(event["validation_loss"] for event in events_of(spec, "step") if "validation_loss" in event)
    assert best == pytest.approx(float(wanted), rel=1e-3)


@pytest.mark.parametrize("objective", ["orpo", "simpo", "kto"])
def test_other_objectives_are_learned_too(
    make_spec: MakeSpec, pairs: Path, judged: Path, objective: str
) -> None:
    rows = judged if objective == "kto" else pairs
    spec = make_spec(train_file=rows, objective=objective, beta=0.5, learning_rate=5e-3, max_steps=8)
    assert run(spec, StopSignal()) == 0
    curve = losses_of(spec)
    assert curve[-1] < curve[0] - 0.05
    if objective == "kto":
        assert curve[0] == pytest.approx(0.5, abs=1e-4)


@pytest.mark.parametrize("objective", ["dpo", "kto"])
def test_how_a_step_is_cut_changes_nothing(
    make_spec: MakeSpec, pairs: Path, judged: Path, objective: str
) -> None:
    rows = judged if objective == "kto" else pairs
    common: dict[str, Any] = {"train_file": rows, "objective": objective, "max_steps": 3}
    one = make_spec(**common, batch_tokens=100_000)
    several = make_spec(
        **common, batch_tokens=160, accumulation=1000, output_dir=one.output_dir.parent / "several"
    )
    assert run(one, StopSignal()) == run(several, StopSignal()) == 0
    assert losses_of(one) == pytest.approx(losses_of(several), rel=1e-3)


def test_a_killed_run_compares_with_the_base_again(make_spec: MakeSpec, pairs: Path) -> None:
    spec = make_spec(train_file=pairs, objective="dpo", max_steps=6, checkpoint_steps=3)
    assert run(spec, StopSignal()) == 0
    before = losses_of(spec)
    path = spec.output_dir / "events.jsonl"
    lines = [line for line in path.read_bytes().splitlines() if b'"finished"' not in line]
    path.write_bytes(b"\n".join(lines) + b"\n")
    newest = sorted((spec.output_dir / "checkpoints").iterdir())[-1]
    (newest / "manifest.json").unlink()
    assert run(spec, StopSignal()) == 0
    assert losses_of(spec)[len(before) :] == pytest.approx(before[3:], rel=1e-4)


@pytest.mark.parametrize(
    ("read", "row", "message"),
    [
        (read_pairs, {"prompt": asked(1), "chosen": said("Yes.")}, "rejected: must be a list"),
        (read_pairs, {"prompt": said("Hm"), "chosen": said("Yes."), "rejected": said("No.")}, "begin with"),
        (read_judged, {"prompt": asked(1), "completion": said("Yes."), "label": 1}, "label: must be true"),
        (read_judged, {"prompt": asked(1), "completion": asked(2), "label": True}, "must be the assistant's"),
    ],
)
def test_a_row_that_is_none_is_refused(
    tmp_path: Path, tokenizer: Any, read: Any, row: dict[str, Any], message: str
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n" + json.dumps(row))
    with pytest.raises(InvalidRowError, match=message):
        read(path, tokenizer, 512)


def test_a_pair_of_which_one_answer_is_too_long_is_left_out(tmp_path: Path, tokenizer: Any) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [
        {"id": f"pair-{count}", "prompt": asked(1), "chosen": said("Yes. " * count), "rejected": said("No.")}
        for count in (1, 200)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    kept, dropped = read_pairs(path, tokenizer, 100)
    assert [row.outcome for row in (kept, dropped)] == [data.KEPT, data.DROPPED]
    assert [row.row_id for row in (kept, dropped)] == ["pair-1", "pair-200"]
    (item,) = kept.items
    assert [len(one.spans) for one in item.sequences] == [1, 1]
    assert item.line == 1


def test_a_pair_with_a_long_prompt_keeps_its_end_and_both_answers(tmp_path: Path, tokenizer: Any) -> None:
    path = tmp_path / "rows.jsonl"
    prompt = [*asked(1), *said("By the river. " * 20), *asked(2)]
    path.write_text(json.dumps({"prompt": prompt, "chosen": said("Yes."), "rejected": said("No idea.")}))
    (row,) = read_pairs(path, tokenizer, 100, "split_turns")
    assert row.outcome == data.CUT
    shown = [tokenizer.decode(list(each.ids)) for item in row.items for each in item.sequences]
    question = "<|im_start|>user\nWhere is town 2?<|im_end|>\n<|im_start|>assistant\n"
    assert shown == [question + "Yes.<|im_end|>", question + "No idea.<|im_end|>"]
