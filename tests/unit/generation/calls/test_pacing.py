from __future__ import annotations

import pytest

from services.generation.calls.pacing import Pace


@pytest.mark.parametrize("limit", [1, 10, 120, 3000])
def test_no_minute_has_more_calls_than_the_limit_wherever_it_begins(limit: int) -> None:
    pace, now, began = Pace(limit, 0.0), 0.0, []
    while now < 600:
        wait = pace.wait_seconds(now)
        if wait:
            now += wait
            continue
        pace.spend(1, now)
        began.append(now)
    assert all(later - first >= 60 for first, later in zip(began, began[limit:], strict=False))
    assert len(began) >= 0.95 * 10 * limit


def test_without_a_limit_nothing_waits() -> None:
    pace = Pace(0, 0.0)
    pace.spend(1e9, 0.0)
    assert pace.wait_seconds(0.0) == 0
