from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import MambaConfig, MambaForCausalLM

from services.trainer.engine import attention, data, model
from services.trainer.engine.head_loss import summed_cross_entropy
from services.trainer.engine.packing import split_evenly
from services.trainer.engine.releases import attention_tables
from services.trainer.engine.run import run
from services.trainer.engine.stopping import StopSignal
from tests.unit.trainer.engine.tiny import MakeSpec, events_of, excite, gradients, read_samples

DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
pytestmark = pytest.mark.skipif(attention_tables() is None, reason="this transformers cannot pack")


def rows_of(tokenizer: Any, spec: Any) -> list[data.Sample]:
    return read_samples(spec.train_file, tokenizer)


def loss_and_gradients(
    trainable: model.TrainableModel, batches: list[list[data.Sample]]
) -> tuple[float, dict[str, torch.Tensor]]:
    excite(trainable.adapted)
    total = 0.0
    for batch in batches:
        loss = trainable.summed_loss(trainable.collate(batch, 0))
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.item()
    return total, gradients(trainable.adapted)


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize(
    ("precision", "loss_error", "gradient_error"), [("fp32", 1e-5, 1e-4), ("bf16", 1e-2, 6e-2)]
)
@pytest.mark.parametrize("device", DEVICES)
def test_packed_rows_give_the_loss_and_gradients_of_the_same_rows_alone(
    make_spec: MakeSpec,
    tokenizer: Any,
    device: str,
    precision: str,
    loss_error: float,
    gradient_error: float,
    recompute: bool,
) -> None:
    rows = rows_of(tokenizer, make_spec())
    found = []
    for packing, batches in (("on", [rows]), ("off", [[row] for row in rows])):
        spec = make_spec(packing=packing, gradient_checkpointing=recompute)
        trainable = model.load_model(spec, torch.device(device), precision)
        assert trainable.packed == (packing == "on")
        found.append(loss_and_gradients(trainable, batches))
    (packed, packed_gradients), (alone, alone_gradients) = found
    assert packed == pytest.approx(alone, rel=loss_error)
    for name, gradient in packed_gradients.items():
        expected = alone_gradients[name]
        assert (gradient - expected).norm() <= gradient_error * expected.norm(), name


@pytest.mark.parametrize("shares", [False, True])
def test_a_row_in_a_pack_does_not_see_its_neighbours(
    make_spec: MakeSpec, tokenizer: Any, shares: bool
) -> None:
    first, second, *_ = rows_of(tokenizer, make_spec())
    trainable = model.load_model(make_spec(packing="on"), torch.device("cpu"), "fp32")
    trainable = replace(trainable, shares_prefix=shares)
    common = next(
        i for i, (one, other) in enumerate(zip(first.ids, second.ids, strict=False)) if one != other
    )
    kept = common if shares else 0

    def hidden(neighbour: data.Sample) -> torch.Tensor:
        batch = trainable.collate([neighbour, second], 0)
        assert batch.spared == kept
        with torch.no_grad():
            states: torch.Tensor = trainable.causal.base_model(
                input_ids=batch.ids, position_ids=batch.place, segments=batch.segments, use_cache=False
            )[0]
        own = len(second.ids) - kept
        assert batch.segments is not None
        # Rows that share something lie in the order of their tokens.
        parts = torch.split(states[0], batch.segments.lengths)
        return next(part for part in parts if len(part) == own)

    assert len(first.ids) != len(second.ids)
    changed = first._replace(ids=first.ids[:kept] + first.ids[kept:][::-1])
    torch.testing.assert_close(hidden(first), hidden(changed), rtol=0, atol=0)


def test_rows_of_a_model_that_carries_state_past_them_are_not_packed(
    make_spec: MakeSpec, tokenizer: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "mamba"
    MambaForCausalLM(
        MambaConfig(vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, state_size=4)
    ).save_pretrained(folder)
    spec = make_spec(base_model=folder, packing="on", lora_targets=("in_proj",))
    assert not model.load_model(spec, torch.device("cpu"), "fp32").packed


def test_an_attention_that_leaks_between_rows_is_found_out(
    make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leaking(by_row: Any, *tensors: Any, segments: Any = None, **options: Any) -> Any:
        return by_row(*tensors, **options)

    assert not model.load_model(make_spec(packing="on"), torch.device("cpu"), "fp32").masked
    monkeypatch.setattr(attention, "packed_attention", leaking)
    assert model.load_model(make_spec(packing="on"), torch.device("cpu"), "fp32").masked

    def nothing(where: Any, dtype: torch.dtype) -> torch.Tensor:
        return torch.zeros(1, 1, sum(where.lengths), sum(where.lengths), dtype=dtype)

    monkeypatch.setattr(attention, "block_mask", nothing)
    assert not model.load_model(make_spec(packing="on"), torch.device("cpu"), "fp32").packed


@pytest.mark.parametrize("device", DEVICES)
def test_packing_changes_the_speed_of_a_run_and_not_its_losses(make_spec: MakeSpec, device: str) -> None:
    folder = make_spec().output_dir.parent
    curves = []
    for packing in ("on", "off"):
        spec = make_spec(packing=packing, device=device, accumulation=2, output_dir=folder / packing)
        assert run(spec, StopSignal()) == 0
        steps = events_of(spec, "step")
        curves.append([step["loss"] for step in steps])
        assert all((step["padded_tokens"] == step["tokens"]) == (packing == "on") for step in steps[:1])
        assert events_of(spec, "started")[0]["packed"] == (packing == "on")
    assert curves[0] == pytest.approx(curves[1], rel=2e-3)


@pytest.mark.parametrize("chunk", [1, 3, 64])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize("device", DEVICES)
def test_the_loss_by_chunks_is_cross_entropy(
    device: str, dtype: torch.dtype, error: float, bias: bool, chunk: int
) -> None:
    torch.manual_seed(0)
    head = nn.Linear(8, 50, bias=bias, device=device, dtype=dtype).requires_grad_(False)
    targets = torch.randint(50, (10,), device=device)
    found = []
    for by_chunks in (True, False):
        torch.manual_seed(1)
        hidden = torch.randn(10, 8).to(device, dtype).requires_grad_()
        if by_chunks:
            loss = summed_cross_entropy(hidden, head, targets, chunk)
        else:
            loss = nn.functional.cross_entropy(head(hidden).float(), targets, reduction="sum")
        (loss / 3).backward()  # type: ignore[no-untyped-call]
        assert hidden.grad is not None
        found.append((loss.detach(), hidden.grad))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=error, atol=0)
    assert (found[0][1] - found[1][1]).norm() <= error * found[1][1].norm()


@given(lengths=st.lists(st.integers(1, 300), min_size=1, max_size=60), limit=st.integers(1, 2000))
def test_packs_hold_each_row_once_within_the_limit(lengths: list[int], limit: int) -> None:
    packs = split_evenly(range(len(lengths)), lengths, limit)
    assert sorted(row for pack in packs for row in pack) == list(range(len(lengths)))
    assert all(len(pack) == 1 or sum(lengths[row] for row in pack) <= limit for pack in packs)
    assert len(packs) <= max(1, 2 * sum(lengths) / limit + sum(length > limit / 2 for length in lengths))


def test_packs_are_of_about_equal_size() -> None:
    lengths = [10 + index % 90 for index in range(200)]
    packs = split_evenly(range(200), lengths, 2048)
    sizes = [sum(lengths[row] for row in pack) for pack in packs]
    assert len(packs) == -(-sum(lengths) // 2048)
    assert max(sizes) - min(sizes) <= 100
