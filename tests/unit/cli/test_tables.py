from __future__ import annotations

from collections.abc import Sequence

import pytest
from google.protobuf.message import Message

from sishu.cli import output
from sishu.cli.jobs import show_jobs
from sishu.cli.leaks import LEAK_COLUMNS
from sishu.cli.output import CHUNK_COLUMNS, DOCUMENT_COLUMNS, show_many, show_one
from sishu.cli.resource_table import RESOURCES
from sishu.common.v1 import failure_pb2, job_pb2, text_span_pb2
from sishu.dataset.v1.leak_check_pb2 import Leak, LeakWay
from sishu.generation.v1.generation_pb2 import Generation
from sishu.ingest.v1 import chunk_pb2, document_pb2, section_pb2

ID = "01a21738-77f7-7f55-8901-7031b2b8a8e0"
WHY = "handbook/returns.pdf: the PDF cannot be read (page 2 is damaged); is it cut off? Save it anew"
SPAN = text_span_pb2.TextSpan(start=1_234_567, end=1_236_000)
ROWS: dict[str, Message] = {
    "document": document_pb2.Document(
        id=ID,
        name="handbook/returns.pdf",
        state=document_pb2.DOCUMENT_STATE_UPLOADED,
        version=12,
        chunk_count=12_345,
        failure=failure_pb2.Failure(message=WHY),
    ),
    "chunk": chunk_pb2.Chunk(id=ID, index=12_345, span=SPAN, token_count=1500, text="The ash is old. " * 90),
    "section": section_pb2.Section(id=ID, level=2, title="Of returns and refunds", span=SPAN, page_start=123),
}
COLUMNS = {one.name: one.columns for one in RESOURCES}


def lines_of(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    message: Message,
    columns: Sequence[str],
    width: int = 80,
) -> list[str]:
    monkeypatch.setattr(output.CONSOLE, "_width", width)
    show_many([message], columns)
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("name", ROWS)
def test_what_identifies_a_row_stands_on_one_line_of_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    lines = lines_of(capsys, monkeypatch, ROWS[name], COLUMNS[name])
    assert any(line.startswith(f"{ID}  ") for line in lines)
    assert all(len(line) <= 80 for line in lines if line != WHY)
    # No number is broken, and the text beside it has room.
    numbers = {
        "document": ["12", "12345"],
        "chunk": ["12345", "1234567", "1500"],
        "section": ["2", "1234567", "123"],
    }
    (row,) = [line.split() for line in lines if line.startswith(ID)]
    assert [word for word in row[1:] if word.isdigit()] == numbers[name]
    assert len(lines) <= 9


def test_why_a_document_failed_stands_whole_below_the_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lines_of(capsys, monkeypatch, ROWS["document"], DOCUMENT_COLUMNS)[-1] == WHY


def test_a_long_text_is_cut_in_a_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lines_of(capsys, monkeypatch, ROWS["chunk"], CHUNK_COLUMNS, 200)[-1].strip().endswith("…")


@pytest.mark.parametrize("kind", ["generate", "parse_documents", "import_generations", "fetch_documents"])
@pytest.mark.parametrize(("width", "shows_time"), [(80, False), (120, True)])
def test_a_job_stands_on_one_line_with_what_it_does_below(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    width: int,
    shows_time: bool,
    kind: str,
) -> None:
    monkeypatch.setattr(output.CONSOLE, "_width", width)
    counts = job_pb2.JobCounts(total=881, done=799, failed=32)
    doing = "http://h/v1 (model m) limits the rate of calls; it is asked again when it allows that"
    job = job_pb2.Job(id=ID, kind=kind, state=job_pb2.JOB_STATE_CANCELLED, counts=counts, progress=doing)
    job.create_time.FromSeconds(1_764_165_000)
    show_jobs([job])
    _, row, below = capsys.readouterr().out.splitlines()
    assert row.split()[:5] == [ID, kind, "cancelled", "831/881", "32"]
    assert ("2025-11-26" in row) == shows_time
    assert below == f"{ID}: {doing}"


def test_of_the_prompts_of_a_generation_those_of_the_project_are_shown_and_the_others_counted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output.CONSOLE, "_width", 80)
    versions = {f"answer_{number}.en": f"answer_{number}.en@1" for number in range(70)}
    show_one(Generation(id=ID, prompt_versions={**versions, "questions.zh": "questions.zh@project-2"}))
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:] == ["prompt_versions  questions.zh@project-2", "70 built in (`sishu --json` shows all)"]


def test_brackets_in_a_text_stand_in_a_table_as_they_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    chunk = chunk_pb2.Chunk(id=ID, text="[/x] a [red]b[/red]")
    assert (
        lines_of(capsys, monkeypatch, chunk, CHUNK_COLUMNS, 200)[-1].strip().endswith("[/x] a [red]b[/red]")
    )


def test_a_leak_tells_all_ways_by_which_it_was_found(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    leak = Leak(example_id=ID, row=3, ways=[LeakWay.LEAK_WAY_SHARED_WORDS, LeakWay.LEAK_WAY_MEANING])
    (row,) = [line for line in lines_of(capsys, monkeypatch, leak, LEAK_COLUMNS, 200) if ID in line]
    assert "shared_words, meaning" in row
