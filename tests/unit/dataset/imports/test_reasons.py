"""Every reason of an import stands in docs/imports.md, with what to do."""

from __future__ import annotations

from pathlib import Path

from services.dataset.imports.rows import BadRow
from tests.support.reasons import ERRORS, reasons_of

ROOT = Path(__file__).parents[4]
MAKERS = {**ERRORS, BadRow.__name__: 0}


def test_every_reason_of_an_import_is_told_of() -> None:
    guide = (ROOT / "docs" / "imports.md").read_text(encoding="utf-8")
    folder = ROOT / "services" / "dataset" / "imports"
    raised = {reason for path in folder.rglob("*.py") for reason in reasons_of(path, MAKERS)}
    assert {"TEXT_EMPTY", "ROWS_BAD", "UPLOAD_MISSING", "TURNS_INVALID"} < raised
    assert {reason for reason in raised if f"`{reason}`" not in guide} == set()
