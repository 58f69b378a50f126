"""The curves of a training run: its steps by number, and what a picture shows of them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import pairwise

from sishu.client import Client
from sishu.learn.watching import watched
from sishu.trainer.v1.training_run_pb2 import TrainingStep
from sishu.trainer.v1.training_service_pb2 import (
    ListTrainingStepsRequest,
    WatchTrainingRunRequest,
    WatchTrainingRunResponse,
)

Points = list[tuple[int, float]]

LEAST_SPAN = 5
SPANS = 30
"""The smoothing spans a thirtieth of the run."""
PACE_STEPS = 50
BREAK = 20.0
"""A pause so many times as long as a usual step is no part of the pace: the engine began anew."""


class Curves:
    """The steps of a run; of a number that comes again the later one."""

    def __init__(self, steps: Iterable[TrainingStep] = ()) -> None:
        self._steps: dict[int, TrainingStep] = {}
        self._sorted: list[TrainingStep] = []
        self.add(steps)

    def add(self, steps: Iterable[TrainingStep]) -> None:
        """Take further steps."""
        self._steps |= {step.step: step for step in steps}
        self._sorted = []

    @property
    def steps(self) -> list[TrainingStep]:
        """The steps by number."""
        if not self._sorted:
            self._sorted = [self._steps[number] for number in sorted(self._steps)]
        return self._sorted

    @property
    def loss(self) -> Points:
        """The training loss of every step, in nats."""
        return [(step.step, step.loss) for step in self.steps]

    @property
    def validation(self) -> Points:
        """The loss on the validation rows where it was measured."""
        return [(step.step, step.validation_loss) for step in self.steps if step.HasField("validation_loss")]

    @property
    def rate(self) -> Points:
        """The learning rate of every step."""
        return [(step.step, step.learning_rate) for step in self.steps]

    def seconds_per_step(self) -> float:
        """Mean wall-clock seconds of the last steps that were done without a break; 0 before two of them.

        Measurements and checkpoints between steps count.
        """
        times = [step.time.ToNanoseconds() / 1e9 for step in self.steps[-PACE_STEPS:]]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        usual = sorted(gaps)[len(gaps) // 2] if gaps else 0.0
        kept = [gap for gap in gaps if 0 <= gap <= BREAK * max(usual, 0.01)]
        return sum(kept) / len(kept) if kept else 0.0


def smoothed(points: Points) -> Points:
    """An exponential moving average over about a thirtieth of the run; at first over what is there."""
    keep = 1 - 2 / (max(LEAST_SPAN, len(points) / SPANS) + 1)
    found: Points = []
    total = weight = 0.0
    for step, loss in points:
        total, weight = keep * total + loss, keep * weight + 1
        found.append((step, total / weight))
    return found


def thinned(points: Points, most: int) -> Points:
    """About so many points, each the mean of its neighbours."""
    size = -(-len(points) // most)
    groups = [points[at : at + size] for at in range(0, len(points), size)] if size else []
    return [(group[len(group) // 2][0], sum(loss for _, loss in group) / len(group)) for group in groups]


async def all_steps(client: Client, run_id: str) -> list[TrainingStep]:
    """Every step of a run by number."""
    request = ListTrainingStepsRequest(training_run_id=run_id, page_size=1000)
    found: list[TrainingStep] = []
    while True:
        page = await client.training.ListTrainingSteps(request)
        found += page.training_steps
        request.page_token = page.next_page_token
        if not request.page_token:
            return found


async def watched_run(
    client: Client, run_id: str, after_step: int = 0
) -> AsyncIterator[WatchTrainingRunResponse]:
    """A run and its steps as they come, until it has ended; over broken connections nothing is missed.

    Raises:
        ApiError: the room refused, or stayed away.
    """
    request = WatchTrainingRunRequest(id=run_id, after_step=after_step)
    async for sight in watched(lambda: client.training.WatchTrainingRun(request)):
        request.after_position = sight.position
        yield sight


def clock(seconds: float) -> str:
    """A time to go, such as `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Pace:
    """Says when to say something again.

    Args:
        seconds: between two times.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = float("-inf")

    def hurry(self) -> None:
        """Let it be time at once."""
        self._last = float("-inf")

    def due(self) -> bool:
        """Whether it is time; then the next time is later."""
        now = time.monotonic()
        if now - self._last < self._seconds:
            return False
        self._last = now
        return True


def span_of(points: Sequence[tuple[int, float]]) -> tuple[float, float]:
    """Lowest and highest value that a picture shows: steps far above nearly all others are cut off."""
    values = sorted(value for _, value in points)
    most = values[min(len(values) - 1, int(0.99 * len(values)))]
    low, high = values[0], max(most, values[len(values) // 2])
    room = 0.05 * (high - low) or abs(high) or 1.0
    return low - room, high + room
