"""The verdict on made curves of each kind, smooth and noisy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from services.trainer.tracking import verdict
from services.trainer.tracking.verdict import LossPoint, LossVerdict, verdict_of

Shape = Callable[[float], float]


def run(
    steps: int,
    training: Shape,
    validation: Shape | None = None,
    *,
    every: int = 0,
    noise: float = 0.0,
    wobble: float = 0.0,
    epochs: float = 3.0,
    rate: Shape = lambda _: 1.0,
    seed: int = 1,
) -> list[LossPoint]:
    """A run of which losses are shapes over its share that is done."""
    dice, every = np.random.default_rng(seed), every or max(1, steps // 10)
    return [
        LossPoint(
            step,
            epochs * step / steps,
            rate(step / steps),
            training(step / steps) * (1 + noise * dice.standard_normal()),
            validation(step / steps) + wobble * dice.standard_normal()
            if validation and step % every == 0
            else None,
        )
        for step in range(1, steps + 1)
    ]


def cosine(share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * share))


def learned(speed: float, floor: float = 1.0, rate: Shape = lambda _: 1.0) -> Shape:
    """A loss that falls from 3 to a floor as fast as the rate lets it."""
    grid = np.linspace(0, 1, 1001)
    ways = np.concatenate([[0], np.cumsum([rate(at) for at in grid[1:]])]) / 1000
    return lambda share: floor + (3 - floor) * float(np.exp(-speed * np.interp(share, grid, ways)))


def over(turn: float, up: float) -> Shape:
    """A validation loss that turns and goes up by so much until the end."""
    return lambda share: 1.2 + 2 * (max(0, turn - share) / turn) ** 2 + up * max(0, share - turn) / (1 - turn)


FALLING = learned(8)


def kinds(make: Callable[[int], Sequence[LossPoint]], seeds: int = 20) -> dict[str, int]:
    """How often each verdict is given over runs that differ by their noise."""
    found = [verdict_of(make(seed)).kind for seed in range(seeds)]
    return {kind: found.count(kind) for kind in set(found)}


@pytest.mark.parametrize("steps", [10, 60, 1000])
def test_a_loss_that_still_falls_is_under_fitted(steps: int) -> None:
    told = verdict_of(run(steps, learned(1), learned(1.1, 1.1)))
    assert (told.kind, told.validated, told.best_step) == (verdict.UNDER_FITTED, True, told.last_step)
    assert (told.rise, told.last_step) == (0, steps)
    assert told.slope < 0 < told.expected_fall


@pytest.mark.parametrize("steps", [10, 60, 1000])
def test_a_loss_that_has_levelled_off_is_at_its_best(steps: int) -> None:
    told = verdict_of(run(steps, FALLING, learned(9, 1.2)))
    assert told.kind == verdict.BEST_POINT
    assert told.expected_fall < 0.02 * told.best_loss


@pytest.mark.parametrize("steps", [10, 60, 1000])
def test_a_loss_that_has_turned_is_over_fitted_from_its_lowest_on(steps: int) -> None:
    told = verdict_of(run(steps, learned(9, 0.1), over(0.5, 0.3)))
    assert (told.kind, told.best_step) == (verdict.OVER_FITTED, steps // 2)
    assert told.rise == pytest.approx(0.3)
    assert told.last_loss - told.best_loss == told.rise
    assert told.slope == pytest.approx(0.6 * 100 / steps, rel=0.05)
    assert told.expected_fall == 0


def test_the_figures_of_three_passes_are_enough() -> None:
    def three(*losses: float) -> LossVerdict:
        return verdict_of(run(9, FALLING, lambda share: losses[round(share * 3) - 1], every=3))

    assert three(2.0, 1.5, 1.2).kind == verdict.UNDER_FITTED
    assert three(2.0, 1.5, 1.49).kind == verdict.BEST_POINT
    assert three(2.0, 1.5, 1.51).kind == verdict.BEST_POINT
    assert three(1.0, 0.9, 1.1).kind == verdict.OVER_FITTED
    assert (three(1.0, 0.9, 1.1).best_step, three(1.0, 0.9, 1.1).measurements) == (6, 3)
    assert three(1.0, 1.1, 1.3).best_step == 3


def test_a_rate_that_falls_to_nothing_hides_no_under_fitting() -> None:
    early = run(300, learned(0.6, rate=cosine), learned(0.6, rate=cosine), rate=cosine)
    done = run(300, learned(20, rate=cosine), learned(20, rate=cosine), rate=cosine)
    # The loss itself stands still at the end of both.
    assert early[-1].loss > 0.99 * early[-45].loss
    assert verdict_of(early).kind == verdict.UNDER_FITTED
    assert verdict_of(done).kind == verdict.BEST_POINT


@pytest.mark.parametrize("noise", [0.05, 0.3])
def test_noise_changes_no_verdict(noise: float) -> None:
    def noisy(shape: Shape, wobble: float = 0.01) -> dict[str, int]:
        return kinds(lambda seed: run(400, FALLING, shape, every=20, noise=noise, wobble=wobble, seed=seed))

    assert noisy(learned(1.1, 1.1)) == {verdict.UNDER_FITTED: 20}
    assert noisy(learned(9, 1.2)) == {verdict.BEST_POINT: 20}
    assert noisy(over(0.5, 0.3)) == {verdict.OVER_FITTED: 20}
    # A wobble as large as the margin is no rise.
    assert noisy(learned(9, 1.2), wobble=0.02).get(verdict.BEST_POINT, 0) >= 18


def test_a_training_loss_that_climbs_is_unstable() -> None:
    diverged = run(400, lambda share: FALLING(min(share, 0.6)) + 4 * max(0, share - 0.6), noise=0.2)
    assert verdict_of(diverged).kind == verdict.UNSTABLE
    bump = run(400, lambda share: FALLING(share) + (2 if 0.5 < share < 0.55 else 0), learned(9), noise=0.2)
    assert verdict_of(bump).kind == verdict.UNSTABLE
    swinging = run(400, FALLING, lambda share: 1.2 + (0.4 if round(share * 10) % 2 else 0))
    assert verdict_of(swinging).kind == verdict.UNSTABLE


def test_hard_rows_are_no_instability() -> None:
    def heavy(seed: int) -> list[LossPoint]:
        dice = np.random.default_rng(seed)
        points = run(400, FALLING, learned(9, 1.2), noise=0.2, seed=seed)
        hard = [LossPoint(p.step, p.epoch, p.learning_rate, 4 * p.loss, p.validation_loss) for p in points]
        return [one if dice.random() > 0.05 else other for one, other in zip(points, hard, strict=True)]

    assert kinds(heavy) == {verdict.BEST_POINT: 20}


def test_a_loss_near_nothing_may_wobble() -> None:
    told = verdict_of(run(400, lambda share: 0.01 + 0.01 * (share > 0.5) + FALLING(share) - 1, over(0.5, 1)))
    assert told.kind == verdict.OVER_FITTED


def test_without_validation_rows_only_a_first_pass_can_be_judged() -> None:
    def alone(shape: Shape, epochs: float) -> LossVerdict:
        return verdict_of(run(300, shape, noise=0.1, epochs=epochs))

    first = alone(learned(1), 1)
    assert (first.kind, first.validated, first.measurements) == (verdict.UNDER_FITTED, False, 0)
    assert alone(FALLING, 1).kind == verdict.NOT_VALIDATED
    assert alone(learned(1), 3).kind == verdict.NOT_VALIDATED


def test_little_says_little() -> None:
    assert verdict_of([]) == LossVerdict(verdict.TOO_FEW_POINTS)
    one = verdict_of(run(1, FALLING))
    assert (one.kind, one.best_step, one.steps, one.slope) == (verdict.TOO_FEW_POINTS, 1, 1, 0)
    assert verdict_of(run(19, learned(1), epochs=1)).kind == verdict.TOO_FEW_POINTS
    twice = verdict_of(run(40, FALLING, FALLING, every=20))
    assert (twice.kind, twice.measurements, twice.last_step) == (verdict.TOO_FEW_POINTS, 2, 40)
    assert verdict_of([LossPoint(step, 0, 0, 0.0, 0.0) for step in range(50)]).kind == verdict.BEST_POINT
