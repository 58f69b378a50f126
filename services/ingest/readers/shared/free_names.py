"""Names of files that are in one thing, such as an archive or a mail, so that no two have the same."""

from __future__ import annotations

from pathlib import PurePosixPath


class FreeNames:
    """The names that are taken.

    Args:
        any_case: whether names that differ in their case count as the same.
    """

    def __init__(self, *, any_case: bool = False) -> None:
        self._any_case = any_case
        self._taken: set[str] = set()
        self._numbers: dict[str, int] = {}

    def take(self, name: str) -> str:
        """The name, or with the first free number before its ending if it is taken."""
        free, wanted = name, self._key(name)
        while self._key(free) in self._taken:
            self._numbers[wanted] = self._numbers.get(wanted, 1) + 1
            free = numbered(name, self._numbers[wanted])
        self._taken.add(self._key(free))
        return free

    def _key(self, name: str) -> str:
        return name.lower() if self._any_case else name


def numbered(name: str, number: int) -> str:
    """A name with a number before its ending: `a/b (2).md`."""
    path = PurePosixPath(name)
    return str(path.with_name(f"{path.stem} ({number}){path.suffix}"))
