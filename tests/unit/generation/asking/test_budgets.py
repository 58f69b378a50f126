from __future__ import annotations

import pytest

from services.generation.asking.budgets import Amount, Standing, budget_reached, worst_cost, worst_usage
from services.generation.calls.replies import Usage
from services.generation.providers.providers import Endpoint, Price

MESSAGES = [{"role": "user", "content": "How heavy is it?"}]


@pytest.mark.parametrize(
    ("sampling", "longest", "answer"),
    [
        ({}, 0, 1000),
        ({}, 900, 1350),
        ({"max_tokens": 64}, 900, 64),
        ({"max_completion_tokens": 64}, 0, 64),
    ],
)
def test_an_answer_is_as_long_as_its_limit_or_longer_than_any_before(
    sampling: dict[str, int], longest: int, answer: int
) -> None:
    assert worst_usage(MESSAGES, {}, sampling, longest).completion_tokens == answer


@pytest.mark.parametrize(
    "text",
    [
        "The part number 7 of the Kestrel weighs 7 grams.",
        "公司成立于2015年，总部设在苏州工业园区。",
        '{"a": [1, 2, {"b": null}]}',
    ],
)
def test_a_prompt_is_taken_for_more_tokens_than_any_tokenizer_makes_of_it(text: str) -> None:
    tokenizer_at_worst = sum(0.4 if char.isascii() else 1.2 for char in text)
    usage = worst_usage([{"role": "user", "content": text}], {}, {}, 0)
    assert usage.prompt_tokens > tokenizer_at_worst


def test_a_pool_costs_what_its_dearest_member_does() -> None:
    usage = Usage(1_000_000, 100_000)
    cheap, dear = Price(1, 30, "USD"), Price(3, 15, "USD")
    endpoints = [Endpoint("http://a/v1", "m", price=price) for price in (cheap, dear, None)]
    assert worst_cost(usage, endpoints) == pytest.approx(4.5)
    assert worst_cost(usage, endpoints[2:]) == 0


@pytest.mark.parametrize(
    ("most", "wanted", "over"),
    [
        (Amount(100, 0), Amount(40, 9), False),
        (Amount(100, 0), Amount(41, 0), True),
        (Amount(0, 1.0), Amount(10**9, 0.5), False),
        (Amount(0, 1.0), Amount(0, 0.6), True),
    ],
)
def test_what_does_not_fit_beside_what_was_spent_never_fits(most: Amount, wanted: Amount, over: bool) -> None:
    assert Standing(False, most, Amount(60, 0.5)).is_over(wanted) == over


def test_a_reached_budget_says_what_was_spent_and_what_to_do() -> None:
    failure = budget_reached("g", "j", Standing(False, Amount(100, 2.0), Amount(90, 1.5), "EUR"))
    assert failure.reason == "BUDGET_REACHED"
    for words in ("1.5000 of 2 EUR", "90 of 100 tokens", "generation update g --max-cost", "job resume j"):
        assert words in failure.message
