"""What comes of the parts of answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.generation.calls.chain import Chain
from services.generation.calls.output import OutputInvalid
from services.generation.calls.replies import Reply
from services.generation.questions.writing import questions_parser, questions_schema
from tests.support.prompts import render

FIRST, SECOND = ["What is A of it?", "Which A is it?"], ["What is B of it?", "Which B is it?"]


def reply(first: list[str], second: list[str]) -> Reply:
    return Reply(json.dumps({"fact_1": {"questions": first}, "fact_2": {"questions": second}}))


def test_a_part_that_was_good_is_kept_whatever_is_said_of_it_later() -> None:
    prompt = render("questions", "en", passage="A. B.", facts=["A.", "B."], forms=2)
    chain: Chain[Any] = Chain(prompt, questions_schema(2, 2, "en"), questions_parser(2, 2))
    with pytest.raises(OutputInvalid):
        chain.read(reply(FIRST, []))
    assert chain.read(reply([], SECOND)) == [FIRST, SECOND]
