"""How fast files are read into examples on one core, and how much memory a large file takes."""

from __future__ import annotations

import itertools
import json
import random
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from services.dataset.imports.blocks import BATCH
from services.dataset.imports.conversion import Wanted, converted
from services.dataset.imports.profile import Profile
from services.dataset.imports.readers import Source, read_rows
from services.dataset.imports.rows import Imported

ROWS = 100_000
ROUNDS = 3
ENGLISH = (
    "the pump of line {} runs at {} bar, and the valve behind it opens when the pressure falls below that"
)
CHINESE = "第{}号生产线的水泵以{}巴运行，当压力低于该值时，其后面的阀门打开，操作员必须在十分钟内确认报警"


def measure() -> dict[str, float]:
    """Rows a second of rows of about 1 KB, the best of some rounds, and the peak of the memory."""
    draw = random.Random(7)  # noqa: S311  # the same file in each run
    rows = [row(draw, number) for number in range(ROWS)]
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="bench-dataset-") as folder:
        for name, write in WRITERS.items():
            path = Path(folder) / name
            path.write_text(write(rows), encoding="utf-8")
            figures[f"read_{name.replace('.', '_')}_rows_s"] = max(rate(path) for _ in range(ROUNDS))
            figures["row_bytes"] = round(path.stat().st_size / ROWS)
        figures["read_peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return figures


def row(draw: random.Random, number: int) -> dict[str, Any]:
    """A row of about 1 KB, every second one in Chinese."""
    sentence, times = (CHINESE, 6) if number % 2 else (ENGLISH, 9)
    text = " ".join(sentence.format(number, draw.randrange(1000)) for _ in range(times))
    return {"instruction": f"{number}: {text[:80]}?", "input": "", "output": text, "system": ""}


def conversation(one: dict[str, Any]) -> dict[str, Any]:
    """The same row as messages."""
    return {
        "messages": [
            {"role": "user", "content": one["instruction"]},
            {"role": "assistant", "content": one["output"]},
        ]
    }


def lines(rows: list[Any]) -> str:
    """JSON Lines."""
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in rows)


WRITERS: dict[str, Callable[[list[Any]], str]] = {
    "alpaca.jsonl": lines,
    "messages.jsonl": lambda rows: lines([conversation(one) for one in rows]),
    "pretty.json": lambda rows: json.dumps(rows, ensure_ascii=False, indent=2),
}


def rate(path: Path) -> float:
    """Rows in a second of a core, from the file to examples and their profile."""
    start, count = time.process_time(), 0
    profile = Profile()
    rows = converted(read_rows(Source(path, path.name, path.parent)), path.name, Wanted())
    while some := list(itertools.islice(rows, BATCH)):
        profile.add_rows([one for one in some if isinstance(one, Imported)])
        count += len(some)
    profile.figures()
    assert count == ROWS
    return round(count / (time.process_time() - start))


if __name__ == "__main__":
    print(json.dumps(measure()))
