"""Every reason that the room gives stands in docs/ingest.md."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from services.runtime import errors

ROOT = Path(__file__).parents[3]
ERRORS = {
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.SishuError)
}
MADE = "{kind}_UNREADABLE"
"""The one reason that is put together; the table has it format by format."""


def reasons_of(path: Path) -> Iterator[str]:
    """The reasons of the errors that a module makes."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ERRORS and node.args:
            reason = node.args[0]
            if isinstance(reason, ast.Constant):
                yield str(reason.value)
            elif isinstance(reason, ast.JoinedStr):
                yield ast.unparse(reason)[2:-1]


def test_every_reason_of_the_room_is_told_of() -> None:
    guide = (ROOT / "docs" / "ingest.md").read_text(encoding="utf-8")
    raised = {reason for path in (ROOT / "services" / "ingest").rglob("*.py") for reason in reasons_of(path)}
    assert MADE in raised
    assert {"PDF_UNREADABLE", "MEMBER_GONE", "REWRITE_REFUSED"} < raised
    assert {reason for reason in raised - {MADE} if f"`{reason}`" not in guide} == set()
