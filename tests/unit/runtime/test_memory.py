"""Freed memory is kept while an item is worked on, and given back when it has ended."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from services.runtime.memory import glibc

PROGRAM = """
import asyncio, sys
import psutil
from services.runtime.memory import giving_back, keep_freed

def resident():
    return psutil.Process().memory_info().rss >> 20

if sys.argv[1] == "kept":
    keep_freed()
before = resident()

async def work(item):
    blocks = [bytearray(b"x" * (1 << 20)) for _ in range(200)]
    del blocks
    print(resident() - before)
    if item == "bad":
        raise ValueError(item)

async def main():
    for item in ("good", "bad"):
        try:
            await giving_back(work)(item)
        except ValueError:
            pass
        print(resident() - before)

asyncio.run(main())
"""


@pytest.mark.skipif(
    glibc() is None, reason="this C library is not glibc: nothing is set, and nothing given back"
)
def test_what_an_item_freed_is_kept_until_it_ends_and_not_longer() -> None:
    worked, ended, worked_again, failed = megabytes("kept")
    assert worked > 150 and worked_again > 150
    assert ended < 50 and failed < 50
    # Left alone, the library gives it back while the item is worked on.
    worked, _, worked_again, _ = megabytes("as usual")
    assert worked < 50 and worked_again < 50


def megabytes(how: str) -> list[int]:
    """Resident memory beyond that at the start: after what was freed in an item, and after each item."""
    command = [sys.executable, "-c", PROGRAM, how]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    return [int(line) for line in done.stdout.split()]
