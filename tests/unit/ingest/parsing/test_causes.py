from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.ingest.parsing.exchange import FILE, PARSE, SPLIT
from services.ingest.parsing.options import ParseOptions
from services.runtime.errors import Internal, InvalidArgument, SishuError
from tests.unit.ingest.parsing.child_processes import children, document_called


async def test_a_fault_of_ours_is_none_of_the_file_and_the_log_has_its_place(tmp_path: Path) -> None:
    document = document_called("a.md")
    with capture_logs() as logs:
        async with children() as one:
            # The step that comes before was left out.
            with pytest.raises(Internal, match=r"a\.md") as raised:
                await one.run(SPLIT, document, tmp_path, ParseOptions())
    assert (raised.value.reason, raised.value.metadata["error"]) == ("PARSE_FAULTY", "FileNotFoundError")
    assert "damaged" not in raised.value.message
    [logged] = logs
    assert (logged["event"], logged["document_id"]) == ("parse_failed", document.id)
    assert "reading.json" in logged["cause"]
    assert "in split_again" in logged["cause"]


@pytest.mark.parametrize(
    ("name", "data", "cause"),
    [("a.json", b'{"a": ', "JSONDecodeError"), ("a.pdf", b"%PDF-1.7\n", "PdfiumError")],
)
async def test_the_log_has_what_made_a_file_unreadable(
    tmp_path: Path, name: str, data: bytes, cause: str
) -> None:
    (tmp_path / FILE).write_bytes(data)
    document = document_called(name)
    with capture_logs() as logs:
        async with children() as one:
            with pytest.raises(SishuError) as raised:
                await one.run(PARSE, document, tmp_path, ParseOptions())
    assert isinstance(raised.value, InvalidArgument)
    [logged] = logs
    assert (logged["document_id"], logged["reason"]) == (document.id, raised.value.reason)
    assert cause in logged["cause"]


async def test_a_refusal_without_a_cause_is_not_logged(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"a\x00b")
    with capture_logs() as logs:
        async with children() as one:
            with pytest.raises(InvalidArgument):
                await one.run(PARSE, document_called("a.md"), tmp_path, ParseOptions())
    assert logs == []
