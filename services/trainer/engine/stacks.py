"""Every process of a run writes its stacks into the run's folder when it is asked to, even where it hangs."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.trainer.engine.parallel import place

FOLDER = "stacks"
SIGNAL = signal.SIGUSR1


@contextmanager
def listening(output_dir: Path) -> Iterator[None]:
    """Meanwhile the signal has this process write where all its threads are.

    The handler needs neither the interpreter nor its lock, so that it works in a call that hangs. Nothing
    happens where the disk does not take the files: a run needs none of this.
    """
    with contextlib.ExitStack() as ending:
        with contextlib.suppress(OSError):
            folder = output_dir / FOLDER
            folder.mkdir(parents=True, exist_ok=True)
            target = ending.enter_context((folder / f"rank-{place.rank()}.txt").open("ab"))
            faulthandler.register(SIGNAL, target, all_threads=True)
            ending.callback(faulthandler.unregister, SIGNAL)
            # Whoever reads it sends the signal, and without a handler that would end the process.
            number = folder / f"rank-{place.rank()}.pid"
            ending.callback(number.unlink, missing_ok=True)
            number.write_text(str(os.getpid()))
        yield


def pid_files(folder: Path) -> Iterator[tuple[int, int, Path]]:
    """Rank, process and file of stacks of every process that listens, or did."""
    for path in sorted(folder.glob("rank-*.pid")):
        rank = path.stem.removeprefix("rank-")
        number = path.read_text().strip()
        if rank.isdigit() and number.isdigit():
            yield int(rank), int(number), path.with_suffix(".txt")
