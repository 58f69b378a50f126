"""The run's processes on this machine, one a device, by `torchrun`.

It is called by its parts, since as a program it ends with 1 whatever the processes ended with.
For several machines start `torchrun` yourself on each, with `-m services.trainer.engine SPEC.json`.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import uuid
from pathlib import Path

from services.trainer.engine.errors import Stopped
from services.trainer.engine.spec import TrainSpec

PR_SET_PDEATHSIG = 1
"""From <linux/prctl.h>."""


def launch(path: Path, spec: TrainSpec) -> int:
    """Run the spec's file on as many devices as it asks for; returns the exit code."""
    # A wrong spec is told without torch.
    from torch.distributed.elastic.multiprocessing.api import SignalException  # noqa: PLC0415
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError  # noqa: PLC0415
    from torch.distributed.launcher.api import elastic_launch  # noqa: PLC0415
    from torch.distributed.run import config_from_args, parse_args  # noqa: PLC0415

    threads = spec.threads or max(1, (os.cpu_count() or 1) // spec.devices)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    # Between processes of one machine; by default gloo asks how the machine's name resolves.
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    # As `--standalone`, which only torchrun itself reads: a meeting of this run alone, on any free port.
    options = ["--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", f"--rdzv-id={uuid.uuid4()}"]
    options += [f"--nproc-per-node={spec.devices}", "--local-addr=127.0.0.1"]
    options += ["--monitor-interval=0.2", "-m", "services.trainer.engine", str(path)]
    config, command, arguments = config_from_args(parse_args(options))  # type: ignore[no-untyped-call]
    try:
        elastic_launch(config, command)(*arguments)
    except ChildFailedError as error:
        return _ended(error.get_first_failure()[1].exitcode)
    except SignalException:
        return Stopped.exit_code
    return 0


def _ended(code: int) -> int:
    """End as the process did that failed first: by its signal, or with its exit code."""
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


def tie_to_parent() -> None:
    """Let this process die with `torchrun`, which starts it in a session of its own."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
