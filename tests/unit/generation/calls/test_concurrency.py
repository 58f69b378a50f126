from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.generation.calls.concurrency import MOST_LIMIT, PHASES, RAISE, Concurrency, Tick, advance
from services.generation.calls.endpoint_store import known_of, limited, stored
from services.generation.calls.sharing import Demand, free_of, share_of
from tests.unit.generation.calls.servers import Simulation

FIXED = (32, 64, 80, 128)
TIMES = (0.0, 60.0, 120.0, 180.0)
CAPACITIES = (8, 64, 16)


def moving(now: float) -> int:
    """8 slots, then 64, then 16."""
    return next(slots for end, slots in zip(TIMES[1:], CAPACITIES, strict=True) if now <= end)


def best_fixed(until: float, limits: tuple[int, ...], **server: Any) -> int:
    return max(Simulation(fixed=limit, **server).run(until).served for limit in limits)


@cache
def best_of_moving(jitter: float, refuses: bool) -> int:
    return best_fixed(TIMES[-1], FIXED, capacity=moving, jitter=jitter, refuses=refuses)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("jitter", [0.1, 0.5])
@pytest.mark.parametrize("refuses", [False, True])
def test_a_hidden_capacity_that_moves_is_used_as_by_the_best_fixed_limit(
    refuses: bool, jitter: float, seed: int
) -> None:
    server: dict[str, Any] = {"capacity": moving, "jitter": jitter, "refuses": refuses}
    found = Simulation(seed=seed, **server).run(TIMES[-1])
    assert found.served >= 0.95 * best_of_moving(jitter, refuses)
    assert found.refused <= 0.03 * found.served


@pytest.mark.parametrize(("refuses", "seed"), [(True, 1), (False, 1), (False, 4), (False, 5)])
def test_a_capacity_is_found_within_half_a_minute(refuses: bool, seed: int) -> None:
    found = Simulation(moving, refuses=refuses, seed=seed).run(TIMES[-1])
    for (start, end), slots in zip(pairwise(TIMES), CAPACITIES, strict=True):
        limits = list(found.limits(start + 30, end))
        # A try of another limit may be under way.
        assert sum(0.9 * slots <= int(limit) <= 2 * slots for limit in limits) > 0.9 * len(limits), (
            slots,
            limits,
        )


def test_a_capacity_that_falls_is_found_where_a_lower_limit_seemed_to_bring_less_before() -> None:
    known = replace(Concurrency(), limit=88.0, phase="lower", before=100.0, rate=128.0, least=0.5)
    known = advance(known, Tick(known.round, 400, 400 * 0.71, 0, 88, 512), 1.0)
    assert (known.phase, known.allowed, known.least) == ("hold", 100, 0.5)
    for second in (20.0, 40.0):
        known = advance(known, Tick(known.round, 200, 200 * 3.1, 0, 100, 512), second)
    assert (known.phase, known.allowed) == ("lower", 25)


def test_a_server_that_does_more_at_once_the_more_it_is_asked_is_asked_for_much() -> None:
    server: dict[str, Any] = {"capacity": lambda _: 0, "batches": 32}
    found = Simulation(**server).run(120)
    assert found.served >= 0.85 * best_fixed(120, (64, 256, 400), **server)


def test_answers_that_become_longer_do_not_lower_the_rate() -> None:
    server: dict[str, Any] = {"capacity": lambda _: 32, "seconds": lambda now: 0.5 if now < 60 else 1.5}
    assert Simulation(**server).run(180).served >= 0.95 * best_fixed(180, (32, 48, 64), **server)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_server_that_bears_more_is_asked_for_more_however_uneven_its_answers(seed: int) -> None:
    start = Concurrency(limit=200.0, phase="hold")
    server: dict[str, Any] = {"capacity": lambda _: 3000, "seconds": lambda _: 2.0, "uneven": True}
    found = Simulation(callers=1000, start=start, seed=seed, **server).run(30)
    assert max(found.limits(0, 30)) >= 1000


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("slots", "seconds", "patience"), [(1, 20, 120), (1, 60, 300), (4, 50, 120)])
def test_a_slow_server_that_lets_calls_wait_is_not_asked_for_more_than_it_answers_in_time(
    slots: int, seconds: int, patience: int, seed: int
) -> None:
    server: dict[str, Any] = {"capacity": lambda _: slots, "seconds": lambda _: float(seconds)}
    found = Simulation(callers=256, patience=patience, seed=seed, **server).run(3600)
    assert found.served >= 0.85 * 3600 * slots / seconds
    # In the beginning, when nobody knows it yet.
    assert found.timed_out <= 30


def test_a_server_that_loses_a_call_now_and_then_is_asked_for_as_much() -> None:
    known = replace(Concurrency(), limit=100.0, phase="hold", usual=0.5, rate=200.0, least=0.5)
    for second in range(50):
        tick = Tick(known.round, 40, 20.0, 0, 100, 500, timed_out=1, answered=40)
        known = advance(known, tick, float(second))
    assert known.allowed >= 100


def test_calls_lost_now_and_then_lower_no_limit_that_nobody_reaches() -> None:
    known = replace(Concurrency(), limit=100.0, phase="hold", usual=0.5, rate=200.0, least=0.5)
    for second in range(50):
        known = advance(known, Tick(known.round, 0, 0.0, 0, 20, 20, timed_out=1, answered=20), float(second))
    assert known.limit == 100
    for second in range(50, 60):
        known = advance(known, Tick(known.round, 0, 0.0, 0, 20, 20, timed_out=20), float(second))
    assert known.limit < 20


