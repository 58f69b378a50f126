"""Budgets: the most that a generation may spend, and what a call may cost at worst.

Before a call, what it may cost at worst is reserved; when its result is stored, the reservation gives way to
what it did cost. So the sum of what is spent and reserved never passes the limit, however many calls are in
flight.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.generation.calls.replies import Usage
from services.generation.providers.providers import Endpoint, Price
from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.runtime.failures import Failure

BYTES_PER_TOKEN = 2
"""Of a text without digits: the fewest that any tokenizer makes of it in whatever language; mostly it is 3 to
5. Of digits, many make a token each."""
DIGIT = re.compile(rb"\d")
LEAST_ANSWER_TOKENS = 1000
"""What an answer is taken for at least, where nothing limits it and none was seen that was longer."""
HEADROOM = 1.5
"""How much longer than any answer before the next one is taken for."""
LIMITS = ("max_tokens", "max_completion_tokens")
"""Sampling parameters that limit an answer."""


@dataclass(frozen=True)
class Amount:
    """Tokens in both directions, and money."""

    tokens: int = 0
    cost: float = 0.0


@dataclass(frozen=True)
class Standing:
    """How a budget stands after a reservation was asked for.

    Args:
        reserved: whether it was made.
        most: what may be spent; 0 is without limit.
        spent: by calls whose cost is known.
        currency: of the money.
    """

    reserved: bool
    most: Amount
    spent: Amount
    currency: str = ""

    def is_over(self, wanted: Amount) -> bool:
        """Whether something would not fit even if no other call were in flight."""
        return any(
            limit and already + more > limit
            for limit, already, more in (
                (self.most.tokens, self.spent.tokens, wanted.tokens),
                (self.most.cost, self.spent.cost, wanted.cost),
            )
        )


def worst_usage(
    messages: Sequence[Mapping[str, str]],
    schema: Mapping[str, Any],
    sampling: Mapping[str, Any],
    longest: int,
) -> Usage:
    """The most that a call is taken to use.

    Args:
        messages: what is asked.
        schema: JSON schema of the answer, which servers may put into the prompt.
        sampling: parameters of the call.
        longest: tokens of the longest answer seen so far.
    """
    text = json.dumps([messages, schema], ensure_ascii=False).encode("utf-8", "surrogatepass")
    digits = len(DIGIT.findall(text))
    limit = next((int(sampling[name]) for name in LIMITS if sampling.get(name)), 0)
    answer = limit or max(LEAST_ANSWER_TOKENS, math.ceil(HEADROOM * longest))
    return Usage(math.ceil((len(text) - digits) / BYTES_PER_TOKEN) + digits, answer, 1)


def worst_cost(usage: Usage, endpoints: Sequence[Endpoint]) -> float:
    """What a usage costs at the dearest of some endpoints."""
    prices = [one.price for one in endpoints if one.price]
    return max((price.of(usage.prompt_tokens, usage.completion_tokens) for price in prices), default=0.0)


def check_prices(max_cost: float, prices: Sequence[Price | None], *, one_currency: bool = False) -> None:
    """Refuse a limit of money where nobody knows what calls cost.

    Args:
        max_cost: the limit; 0 is none.
        prices: those of all that may be asked.
        one_currency: whether they must be in one also without a limit, as costs are told in one sum.

    Raises:
        FailedPrecondition: one of them has no price.
        InvalidArgument: they are in several currencies.
    """
    known = [price for price in prices if price]
    if max_cost and (len(known) < len(prices) or not known):
        raise FailedPrecondition(
            "PRICE_MISSING",
            "max_cost needs the price of the provider, of a pool that of each of its members; give it with "
            "`sishu provider update` (UpdateProvider), or limit max_tokens instead",
            "generation.options.max_cost",
        )
    currencies = sorted({price.currency for price in known})
    if (max_cost or one_currency) and len(currencies) > 1:
        raise InvalidArgument(
            "CURRENCIES_DIFFER",
            "the costs of a generation are in one currency, those that it asks have prices in "
            f"{', '.join(currencies)}",
            "generation.options.max_cost" if max_cost else "generation.options",
        )


def budget_reached(generation_id: str, job_id: str, standing: Standing) -> Failure:
    """Why a job is paused whose budget has no room for another call."""
    most, spent = standing.most, standing.spent
    limits = []
    if most.cost:
        limits.append(f"{spent.cost:.4f} of {most.cost:g} {standing.currency}".rstrip())
    if most.tokens:
        limits.append(f"{spent.tokens} of {most.tokens} tokens")
    return Failure(
        "RESOURCE_EXHAUSTED",
        "BUDGET_REACHED",
        f"the budget of generation {generation_id} has no room for another call: it spent "
        f"{' and '.join(limits)}. Raise it with `sishu generation update {generation_id} --max-cost` or "
        f"`--max-tokens` and let it go on with `sishu job resume {job_id}`, or use what is there",
        {"generation_id": generation_id},
    )
