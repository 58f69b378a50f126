from __future__ import annotations

import pytest

from services.ingest.readers.shared import free_names
from services.ingest.readers.shared.free_names import FreeNames, numbered


def test_a_name_is_given_once_and_then_with_numbers() -> None:
    names = FreeNames()
    wanted = ["x/a.md", "x/a (2).md", "x/a.md", "x/a.md", "x/A.md", "b", "b"]
    assert [*map(names.take, wanted)] == [
        "x/a.md", "x/a (2).md", "x/a (3).md", "x/a (4).md", "x/A.md", "b", "b (2)",
    ]  # fmt: skip
    any_case = FreeNames(any_case=True)
    assert [any_case.take("a.md"), any_case.take("A.md")] == ["a.md", "A (2).md"]


def test_many_equal_names_take_linear_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, int]] = []
    real = numbered

    def counted(name: str, number: int) -> str:
        made.append((name, number))
        return real(name, number)

    monkeypatch.setattr(free_names, "numbered", counted)
    names = FreeNames()
    assert len({names.take("a.md") for _ in range(1000)}) == 1000
    assert len(made) < 2000