def test_a_server_that_refuses_no_more_and_lets_calls_wait_is_not_asked_for_ever_more() -> None:
    server: dict[str, Any] = {"capacity": lambda _: 4, "seconds": lambda _: 20.0, "patience": 300.0}
    found = Simulation(refuses=True, refuses_until=600.0, **server).run(3600)
    assert found.served >= 0.9 * 3600 * 4 / 20
    assert max(found.limits(600, 3600)) < 30
    assert found.timed_out == 0


def test_a_single_slot_is_used_whole() -> None:
    server: dict[str, Any] = {"capacity": lambda _: 1, "refuses": True}
    found = Simulation(**server).run(120)
    assert found.served >= 0.9 * best_fixed(120, (1, 2), **server)


def test_a_limit_that_nobody_reaches_says_nothing_and_stays() -> None:
    known = Concurrency()
    for second in range(100):
        known = advance(known, Tick(known.round, 3, 1.5, 0, 2.0, 2.0), float(second))
    assert known.limit == Concurrency().limit


def test_calls_of_another_round_are_not_measured() -> None:
    assert advance(Concurrency(round=7), Tick(6, 100, 50.0, 0, 4, 9), 1.0) == Concurrency(round=7)


@pytest.mark.parametrize("seconds", [4000.0, 4750.0])
def test_at_the_highest_limit_of_all_a_server_that_becomes_faster_is_no_error(seconds: float) -> None:
    known = Concurrency(limit=MOST_LIMIT, phase="hold", usual=1.0, rate=MOST_LIMIT, least=0.9)
    for second in range(1, 20):
        known = advance(known, Tick(known.round, 5000, seconds, 0, MOST_LIMIT, 9000), 100.0 * second)
        assert known.limit == MOST_LIMIT


def test_a_ceiling_above_a_hard_limit_stays_a_number_that_is_stored() -> None:
    known = Concurrency(limit=32.0, phase="ceiling", before=100.0)
    for second in range(1000):
        known = limited(advance(known, Tick(known.round, 0, 0.0, 0, 32.0, 100.0), float(second)), 32)
        known = known_of(json.loads(json.dumps(stored(known), allow_nan=False)))
    assert known.limit == 32


def test_calls_that_a_coarse_clock_calls_instant_are_no_error() -> None:
    known = Concurrency()
    for second in range(20):
        known = advance(known, Tick(known.round, 5000, 0.0, 0, known.limit, 9000), float(second))
    assert known.limit > Concurrency().limit


ticks = st.builds(
    Tick,
    round=st.integers(0, 40),
    calls=st.integers(0, 500),
    seconds=st.just(0.0) | st.floats(0.001, 1e4),
    refused=st.integers(0, 50),
    in_flight=st.floats(0, 5000),
    demand=st.floats(0, 5000),
    timed_out=st.integers(0, 50),
    answered=st.integers(0, 5000),
)


starts = st.builds(
    Concurrency,
    limit=st.sampled_from([1.0, 4.0, MOST_LIMIT / 3, MOST_LIMIT / RAISE, MOST_LIMIT - 1, MOST_LIMIT]),
    phase=st.sampled_from([*PHASES, "ceiling"]),
    before=st.sampled_from([1.0, 4.0, MOST_LIMIT / 3, MOST_LIMIT]),
    rate=st.floats(0.1, 1e4),
    usual=st.just(0.0) | st.floats(0.01, 10.0),
    least=st.floats(0.01, 10.0),
)
busy_ticks = st.builds(
    Tick, round=st.just(0), calls=st.just(5000), seconds=st.floats(100.0, 1e5), demand=st.just(9000.0)
)


@given(st.just(Concurrency()) | starts, st.lists(ticks | busy_ticks, max_size=60))
def test_whatever_is_seen_the_limit_is_at_least_one_call_and_never_without_bound(
    known: Concurrency, seen: list[Tick]
) -> None:
    for second, tick in enumerate(seen):
        known = advance(known, replace(tick, round=known.round if tick.round < 30 else tick.round), second)
        assert 1 <= known.limit <= MOST_LIMIT
        assert known_of(json.loads(json.dumps(stored(known), allow_nan=False))) == known


WANTED = st.tuples(st.integers(0, 600), st.integers(0, 3))


@given(st.integers(1, 5000), st.lists(WANTED, min_size=1, max_size=20))
def test_the_shares_of_all_workers_are_the_limit(limit: int, wanted: list[tuple[int, int]]) -> None:
    demands = [
        Demand(str(number), 0, usual + urgent, urgent) for number, (usual, urgent) in enumerate(wanted)
    ]
    shares = [share_of(str(number), limit, demands) for number in range(len(wanted))]
    is_wanted = any(demand.total for demand in demands)
    assert sum(calls for calls, _ in shares) == (limit if is_wanted else 0)
    assert sum(part for _, part in shares) == pytest.approx(1.0 if is_wanted else 0.0)
    assert all(calls == 0 for (calls, _), one in zip(shares, demands, strict=True) if not one.total)
    if limit >= sum(demand.urgent for demand in demands):
        assert all(calls >= one.urgent for (calls, _), one in zip(shares, demands, strict=True))


def test_a_trial_has_a_place_and_half_of_the_rate_beside_a_thousand_calls_of_another_worker() -> None:
    demands = [Demand("a", 8, 1000), Demand("b", 0, 1, urgent=1)]
    assert share_of("a", 8, demands) == (7, 0.5)
    assert share_of("b", 8, demands) == (1, 0.5)


def test_a_hard_limit_leaves_what_no_other_has_or_may_begin() -> None:
    others = [Demand("a", 3, 9, granted=2), Demand("b", 0, 1, granted=4)]
    assert free_of("c", 10, [*others, Demand("c", 5, 5, granted=5)]) == 3
    assert free_of("c", 5, others) == 0
