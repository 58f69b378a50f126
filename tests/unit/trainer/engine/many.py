"""A run on several processes, forked from this one so that nobody imports torch again."""

from __future__ import annotations

import importlib
import os
import socket
import sys
import traceback

import torch

from services.trainer.engine import loop  # noqa: F401  # so that no child has to read it
from services.trainer.engine.run import run
from services.trainer.engine.spec import TrainSpec
from services.trainer.engine.stopping import StopSignal


def read_deepspeed() -> None:
    """Import DeepSpeed, which takes long, once for all processes; else each would."""
    # As the engine does, for the same reasons.
    os.environ["DS_ACCELERATOR"] = "cpu"
    os.environ.setdefault("LOCAL_SIZE", "2")
    importlib.import_module("deepspeed")


def train_on(spec: TrainSpec, ranks: int) -> list[int]:
    """Do a run on CPU processes that talk by gloo; returns their exit codes."""
    torch.set_num_threads(1)
    port = _free_port()
    children = [_fork(spec, rank, ranks, port) for rank in range(ranks)]
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def _fork(spec: TrainSpec, rank: int, ranks: int, port: int) -> int:
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.environ |= {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(ranks),
            "LOCAL_WORLD_SIZE": str(ranks),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "GLOO_SOCKET_IFNAME": "lo",
        }
        code = run(spec, StopSignal())
    except BaseException:  # whatever it is, the parent's tests must not run on in the child
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
