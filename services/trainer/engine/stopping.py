"""Turning SIGTERM and Ctrl-C into an orderly end."""

from __future__ import annotations

import signal
from types import FrameType

from services.trainer.engine.errors import Stopped


class StopSignal:
    """Before the first step a signal ends the run at once; then it waits for the step to be done."""

    def __init__(self) -> None:
        self.requested = False
        self._at_once = True

    def listen(self) -> None:
        """Take over SIGTERM and SIGINT; only the main thread may."""
        signal.signal(signal.SIGTERM, self._handle)
        signal.signal(signal.SIGINT, self._handle)

    def wait_for_step(self) -> None:
        """From now on only note a request; the loop looks at `requested`."""
        self._at_once = False

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self.requested = True
        if self._at_once:
            raise Stopped
