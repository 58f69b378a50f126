"""Seconds and memory of the search for near copies, of leaks and of the split, by the number of texts.

`python -m tests.bench.dataset_copies` prints one JSON object. Each figure is measured in a process of its
own:

- `questions`: grouping of questions of some 80 characters, one in ten a changed copy;
- `texts`: the same of texts of some 1,000 characters;
- `chinese`: the same of Chinese questions of some 40 characters;
- `template`: of texts of one template, all 0.6 alike and none a copy but one in a thousand, the worst case;
- `equal`: of one text again and again;
- `leaks`: which of the questions are like one of a tenth of them;
- `ngrams`: which share 13 words with one of a thousandth of them;
- `embedding`: grouping of vectors of 256 numbers (up to 100,000 only);
- `split`: train, validation and exam of so many entries.

For each `CASE_s`, `CASE_cpu_s` (of all threads) and `CASE_peak_mb` by size, and `growth`: how many times the
CPU seconds ten times the texts take (n log n: 12 to 13). `compiled` is 1 if the C of
`services/dataset/copies/c` was compiled, else 0. `caught` is the share of copies found in the largest run of
`questions`, `texts`, `chinese` and `template`.

`--sizes 10000,100000` measures less; `--cases questions,split` as well.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np

from services.dataset.copies.embeddings import near_by_embedding
from services.dataset.copies.grouping import Indices, group_near_copies, leaked
from services.dataset.copies.native import compiled
from services.dataset.copies.ngrams import shared_ngrams
from services.dataset.copies.sketches import sketch
from services.dataset.versions.choosing import Side
from services.dataset.versions.split_columns import Columns, seeded_places
from services.dataset.versions.splitting import split
from tests.integration.stores import ROOT

SIZES = (10_000, 100_000, 1_000_000)
LARGEST_EMBEDDING = 100_000
THRESHOLD = 0.7
SECONDS = 3600
ENGLISH = "etaoinshrdlucmfwypvbgkqjxz"
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
TEMPLATE = "According to the text what is the value that belongs to the item "


def main() -> None:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.dataset_copies")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--one", nargs=2, metavar=("CASE", "SIZE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measured(arguments.one[0], int(arguments.one[1]))))
        return
    figures: dict[str, object] = {"compiled": int(compiled is not None)}
    growth, caught, peaks = {}, {}, []
    for case in arguments.cases.split(","):
        found = [(size, apart(case, size)) for size in sizes_of(case, arguments.sizes)]
        figures[f"{case}_s"] = {size: one["s"] for size, one in found}
        figures[f"{case}_cpu_s"] = {size: one["cpu_s"] for size, one in found}
        figures[f"{case}_peak_mb"] = {size: one["peak_mb"] for size, one in found}
        growth[case] = [
            round(later["cpu_s"] / max(0.001, former["cpu_s"]), 1)
            for (_, former), (_, later) in pairwise(found)
        ]
        peaks += [one["peak_mb"] for _, one in found]
        if "caught" in found[-1][1]:
            caught[case] = found[-1][1]["caught"]
    print(json.dumps({**figures, "growth": growth, "caught": caught, "peak_mb": max(peaks)}))


def sizes_of(case: str, sizes: str) -> list[int]:
    """The sizes at which a case is measured."""
    most = LARGEST_EMBEDDING if case == "embedding" else max(SIZES)
    return [size for size in map(int, sizes.split(",")) if size <= most]


def apart(case: str, size: int) -> dict[str, float]:
    """The figures of one run, in a process of its own."""
    sys.stderr.write(f"{case} {size:,} ...\n")
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.dataset_copies", "--one", case, str(size)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "clients" / "python")])},
        stdout=subprocess.PIPE,
        timeout=SECONDS,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measured(case: str, size: int) -> dict[str, float]:
    """Seconds, megabytes, and where it is known the share of copies found."""
    clock = Clock()
    spent, caught = CASES[case](size)
    taken = clock.seconds
    figures = {
        "s": round(taken.wall - spent.wall, 2),
        "cpu_s": round(taken.cpu - spent.cpu, 2),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    return figures if caught is None else {**figures, "caught": caught}


class Seconds(NamedTuple):
    """Of the clock on the wall, and of all threads."""

    wall: float = 0.0
    cpu: float = 0.0

    def plus(self, other: Seconds) -> Seconds:
        """Both together."""
        return Seconds(self.wall + other.wall, self.cpu + other.cpu)


class Clock:
    """Seconds since it was made."""

    def __init__(self, cpu: Callable[[], float] = time.process_time) -> None:
        self._cpu = cpu
        self._start = Seconds(time.perf_counter(), cpu())

    @property
    def seconds(self) -> Seconds:
        """The seconds so far."""
        return Seconds(time.perf_counter() - self._start.wall, self._cpu() - self._start.cpu)


Measured: TypeAlias = tuple[Seconds, float | None]
"""Seconds that do not count, and the share of copies found."""


class Made:
    """Texts, some of them changed copies of ones before; how long it takes to make them is counted apart.

    Args:
        size: how many.
        share: of them that are copies.
        fresh: makes a text.
        change: makes a copy of one.
    """

    def __init__(
        self,
        size: int,
        share: float,
        fresh: Callable[[random.Random], str],
        change: Callable[[random.Random, str], str],
    ) -> None:
        self.seconds = Seconds()
        self.copies: list[tuple[int, int]] = []
        self._size, self._share, self._fresh, self._change = size, share, fresh, change

    def __iter__(self) -> Iterator[str]:
        draw = random.Random(1)  # noqa: S311  # no secret
        some: list[tuple[int, str]] = []
        for at in range(self._size):
            clock = Clock(time.thread_time)
            if some and draw.random() < self._share:
                first, text = some[draw.randrange(len(some))]
                self.copies.append((first, at))
                text = self._change(draw, text)
            else:
                text = self._fresh(draw)
                if len(some) < 1000:
                    some.append((at, text))
            self.seconds = self.seconds.plus(clock.seconds)
            yield text

    def caught(self, groups: Indices) -> float:
        """The share of copies that are in the group of what they were made of."""
        return round(float(np.mean([groups[one] == groups[other] for one, other in self.copies])), 4)


def changed(draw: random.Random, text: str) -> str:
    """A copy that is told otherwise."""
    return draw.choice([text.upper(), "Q: " + text, text[:-3], text + "?", text.replace(" ", "  ")])


def words(count: int) -> Callable[[random.Random], str]:
    """Makes texts of so many words."""
    draw = random.Random(2)  # noqa: S311  # no secret
    known = ["".join(draw.choices(ENGLISH, range(26, 0, -1), k=draw.randint(3, 9))) for _ in range(20_000)]
    return lambda chance: " ".join(chance.choices(known, k=count))


def chinese(chance: random.Random) -> str:
    """A text of 40 Chinese letters."""
    return "".join(map(chr, chance.choices(range(0x4E00, 0x4E00 + 3000), k=40)))


def from_template(chance: random.Random) -> str:
    """A text of the template."""
    return TEMPLATE + "".join(chance.choices(LETTERS, k=17))


def grouped(share: float, fresh: Callable[[random.Random], str]) -> Callable[[int], Measured]:
    """Measures grouping: seconds that the texts took, and the share of copies found."""

    def run(size: int) -> Measured:
        made = Made(size, share, fresh, changed)
        groups = group_near_copies(made, THRESHOLD)
        clock = Clock()
        caught = made.caught(groups)
        return made.seconds.plus(clock.seconds), caught

    return run


def equal(size: int) -> Measured:
    """Groups one text again and again."""
    groups = group_near_copies(("What is the net profit of this year?" for _ in range(size)), THRESHOLD)
    return Seconds(), float(not groups.any())


def leaks(size: int) -> Measured:
    """Looks for the last tenth in all others."""
    made = Made(size, 0.1, words(12), changed)
    held = sketch(made)
    rows = np.arange(size)
    leaked(held, rows[size // 10 * 9 :], rows[: size // 10 * 9], THRESHOLD)
    return made.seconds, None


def ngrams(size: int) -> Measured:
    """Looks for the first thousandth in all."""
    made = Made(size, 0.1, words(14), changed)
    left = iter(made)
    kept = [next(left) for _ in range(size // 1000)]
    sum(1 for _ in shared_ngrams(kept, left))
    return made.seconds, None


def embedding(size: int) -> Measured:
    """Groups vectors."""
    clock = Clock()
    vectors = np.random.Generator(np.random.PCG64(1)).standard_normal((size, 256), dtype=np.float32)
    spent = clock.seconds
    near_by_embedding(vectors, 0.9)
    return spent, None


def split_of(size: int) -> Measured:
    """Splits entries of a hundredth as many documents, with near copies and facts."""
    clock = Clock()
    draw = np.random.Generator(np.random.PCG64(1))
    rows = np.arange(size)
    digests, ids = [f"{row:064x}" for row in range(size)], [f"{row:036}" for row in range(size)]
    groups = np.where(draw.random(size) < 0.1, draw.integers(0, size, size), rows)
    strata, facts = draw.integers(0, size // 100, size), draw.integers(-1, size // 3, size)
    exam_only = draw.random(size) < 0.0001
    spent = clock.seconds
    columns = Columns(seeded_places(digests, ids, 1), groups, strata, facts, exam_only)
    split(columns, Side(0.1), Side(0.05))
    return spent, None


CASES: dict[str, Callable[[int], Measured]] = {
    "questions": grouped(0.1, words(12)),
    "texts": grouped(0.1, words(145)),
    "chinese": grouped(0.1, chinese),
    "template": grouped(0.001, from_template),
    "equal": equal,
    "leaks": leaks,
    "ngrams": ngrams,
    "embedding": embedding,
    "split": split_of,
}

if __name__ == "__main__":
    main()
