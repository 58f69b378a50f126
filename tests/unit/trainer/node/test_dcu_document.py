"""docs/dcu.md says what the code does and computes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.trainer.node.dcu_environment import VARIABLES
from services.trainer.presets import PRESETS
from sishu.cli.trainer_failures import SENTENCES

ROOT = Path(__file__).parents[4]
TEXT = (ROOT / "docs" / "dcu.md").read_text(encoding="utf-8")


def rows_under(title: str) -> list[list[str]]:
    """The cells of the tables of a section, headings left out."""
    section = TEXT[TEXT.index(f"## {title}") :].partition("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip(" |`") for cell in line] for line in lines if not set("".join(line)) <= set("-|")][1:]


def test_the_variables_are_those_that_runs_get() -> None:
    assert {name: value for name, value, _ in rows_under("Variables")} == VARIABLES


def test_the_advice_is_all_that_a_probe_can_give() -> None:
    code = (ROOT / "services" / "trainer" / "node" / "advice.py").read_text(encoding="utf-8")
    given = set(re.findall(r'Advice\(\s*"([A-Z0-9_]+)"', code))
    assert {reason for reason, _ in rows_under("What the node says of itself")} == given == set(SENTENCES)


PLANS = {1: PRESETS["dcu-k100ai-32b"].estimate, 2: PRESETS["dcu-k100ai-32b-fast"].estimate}


@pytest.mark.parametrize("row", PLANS)
def test_the_figures_of_the_example_are_the_plans(row: int) -> None:
    speed, memory = PLANS[row].speed, PLANS[row].memory
    assert rows_under("32B on eight cards")[row][1:] == [
        str(speed.micro_batches),
        *(f"{each:.0f} s" for each in (speed.gather_seconds, speed.products_seconds, speed.step_seconds)),
        f"{speed.tokens_per_second:,.0f}",
        f"{speed.hfu:.0%}".replace("%", " %"),
        f"{memory.total / 1e9:.1f} GB",
    ]


def test_the_published_run_has_as_many_micro_batches_as_rows() -> None:
    speed = PLANS[2].speed
    waited, computed = 32 * gather_of(2), speed.products_seconds
    rate = speed.step_tokens / (waited + computed)
    used = rate / speed.tokens_per_second * speed.hfu
    assert rows_under("32B on eight cards")[0][1:7] == [
        "32",
        *(f"{each:.0f} s" for each in (waited, computed, waited + computed)),
        f"{rate:,.0f}",
        f"{used:.0%}".replace("%", " %"),
    ]


def test_a_smaller_micro_batch_costs_what_is_said() -> None:
    assert f"8,192 costs {gather_of(2):.0f} s more a step" in TEXT


def gather_of(row: int) -> float:
    """Seconds in which one micro-batch gathers."""
    return PLANS[row].speed.gather_seconds / PLANS[row].speed.micro_batches
