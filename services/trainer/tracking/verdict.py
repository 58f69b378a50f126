"""What the loss curves of a run say: is it under-fitted, at its best point, over-fitted, unstable?

Pure arithmetic on the measured steps. All losses are in nats. Thresholds are shares of the loss, so that a
verdict does not depend on how hard the text is, and never less than what the curve's own noise explains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Series = NDArray[np.float64]

TOO_FEW_POINTS = "too_few_points"
UNDER_FITTED = "under_fitted"
BEST_POINT = "best_point"
OVER_FITTED = "over_fitted"
UNSTABLE = "unstable"
NOT_VALIDATED = "not_validated"
"""There are no validation rows, and rows were seen twice: what the training loss says is no answer."""

LEAST_STEPS = 20
LEAST_MEASUREMENTS = 3
MARGIN = 0.02
"""Share of the loss that a rise or an expected fall must have to count."""
CLIMB = 0.3
"""Share of the loss by which a smoothed curve that climbs is unstable."""
LEAST_CLIMB = 0.05
"""Nats below which no climb is more than a wobble: of a loss near 0 every share is small."""
SWING = 0.1
"""Share of the loss by which validation goes up and down again when it swings."""
MOST_SWINGS = 1
NOISES = 4.0
"""So many standard deviations of the noise count as more than noise: the lowest of many lies two below."""
ERRORS = 3.0
"""So many standard errors of a slope count as a slope."""
CLIMB_NOISES = 6.0
"""The same of a smoothed curve, which is looked at in very many places."""
WINDOWS = (9, 25)
"""Shortest and longest window of the smoothing, in steps."""
PART = 1 / 3
"""Share of the run over which the slope at the end is taken."""
ENOUGH_FOR_NOISE = 5
TURN_OF_NOISE = 0.564
"""What `wobble` measures of independent noise with a standard deviation of 1 (by simulation)."""
ONE_PASS = 1.05
"""Passes up to which hardly any row is seen twice."""
BLOCKS = 12


@dataclass(frozen=True)
class LossPoint:
    """Losses of one step."""

    step: int
    epoch: float
    learning_rate: float
    loss: float
    validation_loss: float | None = None


@dataclass(frozen=True)
class LossVerdict:
    """What the curves say, and the figures that it rests on."""

    kind: str
    validated: bool = False
    """Whether it rests on the validation loss; else on the training loss."""
    best_step: int = 0
    """Step with the lowest loss; 0 where there is no step."""
    best_loss: float = 0.0
    last_step: int = 0
    last_loss: float = 0.0
    rise: float = 0.0
    """How far the last loss lies above the lowest."""
    slope: float = 0.0
    """Change of the loss in 100 steps over the last third of the run."""
    expected_fall: float = 0.0
    """How far another third of the run, at the rates it had on average, would lower the loss; 0 or more."""
    measurements: int = 0
    """Measurements on the validation rows."""
    steps: int = 0


def verdict_of(points: Sequence[LossPoint]) -> LossVerdict:
    """The verdict on a run so far.

    Args:
        points: its steps by number, a number once.
    """
    measured = [point for point in points if point.validation_loss is not None]
    steps, count = len(points), len(measured)
    curve = Curve.of_measurements(points) if measured else Curve.of_training(points)
    if curve is None:
        return LossVerdict(TOO_FEW_POINTS, steps=steps)
    found = replace(curve.figures(), validated=bool(measured), measurements=count, steps=steps)
    enough = count >= LEAST_MEASUREMENTS if measured else steps >= LEAST_STEPS
    if climbs(np.array([point.loss for point in points])) or (measured and swings(curve.losses)):
        return replace(found, kind=UNSTABLE)
    if not enough:
        return found
    if measured:
        return replace(found, kind=_fit(curve))
    falls = points[-1].epoch <= ONE_PASS and curve.falls()
    return replace(found, kind=UNDER_FITTED if falls else NOT_VALIDATED)


def _fit(curve: Curve) -> str:
    if curve.rises():
        return OVER_FITTED
    return UNDER_FITTED if curve.falls() else BEST_POINT


@dataclass(frozen=True)
class Curve:
    """A loss over a run.

    Args:
        steps: numbers of the steps.
        ways: learning rates added up to there, in steps of the mean rate: a run learns as much on equal ways.
        losses: at these steps.
        noise: standard deviation of a loss about the curve; 0 where it cannot be told.
    """

    steps: NDArray[np.int64]
    ways: Series
    losses: Series
    noise: float

    @classmethod
    def of_measurements(cls, points: Sequence[LossPoint]) -> Curve:
        """The validation loss; there is one at least."""
        ways = ways_of(points)
        found = [
            (point.step, way, point.validation_loss)
            for point, way in zip(points, ways, strict=True)
            if point.validation_loss is not None
        ]
        steps, at, losses = zip(*found, strict=True)
        values = np.array(losses)
        return cls(np.array(steps), np.array(at), values, wobble(values))

    @classmethod
    def of_training(cls, points: Sequence[LossPoint]) -> Curve | None:
        """The training loss in some blocks of steps, as single steps are of rows that differ."""
        if not points:
            return None
        parts = np.array_split(np.arange(len(points)), min(BLOCKS, len(points)))
        ways, losses = ways_of(points), np.array([point.loss for point in points])
        numbers = np.array([point.step for point in points])
        noise = step_noise(losses) / np.sqrt(len(parts[0]))
        return cls(
            np.array([numbers[part[-1]] for part in parts]),
            np.array([ways[part].mean() for part in parts]),
            np.array([losses[part].mean() for part in parts]),
            float(noise),
        )

    @property
    def best(self) -> int:
        """Place of the lowest loss."""
        return int(self.losses.argmin())

    @property
    def margin(self) -> float:
        """What counts as a rise."""
        return max(self._share, NOISES * self.noise)

    @property
    def _share(self) -> float:
        return MARGIN * abs(float(self.losses[self.best]))

    def figures(self) -> LossVerdict:
        """What was measured, before anything is said of it."""
        best, last = float(self.losses[self.best]), float(self.losses[-1])
        return LossVerdict(
            TOO_FEW_POINTS,
            best_step=int(self.steps[self.best]),
            best_loss=best,
            last_step=int(self.steps[-1]),
            last_loss=last,
            rise=last - best,
            slope=100 * slope_of(self.steps[self.end :].astype(float), self.losses[self.end :]),
            expected_fall=self.expected_fall(),
        )

    def rises(self) -> bool:
        """Whether the loss lies above its lowest, on average of the last two that came after that."""
        after = self.losses[max(self.best + 1, len(self.losses) - 2) :]
        return after.size > 0 and float(after.mean() - self.losses[self.best]) > self.margin

    def falls(self) -> bool:
        """Whether another third would lower the loss by something, and the noise does not explain it."""
        return self.expected_fall() > max(self._share, ERRORS * self._doubt())

    @property
    def end(self) -> int:
        """Place where the last third begins; of two points or more it has two at least."""
        from_way = self.ways[-1] * (1 - PART)
        first = int(np.searchsorted(self.ways, from_way))
        return max(0, min(first, len(self.ways) - 2))

    def expected_fall(self) -> float:
        """How far another third of the run would lower the loss, if it went on as over the last third."""
        slope = slope_of(self.ways[self.end :], self.losses[self.end :])
        return max(0.0, -slope * PART * float(self.ways[-1]))

    def _doubt(self) -> float:
        """Standard error of the expected fall."""
        spread = self.ways[self.end :] - self.ways[self.end :].mean()
        length = float(np.sqrt((spread**2).sum()))
        return self.noise / length * PART * float(self.ways[-1]) if length else 0.0


def ways_of(points: Sequence[LossPoint]) -> Series:
    """How much a run could learn up to each step, in steps of its mean rate.

    Where a rate falls to nothing, the loss stands still at the end whether all is learned or not.
    """
    rates = np.array([point.learning_rate for point in points], dtype=np.float64)
    mean = rates.mean() if rates.size else 0.0
    return np.cumsum(rates / mean) if mean > 0 else np.arange(1.0, len(points) + 1)


def slope_of(places: Series, losses: Series) -> float:
    """Slope of the line through points, by least squares; 0 of a single point."""
    spread = places - places.mean()
    total = float((spread**2).sum())
    return float((spread * losses).sum()) / total if total else 0.0


def wobble(losses: Series) -> float:
    """Noise of a curve over its second half: how far it goes to and fro, as a curve by itself turns once."""
    moves = np.diff(losses[-max(ENOUGH_FOR_NOISE, len(losses) // 2) :])
    if len(moves) < ENOUGH_FOR_NOISE - 1:
        return 0.0
    first, second = moves[:-1], moves[1:]
    turns = np.where(first * second < 0, np.minimum(np.abs(first), np.abs(second)), 0.0)
    return float(turns.mean()) / TURN_OF_NOISE


def step_noise(losses: Series) -> float:
    """Noise of single steps: what one does not share with the next (first differences, by their median)."""
    if len(losses) < ENOUGH_FOR_NOISE:
        return 0.0
    return float(1.4826 * np.median(np.abs(np.diff(losses))) / np.sqrt(2))


def climbs(losses: Series) -> bool:
    """Whether the training loss climbs far at any time: that is no over-fitting, but a run off its way.

    The curve is smoothed by medians, so that rows that are hard by themselves are no climb.
    """
    shortest, longest = WINDOWS
    window = min(longest, max(shortest, len(losses) // 20))
    if len(losses) < 2 * window:
        return False
    smooth = np.median(sliding_window_view(losses, window), axis=-1)
    lowest = np.minimum.accumulate(smooth)
    noise = CLIMB_NOISES * step_noise(losses) / np.sqrt(window)
    return bool((smooth - lowest > np.maximum(CLIMB * np.abs(lowest), max(LEAST_CLIMB, noise))).any())


def swings(losses: Series) -> bool:
    """Whether a validation loss goes up and down again by a tenth, more than once."""
    found, low, high = 0, float(losses[0]), None
    for loss in losses.tolist():
        step = SWING * abs(low)
        if high is None:
            low = min(low, loss)
            high = loss if loss > low + step else None
        elif loss < high - step:
            found, low, high = found + 1, loss, None
        else:
            high = max(high, loss)
    return found > MOST_SWINGS
