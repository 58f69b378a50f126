from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from services.generation.asking.asking import Attempt, Task, again, with_json
from services.generation.calls.answers import KeptAnswer
from services.generation.calls.chain import Chain
from services.generation.calls.output import OutputIncomplete, OutputInvalid
from services.generation.calls.replies import Usage
from services.generation.generations.generations import Generation, GenerationOptions
from services.generation.prompts.built_in import Prompt
from services.generation.providers.providers import Provider
from services.generation.questions.writing import questions_parser
from services.runtime.jobs import Item

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WHOLE = {"fact_1": {"questions": ["How?", "Why?"]}}
PART = {"fact_1": {"questions": ["How?"]}}


def task(**options: Any) -> Task[list[list[str]]]:
    return Task(
        Item("item", "job", "project", "generation", "write_questions", "k", "chunk", {}),
        Generation("generation", "project", "provider", GenerationOptions(**options), NOW),
        Provider("provider", "project", "n", "http://a/v1", None, "m", None, {}, NOW, NOW),
        "chunk",
        Prompt("questions.en@1", ["a", "b"]),
        {},
        questions_parser(1, 2),
    )


def kept(value: Any) -> KeptAnswer:
    return KeptAnswer(value, "thoughts", "m-1", Usage(10, 5, 2, 0.5, 0.01))


def test_a_kept_answer_is_not_paid_and_says_what_it_had_cost() -> None:
    found = again(task(), kept(WHOLE))
    assert found and (found.value, found.reasoning) == ([["How?", "Why?"]], "thoughts")
    call = found.call
    assert (call.calls, call.prompt_tokens, call.completion_tokens, call.cost) == (0, 0, 0, 0)
    assert call.cached == {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "calls": 2,
        "seconds": 0.5,
        "cost": 0.01,
    }


def test_a_kept_part_stands_for_an_answer_whose_rest_never_came() -> None:
    found = again(task(), kept(PART))
    assert found and found.value == [["How?"]]


def test_a_kept_answer_that_no_longer_validates_is_passed_over() -> None:
    assert again(task(), kept("moved")) is None


@pytest.mark.parametrize("options", [{}, {"max_tokens": 9}, {"max_cost": 1.0}])
def test_a_kept_answer_ends_what_was_reserved_also_where_the_budget_is_gone(options: dict[str, Any]) -> None:
    found = again(task(**options), kept(WHOLE))
    assert found and (found.settlement.item_id, found.settlement.key) == ("item", None)


def test_a_call_of_which_nobody_says_what_it_used_counts_at_worst_beside_others() -> None:
    attempt = Attempt([])
    chain: Chain[Any] = Chain(Prompt("p", ["a", "b"]), {}, lambda value: value)
    attempt.begin(chain)
    attempt.worst = Usage(100, 50, 1)
    chain.usage += Usage(10, 5, 1)
    attempt.begin(chain)
    attempt.worst = Usage(200, 60, 1)
    assert attempt.used == Usage(10, 5, 1)
    chain.usage += Usage(calls=1)
    assert attempt.used == Usage(210, 65, 2)


def test_a_parser_gives_what_it_read_as_well() -> None:
    parse = with_json(questions_parser(1, 2))
    assert parse(WHOLE) == ([["How?", "Why?"]], WHOLE)
    with pytest.raises(OutputIncomplete) as raised:
        parse(PART)
    assert raised.value.value == ([["How?"]], PART)
    with pytest.raises(OutputInvalid):
        parse("x")
