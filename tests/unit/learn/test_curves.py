"""The curves of a run: what is smoothed, how fast it goes, and a watch that breaks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from sishu.client import Client
from sishu.errors import UNREACHABLE, ApiError
from sishu.learn import watching
from sishu.learn.curve_picture import DrawnRun, draw_runs
from sishu.learn.curves import Curves, all_steps, clock, smoothed, thinned, watched_run
from sishu.trainer.v1 import training_service_pb2 as pb
from sishu.trainer.v1.training_run_pb2 import TrainingStep

WORDS = {name: name for name in ("step", "loss", "rate", "train", "validation", "best")}


def step(number: int, loss: float = 1.0, seconds: float | None = None, **values: Any) -> TrainingStep:
    time = Timestamp(nanos=0)
    time.FromNanoseconds(round(1e9 * (number if seconds is None else seconds)))
    return TrainingStep(step=number, loss=loss, time=time, **values)


@dataclass
class Room:
    """A trainer room whose connection breaks after so many sights."""

    sights: Sequence[pb.WatchTrainingRunResponse]
    breaks_after: int
    asked: list[tuple[int, int]] = field(default_factory=list)

    async def WatchTrainingRun(
        self, request: pb.WatchTrainingRunRequest
    ) -> AsyncIterator[pb.WatchTrainingRunResponse]:
        self.asked.append((request.after_step, request.after_position))
        left = [sight for sight in self.sights if sight.position > request.after_position]
        for sight in left[: self.breaks_after]:
            yield sight
        if len(left) > self.breaks_after:
            raise ApiError("UNAVAILABLE", UNREACHABLE, "gone")

    async def ListTrainingSteps(self, request: pb.ListTrainingStepsRequest) -> pb.ListTrainingStepsResponse:
        at = int(request.page_token or 0)
        token = str(at + 1) if at + 1 < len(self.sights) else ""
        return pb.ListTrainingStepsResponse(
            training_steps=self.sights[at].training_steps, next_page_token=token
        )

    @property
    def client(self) -> Client:
        return cast(Client, SimpleNamespace(training=self))


SIGHTS = [
    pb.WatchTrainingRunResponse(training_steps=[step(number, loss)], position=position)
    for position, (number, loss) in enumerate([(3, 5.0), (4, 4.0), (3, 3.0), (4, 2.0), (5, 1.0)], 1)
]


async def test_a_watch_that_breaks_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "PAUSE_SECONDS", 0)
    room, curves = Room(SIGHTS, breaks_after=2), Curves()
    seen = 0
    async for sight in watched_run(room.client, "r", after_step=2):
        curves.add(sight.training_steps)
        seen += 1
    assert seen == 5
    assert room.asked == [(2, 0), (2, 2), (2, 4)]
    # Steps that were done again count as measured last.
    assert curves.loss == [(3, 3.0), (4, 2.0), (5, 1.0)]


async def test_all_steps_are_read_page_by_page() -> None:
    found = await all_steps(Room(SIGHTS, 9).client, "r")
    assert [one.step for one in found] == [3, 4, 3, 4, 5]


def test_the_pace_is_that_of_the_present_process() -> None:
    first = [step(number, seconds=2.0 * number) for number in range(1, 20)]
    resumed = [step(number, seconds=9000 + 2.0 * number) for number in range(20, 30)]
    assert Curves(first + resumed).seconds_per_step() == pytest.approx(2.0)
    # Every fifth step is followed by a measurement, which takes time as well.
    measured = [step(number, seconds=number + number // 5) for number in range(1, 41)]
    assert Curves(measured).seconds_per_step() == pytest.approx(47 / 39)
    assert Curves([step(1)]).seconds_per_step() == Curves().seconds_per_step() == 0
    assert (clock(59.6), clock(61), clock(3723)) == ("1:00", "1:01", "1:02:03")


def test_smoothing_keeps_a_level_and_begins_at_the_first_step() -> None:
    level = smoothed([(number, 2.0) for number in range(9)])
    assert [loss for _, loss in level] == pytest.approx([2.0] * 9)
    zigzag = smoothed([(number, float(number % 2)) for number in range(300)])
    assert zigzag[0] == (0, 0.0)
    assert all(abs(loss - 0.5) < 0.1 for _, loss in zigzag[50:])
    assert smoothed([]) == thinned([], 9) == []
    assert thinned([(n, float(n)) for n in range(100)], 10)[0] == (5, 4.5)


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_one_run_or_several_are_drawn(tmp_path: Path, kind: str) -> None:
    steps = [
        step(n, 3 / n, learning_rate=1e-4, validation_loss=4 / n if n % 5 == 0 else None)
        for n in range(1, 31)
    ]
    runs = [
        DrawnRun("_costs $5 and $6", Curves(steps), 30),
        DrawnRun("学校", Curves(steps[:9]), 5),
        DrawnRun("new", Curves()),
    ]
    out = tmp_path / f"curve.{kind}"
    draw_runs(runs if kind == "svg" else runs[:1], WORDS, out)
    begin = out.read_bytes()[:200]
    assert {"png": b"\x89PNG", "svg": b"<?xml"}[kind] in begin
    if kind == "svg":
        text = out.read_text(encoding="utf-8")
        assert text.count("_costs $5 and $6: train") == 1
        assert "学校: validation" in text
        assert "best (step 30: 0.1333)" in text
