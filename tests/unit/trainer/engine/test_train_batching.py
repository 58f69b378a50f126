from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.trainer.engine.batching import BatchPlan, Step

lengths = st.lists(st.integers(1, 700), min_size=1, max_size=200)


@given(lengths=lengths, budget=st.integers(1, 2048), seed=st.integers(0, 9), epoch=st.integers(0, 3))
def test_batches_keep_the_budget_and_lose_no_row(
    lengths: list[int], budget: int, seed: int, epoch: int
) -> None:
    batches = BatchPlan(lengths, budget, 1, seed).epoch(epoch)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        padded = len(batch) * max(lengths[index] for index in batch)
        assert padded <= budget or len(batch) == 1
        assert padded - sum(lengths[index] for index in batch) <= budget / 8


@given(lengths=lengths, seed=st.integers(0, 9), done=st.integers(0, 40), accumulation=st.integers(1, 5))
def test_the_steps_after_a_resume_are_the_steps_of_an_unbroken_run(
    lengths: list[int], seed: int, done: int, accumulation: int
) -> None:
    plan = BatchPlan(lengths, 1024, accumulation, seed)
    again = BatchPlan(lengths, 1024, accumulation, seed)
    assert list(again.steps(done, 60)) == list(plan.steps(0, 60))[done:]


@given(lengths=lengths, accumulation=st.integers(1, 5))
def test_a_pass_of_steps_has_each_row_once(lengths: list[int], accumulation: int) -> None:
    plan = BatchPlan(lengths, 512, accumulation, 1)
    steps = list(plan.steps(0, 2 * plan.steps_per_epoch))
    for half in (steps[: plan.steps_per_epoch], steps[plan.steps_per_epoch :]):
        indices = [index for step in half for batch in step.batches for index in batch]
        assert sorted(indices) == list(range(len(lengths)))
    assert steps[-1].epoch == 2.0
    tokens = [sum(lengths[index] for batch in step.batches for index in batch) for step in steps]
    assert max(tokens) <= plan.most_step_tokens
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))


def test_epochs_differ_and_seeds_differ_but_a_seed_repeats() -> None:
    sizes = [20 + i % 60 for i in range(100)]
    plan = BatchPlan(sizes, 256, 1, 1)
    assert plan.epoch(1) == BatchPlan(sizes, 256, 1, 1).epoch(1)
    assert plan.epoch(1) != plan.epoch(2)
    assert plan.epoch(1) != BatchPlan(sizes, 256, 1, 2).epoch(1)


def test_the_largest_batch_comes_first() -> None:
    sizes = [*range(10, 90), 400, 2000]
    assert BatchPlan(sizes, 512, 1, 3).epoch(0)[0] == [sizes.index(2000)]


@pytest.mark.parametrize(
    ("epochs", "max_steps", "steps"), [(3.0, 0, 30), (0.1, 0, 1), (0.25, 0, 3), (3.0, 7, 7)]
)
def test_epochs_or_max_steps_make_the_total(epochs: float, max_steps: int, steps: int) -> None:
    plan = BatchPlan([100] * 10, 100, 1, 0)
    assert plan.total_steps(epochs, max_steps) == steps


def rows_of(step: Step) -> list[int]:
    return [index for batch in step.batches for index in batch]


@given(lengths=lengths, rows=st.integers(1, 40), seed=st.integers(0, 9), done=st.integers(0, 20))
def test_steps_of_rows_have_as_many_whatever_their_micro_batches_are(
    lengths: list[int], rows: int, seed: int, done: int
) -> None:
    small, large = (BatchPlan(lengths, budget, 1, seed, rows) for budget in (256, 4096))
    steps, others = list(small.steps(0, 2 * small.steps_per_epoch)), list(large.steps(done, 60))
    for step, other in zip(steps[done:], others, strict=False):
        assert sorted(rows_of(step)) == sorted(rows_of(other))
    first_pass = steps[: small.steps_per_epoch]
    assert [len(rows_of(step)) for step in first_pass[:-1]] == [rows] * (len(first_pass) - 1)
    assert sorted(index for step in first_pass for index in rows_of(step)) == list(range(len(lengths)))
    for step in steps:
        assert sum(lengths[index] for index in rows_of(step)) <= small.most_step_tokens
        for batch in step.batches:
            assert len(batch) * max(lengths[index] for index in batch) <= 256 or len(batch) == 1
    assert max(lengths) in [lengths[index] for index in rows_of(steps[0])]
