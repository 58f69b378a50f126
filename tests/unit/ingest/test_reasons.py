"""Every reason that the room gives stands in docs/ingest.md."""

from __future__ import annotations

from pathlib import Path

from tests.support.reasons import reasons_of

ROOT = Path(__file__).parents[3]
MADE = "{kind}_UNREADABLE"
"""The one reason that is put together; the table has it format by format."""


def test_every_reason_of_the_room_is_told_of() -> None:
    guide = (ROOT / "docs" / "ingest.md").read_text(encoding="utf-8")
    raised = {reason for path in (ROOT / "services" / "ingest").rglob("*.py") for reason in reasons_of(path)}
    assert MADE in raised
    assert {"PDF_UNREADABLE", "MEMBER_GONE", "REWRITE_REFUSED"} < raised
    assert {reason for reason in raised - {MADE} if f"`{reason}`" not in guide} == set()
