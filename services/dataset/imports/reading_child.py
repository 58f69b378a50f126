"""`python -m services.dataset.imports.reading_child`: read a file for the process that started this one."""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import sys
import threading

from services.dataset.imports.blocks import Outcome, Reading, Task
from services.dataset.imports.disk import disk_errors
from services.dataset.imports.reading_process import END, HEAD, Ended
from services.dataset.tokenizers import NAMING
from services.runtime.errors import SishuError
from services.runtime.tokenizers import load_tokenizer

ORPHANED = 3
"""How this process ends where nobody waits for it."""
OBJECTS_BETWEEN_LOOKS = 50_000
"""Rows make no objects that point at one another in circles: Python need not look for those often."""


def main() -> None:
    """Do the task of the standard input."""
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_LOOKS)
    task: Task = pickle.load(sys.stdin.buffer)  # noqa: S301  # from the process that started this one
    threading.Thread(target=end_with_parent, daemon=True).start()
    target = sys.stdout.buffer
    reading, error = None, None
    try:
        with disk_errors():
            reading = Reading(task, load_tokenizer(task.tokenizer, NAMING) if task.tokenizer else None)
            for block in reading.blocks():
                target.write(HEAD.pack(block.rows, len(block.examples), len(block.contents)))
                target.write(block.examples)
                target.write(block.contents)
                target.flush()
    except SishuError as raised:
        error = (raised.code, raised.reason, raised.message, raised.field, dict(raised.metadata))
    ended = pickle.dumps(Ended(reading.outcome() if reading else Outcome(), error))
    target.write(HEAD.pack(END, len(ended), 0))
    target.write(ended)
    target.flush()


def end_with_parent() -> None:
    """End at once when stdin ends: who started us holds the other end, and wants nothing any more."""
    # Not by the stream: a thread within its buffered reader aborts the interpreter at the end.
    while os.read(0, 1):
        pass
    os._exit(ORPHANED)


if __name__ == "__main__":
    # Who started us may have been cancelled, or killed.
    with contextlib.suppress(BrokenPipeError):
        main()
