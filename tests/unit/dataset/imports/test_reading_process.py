"""A process reads a file as the same code does within this one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from services.dataset.imports.blocks import Outcome, Reading, Task
from services.dataset.imports.imports import ImportOptions
from services.dataset.imports.reading_child import ORPHANED
from services.dataset.imports.reading_process import ReadingProcess
from services.runtime.errors import Aborted, InvalidArgument
from services.runtime.ids import new_id
from tests.unit.dataset.imports.importing import fields_of, write

TOKENIZER = """{"version": "1.0", "model": {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"},
"pre_tokenizer": {"type": "Whitespace"}}"""


def task(tmp_path: Path, rows: Any, tokenizer: str = "", **options: Any) -> Task:
    path = write(tmp_path / "a.jsonl", rows)
    return Task(new_id(), new_id(), ImportOptions(**options), "a.jsonl", path, tmp_path, tokenizer)


def told(reader: Reading | ReadingProcess) -> tuple[list[tuple[int, list[bytes | None]]], Outcome]:
    """Rows for COPY without their ids, and the outcome."""
    try:
        rows = [
            (block.rows, fields[1:])
            for block in reader.blocks()
            for fields in [*fields_of(block.examples), *fields_of(block.contents)]
        ]
        return rows, reader.outcome()
    finally:
        reader.close()


def test_a_process_gives_the_same_blocks_and_outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SISHU_S3_SECRET_KEY", "secret")
    (tmp_path / "tokenizer.json").write_text(TOKENIZER)
    rows = [
        {"question": f"What is {n}?\t\\", "answer": f"It is\n{n}." if n % 50 else ""} for n in range(5000)
    ]
    wanted = task(tmp_path, rows, str(tmp_path / "tokenizer.json"))
    copied, outcome = told(ReadingProcess(wanted))
    from tokenizers import Tokenizer  # half a second

    assert (copied, outcome) == told(Reading(wanted, Tokenizer.from_file(wanted.tokenizer)))
    assert (outcome.examples, outcome.bad, len(copied)) == (4900, 100, 2 * 4900)
    assert outcome.profile and outcome.profile["tokens"]["count"] == 4900


def test_what_is_wrong_comes_over_with_the_bad_rows(tmp_path: Path) -> None:
    reader = ReadingProcess(task(tmp_path, [{"question": "Why?", "answer": ""}] * 9, max_bad_rows=3))
    with pytest.raises(InvalidArgument) as caught:
        list(reader.blocks())
    reader.close()
    assert (caught.value.reason, caught.value.metadata["row"]) == ("ROWS_BAD", "1")
    assert [one.row for one in reader.outcome().faults] == [1, 2, 3, 4]
    assert reader.outcome().profile is None


def test_a_process_that_is_lost_is_told_of(tmp_path: Path) -> None:
    reader = ReadingProcess(task(tmp_path, [{"question": "Why?", "answer": "So."}]))
    os.kill(reader._process.pid, 9)
    with pytest.raises(Aborted) as caught:
        list(reader.blocks())
    reader.close()
    assert caught.value.reason == "READER_LOST"


def test_the_process_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    reader = ReadingProcess(task(tmp_path, [{"question": f"Why {n}?", "answer": "So."} for n in range(5000)]))
    blocks = reader.blocks()
    next(blocks)
    assert reader._process.poll() is None
    assert reader._process.stdin
    # As the kernel does for a process that is killed.
    reader._process.stdin.close()
    assert reader._process.wait(10) == ORPHANED
    reader.close()
