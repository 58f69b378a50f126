from __future__ import annotations

import random
from dataclasses import replace

import pytest

from services.generation.forecasts.forecasts import (
    Estimate,
    Extent,
    Paid,
    SeenChunk,
    forecast,
    ratio_estimate,
    student_t,
)
from services.generation.forecasts.store import dearest
from services.generation.providers.providers import Price


def chunk(characters: int, calls: int) -> SeenChunk:
    return SeenChunk(characters, calls, 100 * calls, 10 * calls, 0.001 * calls, 0.5 * calls)


def extent(chunks: int, characters: int, calls_at_once: float | None = None) -> Extent:
    return Extent(True, chunks, characters, calls_at_once)


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 6.314), (2, 2.920), (3, 2.353), (4, 2.132), (9, 1.833), (29, 1.699)]
)
def test_the_quantile_of_student_is_that_of_the_tables(freedom: int, quantile: float) -> None:
    assert student_t(freedom) == pytest.approx(quantile, abs=0.007)


def test_all_chunks_tell_the_truth() -> None:
    seen = [(100.0, 3.0), (300.0, 11.0), (200.0, 5.0)]
    assert ratio_estimate(seen, extent(3, 600)) == Estimate(19, 19, 19)


def test_what_grows_with_the_length_is_told_exactly() -> None:
    seen = [(length, length / 10) for length in (100.0, 200.0, 350.0, 90.0, 500.0)]
    assert ratio_estimate(seen, extent(100, 25_000)) == pytest.approx(Estimate(2500, 2500, 2500))


def test_the_truth_is_inside_in_about_90_of_100_cases() -> None:
    dice = random.Random(7)  # noqa: S311  # no secret
    inside = 0
    for _ in range(1000):
        lengths = [dice.randint(300, 1500) for _ in range(200)]
        whole = [(length, 1 + length / 120 + dice.gauss(0, 2)) for length in lengths]
        seen = dice.sample(whole, 12)
        told = ratio_estimate(seen, extent(200, sum(lengths)))
        inside += told.low <= sum(taken for _, taken in whole) <= told.high
    assert 860 <= inside <= 940


def test_one_chunk_of_many_tells_no_more_than_the_order() -> None:
    told = ratio_estimate([(100.0, 3.0)], extent(10, 1000))
    assert told == Estimate(0, 30, 60)


def test_nothing_is_told_before_five_chunks_are_seen_or_all_are_known() -> None:
    seen = [chunk(100, 3)] * 4
    assert forecast(extent(10, 1000), seen, "", None) is None
    assert forecast(extent(4, 400), seen, "", None) is not None
    assert forecast(Extent(False, 10, 1000, None), [chunk(100, 3)] * 6, "", None) is None
    ended = replace(extent(10, 1000), ended=True)
    assert forecast(ended, [chunk(100, 3)] * 2, "", None) is not None
    assert forecast(ended, [], "", None) is None


def test_a_running_generation_takes_no_less_than_it_paid_and_ends_at_its_rate() -> None:
    told = forecast(extent(10, 1000), [chunk(100, 3)] * 5, "EUR", Paid(40, 100, 10, 0.01, 2.0))
    assert told and told.calls == Estimate(40, 40, 40)
    assert told.seconds == Estimate(0, 0, 0)
    told = forecast(extent(10, 1000), [chunk(100, 3)] * 5, "EUR", Paid(20, 100, 10, 0.01, 2.0))
    assert told and told.seconds == Estimate(5, 5, 5)
    assert told.cost and told.cost.expected == pytest.approx(0.03)


def test_without_a_price_there_is_no_cost_and_without_a_rate_no_time() -> None:
    told = forecast(extent(10, 1000), [chunk(100, 3)] * 5, "", Paid())
    assert told
    assert (told.cost, told.seconds) == (None, None)


def test_a_pilot_tells_the_time_by_the_calls_at_once() -> None:
    told = forecast(extent(10, 1000, 4.0), [chunk(100, 3)] * 5, "", None)
    assert told
    assert told.seconds == pytest.approx(Estimate(3.75, 3.75, 3.75))


def test_nobody_can_tell_how_long_batches_take_but_what_servers_promise() -> None:
    seen = [chunk(100, 3) for _ in range(5)]
    batches = replace(extent(100, 10_000, 8), in_batches=True)
    day = 24 * 3600
    for paid, asks, promised in (
        (None, True, 2 * day),
        (Paid(calls_per_second=5), True, 2 * day),
        (Paid(calls_per_second=5), False, day),
    ):
        told = forecast(replace(batches, asks_questions=asks), seen, "EUR", paid)
        assert told and (told.seconds, told.promised_seconds) == (None, promised)
    single = forecast(extent(100, 10_000, 8), seen, "EUR", None)
    assert single and single.seconds and single.promised_seconds == 0


def test_what_is_asked_again_costs_as_much_as_a_single_call() -> None:
    price = Price(10, 0, "EUR", 0.5)
    one = SeenChunk(100, 4, 1_000_000, 0, 0, 0, chains=3)
    batches = replace(extent(1, 100), in_batches=True)
    assert dearest(one, [price, None], batches) == pytest.approx(10 * (3 / 4 * 0.5 + 1 / 4))
    assert dearest(one, [price, Price(9, 0, "EUR")], batches) == 9
    assert dearest(one, [price], extent(1, 100)) == 10
