from __future__ import annotations

from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel

from services.trainer.engine import attention, model, prefixes
from services.trainer.engine.data import Sample
from services.trainer.engine.micro_batches import pack
from services.trainer.engine.packing import segments
from services.trainer.engine.releases import attention_tables
from services.trainer.engine.run import run
from services.trainer.engine.stopping import StopSignal
from tests.unit.trainer.engine.tiny import (
    MakeSpec,
    conversation,
    events_of,
    excite,
    gradients,
    read_samples,
    write_rows,
)

CPU = torch.device("cpu")
DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
needs_packing = pytest.mark.skipif(
    attention_tables() is None, reason="this transformers cannot pack by segments"
)
Rows = Callable[[Any, Path], list[Sample]]


def with_system_prompt(tokenizer: Any, folder: Path, **rules: Any) -> list[Sample]:
    system = {"role": "system", "content": "You answer in a word, and in no more than that."}
    answers = (f"{name} lies by the river. " * 20 for name in ("Amber", "Ostrel", "Tessenby"))
    rows = [[system, *conversation(f"{answer[:5]}?", answer)] for answer in answers]
    return read_samples(write_rows(folder / "rows.jsonl", rows), tokenizer, **rules)


def with_prompts(tokenizer: Any, folder: Path) -> list[Sample]:
    return with_system_prompt(tokenizer, folder, train_on_prompt=True)


def nothing_alike(tokenizer: Any, folder: Path) -> list[Sample]:
    return [cut(range(start, start + 40)) for start in (1, 50, 120)]


def branching(tokenizer: Any, folder: Path) -> list[Sample]:
    """Answers in pairs to questions behind one system prompt."""
    system, first, second = range(20), range(30, 70), range(70, 120)
    rows = [[*system, *asked, *range(start, start + 20)] for asked in (first, second) for start in (150, 190)]
    return [Sample(array("i", ids), ((len(ids) - 20, len(ids)),), 1) for ids in rows]


def whole_of_another(tokenizer: Any, folder: Path) -> list[Sample]:
    return [cut(range(60)), cut(range(30)), cut([*range(30), *range(90, 130)])]


def the_same_twice(tokenizer: Any, folder: Path) -> list[Sample]:
    return [cut(range(30)), cut(range(30))]


def cut(ids: Any) -> Sample:
    """As of continued pretraining: every token is learned."""
    return Sample(array("i", ids), ((1, len(ids)),), 1)


CASES = {
    with_system_prompt: True,
    with_prompts: True,
    nothing_alike: False,
    branching: True,
    whole_of_another: True,
    the_same_twice: True,
}


@needs_packing
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("precision", "loss_error", "gradient_error"),
    [("fp32", 1e-5, 1e-4), pytest.param("bf16", 1e-2, 6e-2, marks=pytest.mark.full)],
)
@pytest.mark.parametrize("attend", ["auto", "eager"])
@pytest.mark.parametrize(("rows", "shared"), CASES.items())
def test_a_beginning_that_rows_share_is_computed_once_and_changes_no_loss_and_no_gradient(
    make_spec: MakeSpec,
    tokenizer: Any,
    tmp_path: Path,
    rows: Rows,
    shared: bool,
    attend: str,
    precision: str,
    loss_error: float,
    gradient_error: float,
    device: str,
) -> None:
    samples = rows(tokenizer, tmp_path)
    trainable = model.load_model(make_spec(packing="on", attention=attend), torch.device(device), precision)
    assert trainable.shares_prefix
    excite(trainable.adapted)
    batch = trainable.collate(samples, 0)
    assert batch.ids.numel() + batch.spared == batch.tokens == sum(len(each.ids) for each in samples)
    assert (batch.spared > 0) == shared
    losses = trainable.row_losses(batch)
    losses.sum().backward()  # type: ignore[no-untyped-call]
    found = gradients(trainable.adapted)
    trainable.adapted.zero_grad()
    for row, sample in enumerate(samples):
        alone = trainable.summed_loss(trainable.collate([sample], 0))
        alone.backward()  # type: ignore[no-untyped-call]
        assert losses[row].item() == pytest.approx(alone.item(), rel=loss_error)
    for name, expected in gradients(trainable.adapted).items():
        assert (found[name] - expected).norm() <= gradient_error * expected.norm(), name


alike = st.lists(st.integers(0, 1), max_size=40)


@given(stems=st.lists(alike, min_size=1, max_size=3), ends=st.lists(alike, min_size=1, max_size=12))
def test_whatever_rows_share_each_token_sees_its_own_row(
    stems: list[list[int]], ends: list[list[int]]
) -> None:
    rows = [[5, *stems[number % len(stems)], *end] for number, end in enumerate(ends)]
    samples = [Sample(array("i", ids), ((1, len(ids)),) if len(ids) > 1 else (), 1) for ids in rows]
    batch = pack(samples, CPU, share=True)
    where = batch.segments
    assert where is not None
    assert batch.place is not None
    ids = batch.ids[0]
    places = torch.arange(len(ids)) if where.key_places is None else where.key_places
    seen = [each.tolist() for each in torch.split(places, where.key_bounds.diff().tolist())]
    assert [len(each) for each in seen] == where.seen
    # By the place of a token: what it sees, which ends with itself.
    before: dict[int, list[int]] = {}
    for part, own in zip(seen, torch.split(torch.arange(len(ids)), where.lengths), strict=True):
        for place in own.tolist():
            before[place] = part[: part.index(place) + 1]
    mask = attention.block_mask(where, torch.float32)[0, 0]
    for place, path in before.items():
        assert batch.place[0, place] == len(path) - 1
        assert (mask[place] == 0).nonzero()[:, 0].tolist() == sorted(path)
    learned = zip(batch.rows.tolist(), batch.positions.tolist(), batch.targets.tolist(), strict=True)
    given = [(row, index) for row, ids_of in enumerate(rows) for index in range(1, len(ids_of))]
    for (row, index), (number, position, target) in zip(given, learned, strict=True):
        assert number == row
        assert target == rows[row][index]
        assert ids[before[position]].tolist() == rows[row][:index]


