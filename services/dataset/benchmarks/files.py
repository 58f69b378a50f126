"""The files of a benchmark: its questions, and the signatures of what they ask, as Parquet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from services.dataset.benchmarks.items import Item
from services.dataset.benchmarks.leaks import THRESHOLD, WORDS, LeakGuard
from services.dataset.copies.sketches import LANES, Sketches
from services.dataset.copies.texts import normalise

QUESTIONS = pa.schema(
    {
        "file": pa.string(),
        "row": pa.int64(),
        "question": pa.string(),
        "choices": pa.list_(pa.string()),
        "answer": pa.string(),
    }
)
SIGNATURES = pa.schema(
    {
        "signature": pa.binary(LANES),
        "grams": pa.binary(),
        "size": pa.int32(),
        "key": pa.uint64(),
    }
)
"""A row for what each question asks, then for each that is asked with its choices, too, one more."""
GROUP = 1000
OFTEN = 2
"""Questions that may ask the same in the same words."""


def write_questions(items: Sequence[Item], path: Path) -> None:
    """Write the questions: equal ones give equal bytes."""
    columns = [
        pa.array(list(column), field.type) for column, field in zip(columns_of(items), QUESTIONS, strict=True)
    ]
    write(pa.Table.from_arrays(columns, schema=QUESTIONS), path)


def columns_of(items: Sequence[Item]) -> Iterator[Sequence[object]]:
    """The fields of questions, one after the other."""
    for name in QUESTIONS.names:
        yield [getattr(item, name) for item in items]


def read_questions(path: Path) -> list[Item]:
    """The questions of a file."""
    rows = pq.read_table(path, use_threads=False).to_pylist()
    return [Item(**{**row, "choices": tuple(row["choices"])}) for row in rows]


def write_signatures(held: Sketches, path: Path) -> None:
    """Write the sketches of what is asked."""
    starts = (4 * held.starts).astype(np.int32)
    grams = pa.Array.from_buffers(
        pa.binary(), len(held), [None, pa.py_buffer(starts), pa.py_buffer(np.ascontiguousarray(held.grams))]
    )
    signatures = pa.Array.from_buffers(
        pa.binary(LANES), len(held), [None, pa.py_buffer(np.ascontiguousarray(held.signatures))]
    )
    columns = [signatures, grams, pa.array(held.sizes, pa.int32()), pa.array(held.keys, pa.uint64())]
    write(pa.Table.from_arrays(columns, schema=SIGNATURES), path)


def read_signatures(path: Path) -> Sketches:
    """The sketches of a file."""
    table = pq.read_table(path, use_threads=False)
    signatures, grams = (b"".join(table.column(name).to_pylist()) for name in ("signature", "grams"))
    lengths = [len(one) // 4 for one in table.column("grams").to_pylist()]
    return Sketches(
        np.frombuffer(signatures, np.uint8).reshape(-1, LANES),
        np.frombuffer(grams, np.uint32),
        np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)]),
        table.column("size").to_numpy().astype(np.int32),
        table.column("key").to_numpy().astype(np.uint64),
    )


def write(table: pa.Table, path: Path) -> None:
    """Write a Parquet file that holds no time and no name."""
    pq.write_table(table, path, row_group_size=GROUP, version="2.6", compression="zstd", compression_level=3)


def guard_of(
    items: Sequence[Item],
    threshold: float = THRESHOLD,
    words: int = WORDS,
    held: Sketches | None = None,
    *,
    answers: bool = True,
) -> LeakGuard:
    """What finds these questions in texts.

    Args:
        items: the questions.
        threshold: how alike near copies are.
        words: words of a run.
        held: the sketches of what they ask, where there are some.
        answers: whether their answers and choices may not be said either.
    """
    counts = Counter(normalise(item.question) for item in items)
    whole = ["\n".join([item.question, *item.choices]) for item in items]
    # What many ask, such as which of some statements is true, is a question only with its choices.
    asked = [
        text if counts[normalise(item.question)] > OFTEN else item.question
        for item, text in zip(items, whole, strict=True)
    ]
    forms = [(at, text) for at, text in enumerate(whole) if text != asked[at]]
    told = [
        (at, text)
        for at, item in enumerate(items if answers else ())
        for text in (*item.choices, item.answer)
    ]
    return LeakGuard(asked, threshold, words, forms, told, held)
