"""Named SQL: statements live in `.sql` files under lines `-- name: get_project`."""

from __future__ import annotations

import re
from pathlib import Path

NAME = re.compile(r"^-- name: ([a-z][a-z0-9_]*)$", re.MULTILINE)


class Statements:
    """The named statements of one `.sql` file, as attributes.

    Raises:
        ValueError: a name stands twice, or text stands before the first name.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._texts = parse(path)

    def __getattr__(self, name: str) -> str:
        try:
            return self._texts[name]
        except KeyError:
            raise AttributeError(f"{self._path} has no statement named {name}") from None


def parse(path: Path) -> dict[str, str]:
    """Statements of a file by name."""
    before, *pairs = NAME.split(path.read_text(encoding="utf-8"))
    if any(line and not line.startswith("--") for line in before.splitlines()):
        raise ValueError(f"{path}: a statement stands before the first `-- name:` line")
    names, texts = pairs[0::2], pairs[1::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{path}: a statement name stands twice")
    return dict(zip(names, (text.strip() for text in texts), strict=True))
