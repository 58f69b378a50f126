"""docs/dcu.md says what the code does and computes."""

from __future__ import annotations

import re
from math import ceil
from pathlib import Path

import pytest

from services.trainer.node.dcu_environment import VARIABLES
from services.trainer.planning import Plan, card_bytes, gather_seconds, products_seconds
from services.trainer.presets import CARD_TOKENS, K100_AI, PRESETS, QWEN2_32B
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


@pytest.mark.parametrize(
    ("row", "count", "tokens"),
    [(0, 32, 0), (1, ceil(CARD_TOKENS / 2048), 2048), (2, ceil(CARD_TOKENS / 16_384), 16_384)],
)
def test_the_figures_of_the_example_are_the_plans(row: int, count: int, tokens: int) -> None:
    _, batches, gathers, products, step, speed, hfu, memory = [
        *rows_under("32B on eight cards")[row],
        "",
    ][:8]
    waited = count * gather_seconds(QWEN2_32B, K100_AI)
    computed = products_seconds(QWEN2_32B, K100_AI, CARD_TOKENS, recompute=True)
    rate = K100_AI.count * CARD_TOKENS / (waited + computed)
    used = rate * 6 * QWEN2_32B.multiplied / (K100_AI.count * K100_AI.flops)
    assert batches == str(count)
    assert [gathers, products, step] == [f"{each:.0f} s" for each in (waited, computed, waited + computed)]
    assert (speed, hfu) == (f"{rate:,.0f}", f"{used:.0%}".replace("%", " %"))
    if tokens:
        held = card_bytes(QWEN2_32B, K100_AI, Plan(tokens, recompute=True)) / 1e9
        assert memory == f"{held:.1f} GB"
        assert f"{rate:,.0f}" in {f"{preset.tokens_per_second:,.0f}" for preset in PRESETS.values()}


def test_a_smaller_micro_batch_costs_what_is_said() -> None:
    more = ceil(CARD_TOKENS / 8192) - ceil(CARD_TOKENS / 16_384)
    seconds = more * gather_seconds(QWEN2_32B, K100_AI)
    assert f"8,192 costs {seconds:.0f} s more a step" in TEXT