def test_what_rows_share_must_be_worth_while() -> None:
    def parts(start: int, length: int) -> int:
        return len(prefixes.shared([[*range(start), *range(at, at + length)] for at in (1000, 5000)]).parts)

    assert [parts(start, 40) for start in (0, 7, 8)] == [2, 2, 3]
    assert parts(8, 1000) == 2


def test_rows_that_share_nothing_stay_in_their_order() -> None:
    rows = [[9, 1], [3, 4, 5], [3, 4]]
    assert prefixes.shared(rows) == prefixes.whole(rows)


@needs_packing
@pytest.mark.parametrize("change", [{"lora_dropout": 0.1}, {"neftune_alpha": 5.0}])
def test_what_is_drawn_for_each_token_is_drawn_for_every_row(
    make_spec: MakeSpec, change: dict[str, Any]
) -> None:
    trainable = model.load_model(make_spec(packing="on", **change), CPU, "fp32")
    assert trainable.packed
    assert not trainable.shares_prefix


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_a_models_own_dropout_is_seen(dropout: float) -> None:
    names = ("attn_pdrop", "embd_pdrop", "resid_pdrop")
    for name in names:
        rates: dict[str, Any] = {**dict.fromkeys(names, 0.0), name: dropout}
        causal = GPT2LMHeadModel(GPT2Config(n_layer=1, n_embd=8, n_head=2, vocab_size=10, **rates))
        assert prefixes.draws_at_random(causal, causal.config) == (dropout > 0)
    still: dict[str, Any] = dict.fromkeys(names, 0.0)
    config = GPT2Config(**still)
    # Of models that look there when they compute.
    config.router_jitter_noise = dropout
    assert prefixes.draws_at_random(nn.Linear(2, 2), config) == (dropout > 0)


def varlen(first: bool) -> Callable[..., Any]:
    """What torch's flash kernel for rows of many lengths computes: queries are the last keys, or the first."""

    def forward(
        query: Any, key: Any, value: Any, bounds: Any, key_bounds: Any, *_: Any, scale: Any = None
    ) -> tuple[Any]:
        found = []
        for row in range(len(bounds) - 1):
            own = query[bounds[row] : bounds[row + 1]].transpose(0, 1)
            part = slice(key_bounds[row], key_bounds[row + 1])
            keys, values = (
                each[part].transpose(0, 1).repeat_interleave(query.shape[1] // key.shape[1], dim=0)
                for each in (key, value)
            )
            past = 0 if first else keys.shape[1] - own.shape[1]
            seen = torch.ones(own.shape[1], keys.shape[1]).tril(past).bool()
            scores = (own @ keys.transpose(1, 2)) * (scale or query.shape[-1] ** -0.5)
            found.append(torch.softmax(scores.masked_fill(~seen, -torch.inf), -1) @ values)
        return (torch.cat(found, dim=1).transpose(0, 1),)

    return forward


def test_a_flash_kernel_that_takes_queries_for_the_first_keys_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for first in (False, True):
        monkeypatch.setattr(torch.ops.aten, "_flash_attention_forward", varlen(first))
        assert attention.flash_goes_on(CPU, torch.float32) == (not first)


def test_the_flash_kernel_gets_what_each_part_goes_on_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.ops.aten, "_flash_attention_forward", varlen(first=False))
    torch.manual_seed(0)
    where = segments([16, 8, 10, 4], CPU, [-1, 0, 1, 1])
    query, key, value = torch.randn(1, 4, 38, 16), torch.randn(1, 2, 38, 16), torch.randn(1, 2, 38, 16)
    found = []
    for flash in (True, False):
        monkeypatch.setattr(attention, "has_flash", lambda *_, flash=flash: flash)
        by_row = None if flash else attention.attention
        module = nn.Identity()
        found.append(
            attention.packed_attention(
                lambda *given, by_row=by_row, **options: by_row(None, *given, **options),
                module,
                query,
                key,
                value,
                None,
                where,
            )[0]
        )
    torch.testing.assert_close(*found)


@needs_packing
@pytest.mark.parametrize("shares", [True, False])
def test_a_run_says_what_it_shares(make_spec: MakeSpec, shares: bool) -> None:
    spec = make_spec(max_steps=2, neftune_alpha=0.0 if shares else 0.1)
    assert run(spec, StopSignal()) == 0
    (started,) = events_of(spec, "started")
    assert (started["packed"], started["shares_prefix"]) == (True, shares)
    assert all(step["padded_tokens"] == step["tokens"] for step in events_of(spec, "step"))
