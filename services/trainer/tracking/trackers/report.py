"""Follow the events of a run and tell a tracker, until the run has ended or the service says so."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from services.trainer.engine.events import FILE_NAME, read_events
from services.trainer.tracking.scalars import TokensSeen, scalars_of
from services.trainer.tracking.trackers.adapters import TrackedRun, Tracker
from services.trainer.tracking.trackers.state import read_state, write_state


class Reporter:
    """Tells a tracker of each step once: of steps that are done again it has the first.

    Args:
        name: of the tracker.
        tracker: the tracker.
        run: what it is told first.
        work: the run's folder.
    """

    def __init__(self, name: str, tracker: Tracker, run: TrackedRun, work: Path) -> None:
        self._name = name
        self._tracker = tracker
        self._run = run
        self._work = work
        self._state = read_state(work, name)
        self._seen = TokensSeen()
        self._offset = 0
        self._finished = False

    def follow(self, wait: Callable[[], bool]) -> None:
        """Tell of all that happens.

        Args:
            wait: waits a moment; true when nothing more comes.
        """
        if self._state.ended:
            return
        try:
            self._begin()
            stopping = False
            while not self._finished and not stopping:
                # Once more after the last word: what was written until then is told too.
                stopping = wait()
                self._catch_up()
            self._tracker.end(succeeded=self._finished)
            self._save(ended=self._finished, message="")
        except ImportError as error:
            self._save(message=f"{error}; install it for {sys.executable}, or set SISHU_TRACKER_PYTHON")
        # Some libraries end the program when they are not content.
        except (Exception, SystemExit) as error:  # whatever it is, the run goes on
            self._save(message=f"{type(error).__name__}: {error}"[:1000])

    def _begin(self) -> None:
        self._run.folder.mkdir(parents=True, exist_ok=True)
        remote_id = self._tracker.begin(self._run, self._state.remote_id)
        self._save(remote_id=remote_id, url=self._tracker.url(), message="")

    def _catch_up(self) -> None:
        before = self._state.reported
        for event, offset in read_events(self._work / FILE_NAME, self._offset):
            self._take(event)
            self._offset = offset
        if self._state.reported != before:
            self._save()

    def _take(self, event: dict[str, Any]) -> None:
        if event["type"] == "finished":
            self._finished = True
        if event["type"] != "step":
            return
        number = event["step"]
        tokens = self._seen.after(number, event["tokens"])
        if number > self._state.reported:
            self._tracker.log(number, scalars_of(event, tokens))
            self._state = replace(self._state, reported=number)

    def _save(self, **changes: Any) -> None:
        self._state = replace(self._state, **changes)
        write_state(self._work, self._name, self._state)
