from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from sishu.cli.texts import TEXTS
from sishu.common.v1.message_pb2 import TokenUsage
from sishu.generation.v1.generation_pb2 import (
    Estimate,
    Generation,
    GenerationForecast,
    GenerationOptions,
    GenerationStats,
)
from sishu.learn import generations
from sishu.learn.generations import (
    duration,
    figures_shown,
    line,
    live,
    money,
    named,
    rows,
    without_cost_of,
)
from sishu.learn.progress import Stage


def english(key: str) -> str:
    return TEXTS[key][0]


def exact(value: float) -> Estimate:
    return Estimate(low=value, expected=value, high=value)


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (9000, "2.5 h")]
)
def test_a_time_is_told_in_the_unit_that_fits(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(1234.5, "1,234.50 EUR"), (0.012345, "0.0123 EUR"), (0, "0 EUR")]
)
def test_little_money_is_told_by_its_digits(value: float, shown: str) -> None:
    assert money(value, "EUR") == shown


def test_a_run_tells_what_is_known_of_it() -> None:
    assert live(Generation(), english) == ""
    told = Generation(
        stats=GenerationStats(calls_per_second=12.34, cost=1.5, currency="CNY"),
        forecast=GenerationForecast(seconds=exact(150)),
    )
    assert live(told, english) == "12.3 calls/s, 1.50 CNY, 2 min left"


async def test_what_is_told_last_of_a_run_is_what_it_cost_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Generation(
        stats=GenerationStats(calls_per_second=12.34, cost=1.5, currency="CNY"),
        forecast=GenerationForecast(seconds=exact(3)),
    )
    looked = asyncio.Event()

    async def viewed(*_: object) -> Generation:
        looked.set()
        return told

    monkeypatch.setattr(generations, "viewed", viewed)
    stage = Stage("questions")
    async with figures_shown(None, "", stage, english):  # type: ignore[arg-type]  # nobody asks it
        await looked.wait()
        await asyncio.sleep(0)
        assert stage.figures == "12.3 calls/s, 1.50 CNY, 3 s left"
        told = Generation(stats=GenerationStats(cost=2, currency="CNY"))
    assert stage.figures == "2.00 CNY"


def test_a_forecast_tells_only_what_is_known() -> None:
    told = GenerationForecast(chunks=200, chunks_seen=10, calls=Estimate(low=900, expected=1000.4, high=1100))
    assert line(told, "", english) == "forecast: chunks 200, told from 10; calls 1,000 (900 – 1,100)"
    told.cost.CopyFrom(exact(2))
    assert rows(told, "USD", english)[-1] == ("cost", "2.00 USD (2.00 USD – 2.00 USD)")


def test_of_batches_it_is_said_what_the_servers_promise() -> None:
    told = GenerationForecast(chunks=2, chunks_seen=2, promised_seconds=48 * 3600)
    promise = ("time", "in batches: nobody can tell; servers promise 48.0 h")
    assert rows(told, "", english)[-1] == promise
    assert live(Generation(forecast=told), english) == "in batches, promised within 48.0 h"


@pytest.mark.parametrize(("language", "text"), [("en", "Hand calls in as batches"), ("zh", "批量提交调用")])
def test_learn_can_be_told_to_call_in_batches(language: str, text: str) -> None:
    wide = {**os.environ, "COLUMNS": "120"}
    command = [sys.executable, "-m", "sishu.cli.main", "--lang", language, "learn", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=wide).stdout
    assert "--batch " in shown and "--batch-factor" in shown
    assert text in shown


@pytest.mark.parametrize(
    ("language", "text"),
    [("en", "with --coverage there is no forecast"), ("zh", "使用 --coverage 时无法预估")],
)
@pytest.mark.parametrize("command", [["forecast"], ["create", "--forecast"]])
def test_what_goes_on_until_it_is_covered_has_no_forecast(
    command: list[str], language: str, text: str
) -> None:
    about = ["--project", "acme", "--provider", "writer", "--coverage", "3"]
    whole = [sys.executable, "-m", "sishu.cli.main", "--lang", language, "generation", *command, *about]
    done = subprocess.run(
        whole, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, "COLUMNS": "200"}
    )
    assert done.returncode != 0
    assert text in done.stdout + done.stderr


def test_what_a_pilot_cost_is_taken_off_the_budget() -> None:
    usage = TokenUsage(prompt_tokens=60, completion_tokens=40)
    pilot = Generation(stats=GenerationStats(cost=0.5, usage=usage))
    for given, left in (
        ({"max_cost": 2.0}, {"max_cost": 1.5, "max_tokens": 0}),
        ({"max_cost": 0.4}, {"max_cost": 1e-9, "max_tokens": 0}),
        ({"max_tokens": 1000}, {"max_cost": 0, "max_tokens": 900}),
        ({"max_tokens": 100}, {"max_cost": 0, "max_tokens": 1}),
    ):
        options = GenerationOptions(**given)
        without_cost_of(pilot, options)
        assert {name: getattr(options, name) for name in left} == left


def test_a_generation_with_another_budget_is_the_same_one() -> None:
    one = Generation(project_id="p", options=GenerationOptions(forms_per_fact=2, max_cost=1))
    other = Generation(project_id="p", options=GenerationOptions(forms_per_fact=2, max_tokens=5))
    assert named(one) == named(other)
    assert named(one) != named(Generation(project_id="p", options=GenerationOptions(forms_per_fact=3)))
