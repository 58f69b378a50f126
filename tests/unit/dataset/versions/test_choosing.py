from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from services.dataset.versions import blocks_by_python
from services.dataset.versions.native import compiled
from services.dataset.versions.split_columns import Longs

native = pytest.mark.skipif(compiled is None, reason="no C compiler")
UNITS, FACTS = 60, 25


def lists(draw: np.random.Generator, least: int, lowest: int) -> tuple[Longs, Longs]:
    """Ends and numbers of a list of facts for each unit."""
    ends = np.concatenate([[0], np.cumsum(draw.integers(least, 4, UNITS))])
    return ends, draw.integers(lowest, FACTS, ends[-1])


def given(seed: int) -> list[Any]:
    draw = np.random.default_rng(seed)
    members = draw.permutation(UNITS)[: draw.integers(0, UNITS + 1)]
    train = np.concatenate([draw.integers(0, 5, FACTS), [0]])
    held = np.concatenate([draw.integers(0, 2, FACTS), [0]])
    columns = [members, draw.integers(1, 5, UNITS), *lists(draw, 0, 0), *lists(draw, 1, -1), train, held]
    return [*columns, int(draw.integers(-2, 80)), int(draw.integers(1, 3)), int(draw.integers(-1, 20))]


@native
def test_units_are_picked_the_same_without_a_compiler() -> None:
    for seed in range(60):
        some, others = given(seed), given(seed)
        picked = compiled.pick(*some)
        assert picked == blocks_by_python.pick(*others)
        # Both note the same moves.
        assert all(np.array_equal(one, other) for one, other in zip(some, others, strict=True))


@native
@pytest.mark.parametrize(("column", "number"), [(0, UNITS), (0, -1), (2, 10_000), (3, FACTS + 1), (5, -2)])
def test_numbers_that_lead_nowhere_are_refused(column: int, number: int) -> None:
    some = given(1)
    some[column] = np.full_like(some[column], number)
    with pytest.raises(ValueError, match="leads nowhere"):
        compiled.pick(*some)
