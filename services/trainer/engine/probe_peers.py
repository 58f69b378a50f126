"""Processes that gather from each other, to see whether they can and how fast: a part of the probe."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from services.trainer.engine.parallel.launch import tie_to_parent

SECONDS = 60.0
"""Deadline of the whole meeting; a broken path between two cards shows as a hang."""
PART_BYTES = {"nccl": 64 * 2**20, "gloo": 4 * 2**20}
"""What each process gives."""
ROUNDS = 5


def meet(backend: str, ranks: int) -> dict[str, Any]:
    """Let so many processes gather; what the first measured.

    Raises:
        TimeoutError: they hang; they are killed.
        RuntimeError: one of them failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        peers = [_start(Path(folder), backend, rank, ranks) for rank in range(ranks)]
        try:
            _wait(peers)
            return dict(json.loads((Path(folder) / "found").read_text(encoding="utf-8")))
        finally:
            for peer in peers:
                peer.kill()
                peer.wait()


def _start(folder: Path, backend: str, rank: int, ranks: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "services.trainer.engine.probe_peers", str(folder), backend]
    # gloo would ask how the machine's name resolves.
    environment = {"GLOO_SOCKET_IFNAME": "lo", **os.environ}
    command += [str(rank), str(ranks)]
    return subprocess.Popen(command, env=environment, stdout=sys.stderr, stdin=subprocess.DEVNULL)


def _wait(peers: list[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + SECONDS
    while any(peer.poll() is None for peer in peers):
        failed = [peer.returncode for peer in peers if peer.returncode]
        if failed:
            break
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(peers)} processes did not gather within {SECONDS:g} s")
        time.sleep(0.02)
    for rank, peer in enumerate(peers):
        if peer.returncode:
            raise RuntimeError(f"process {rank} of {len(peers)} ended with {peer.returncode}")


def take_part(folder: Path, backend: str, rank: int, ranks: int) -> None:
    """Gather with the others; the first writes what it measured."""
    import torch  # noqa: PLC0415 - the parent imports this module too, and needs none of it
    from torch import distributed  # noqa: PLC0415

    device = torch.device("cuda", rank) if backend == "nccl" else torch.device("cpu")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    meeting = f"file://{folder / 'meeting'}"
    distributed.init_process_group(
        backend, init_method=meeting, rank=rank, world_size=ranks, timeout=timedelta(seconds=SECONDS)
    )
    part = torch.full((PART_BYTES[backend],), rank, dtype=torch.uint8, device=device)
    parts = [torch.empty_like(part) for _ in range(ranks)]

    def gather() -> float:
        distributed.barrier()
        began = time.perf_counter()
        distributed.all_gather(parts, part)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - began

    # The first round also opens the connections.
    seconds = min([gather() for _ in range(ROUNDS + 1)][1:])
    wrong = [number for number, each in enumerate(parts) if not bool((each == number).all())]
    if wrong:
        raise ArithmeticError(f"what came from {wrong} is not what was sent")
    received = (ranks - 1) * PART_BYTES[backend]
    if rank == 0:
        rate = received / seconds if received else None
        found = {"backend": backend, "ranks": ranks, "bytes": received, "bytes_per_second": rate}
        (folder / "found").write_text(json.dumps(found), encoding="utf-8")
    distributed.barrier()
    with contextlib.suppress(Exception):  # the measurement is done
        distributed.destroy_process_group()


if __name__ == "__main__":
    tie_to_parent()
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("backend")
    parser.add_argument("rank", type=int)
    parser.add_argument("ranks", type=int)
    take_part(**vars(parser.parse_args()))
