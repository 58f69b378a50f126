from __future__ import annotations

import json
from typing import Any

import pytest

from services.generation.calls.answers import KeptAnswer, answer_key, kept_answer
from services.generation.calls.replies import Usage

MESSAGES = [{"role": "system", "content": "You answer."}, {"role": "user", "content": "为什么？"}]
ASKED: dict[str, Any] = {
    "messages": MESSAGES,
    "model": "m",
    "sampling": {"temperature": 0, "top_p": 0.5},
    "schema": {"type": "object"},
}


def test_the_same_question_has_the_same_key_whatever_the_order_of_its_parts() -> None:
    other = {**ASKED, "sampling": {"top_p": 0.5, "temperature": 0}}
    assert answer_key(**ASKED) == answer_key(**other)
    assert len(answer_key(**ASKED)) == 32


@pytest.mark.parametrize(
    "change",
    [
        {"messages": MESSAGES[:1]},
        {"model": "n"},
        {"sampling": {"temperature": 0.1, "top_p": 0.5}},
        {"sampling": {}},
        {"schema": {"type": "array"}},
        {"replica": 1},
    ],
)
def test_another_question_has_another_key(change: dict[str, Any]) -> None:
    assert answer_key(**ASKED) != answer_key(**{**ASKED, **change})


def test_half_a_surrogate_pair_can_be_asked() -> None:
    assert answer_key(**{**ASKED, "messages": [{"role": "user", "content": "\ud800"}]})


def test_an_answer_comes_back_as_it_was_kept() -> None:
    answer = KeptAnswer({"quote": "a", "n": [1, "想"]}, "thoughts", "model-1", Usage(3, 4, 2, 0.5, 0.01))
    assert kept_answer(json.loads(answer.as_text())) == answer
