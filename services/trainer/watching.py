"""Watch a run: what it is now, and its steps as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from services.trainer.store import Store
from services.trainer.training_runs import TrainingRun, TrainingStep

WATCH_SECONDS = 0.25
MOST_STEPS = 1000


@dataclass(frozen=True)
class Sight:
    """The run as it stands, the steps that came since the sight before, and the place in the stream."""

    run: TrainingRun
    steps: list[TrainingStep]
    position: int


async def watch_run(store: Store, run_id: str, after_step: int, position: int = 0) -> AsyncIterator[Sight]:
    """The run at once with the steps after `after_step`, then after each change, until it has ended.

    A step that is done again after a resume comes again.

    The caller's deadline ends the wait; whoever saw some of it goes on from the position of the last sight.

    Raises:
        NotFound: there is no such run, or it was deleted.
    """
    seen: TrainingRun | None = None
    while True:
        # The run first: when it has ended, the steps read after it are all there are.
        run = await store.get_run(run_id)
        steps, position = await store.new_steps(run_id, after_step, position, MOST_STEPS)
        if steps or run != seen:
            yield Sight(run, steps, position)
            seen = run
        if len(steps) == MOST_STEPS:
            continue
        if run.job.ended:
            return
        await asyncio.sleep(WATCH_SECONDS)
