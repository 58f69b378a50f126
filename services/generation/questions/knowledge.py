"""Whether the model that is to learn knows a fact: how its answer is held against that from the source.

It is asked closed book, after examples that show only how to answer, as Gekhman et al. 2024 ("Does
Fine-Tuning LLMs on New Knowledge Encourage Hallucinations?", arXiv 2405.05904) find out what a model knows.
They ask many times; here it is once a fact, which does not tell well from half known.
"""

from __future__ import annotations

import re
from typing import Any

from services.generation.calls.output import OutputInvalid
from services.generation.questions.questions import Question
from services.runtime.scoring import normalise, token_f1

LONGEST_SAID = 1000
NUMBER = re.compile(r"\d+(?:\.\d+)?")


def probe_values(question: Question) -> dict[str, object]:
    """What the prompt `probe` is filled with."""
    return {"question": question.text}


def parse_said(value: Any) -> str:
    """What a model says in words: the first line, as models that only complete texts go on with questions.

    Raises:
        OutputInvalid: it says nothing.
    """
    said = str(value).strip()
    if not said:
        raise OutputInvalid("the answer is empty")
    return said.splitlines()[0].strip()[:LONGEST_SAID]


def knows(said: str, answer: str, min_f1: float) -> bool:
    """Whether a model knows a fact, by what it says and what the source says.

    The token F1 of both is `min_f1` or more (SQuAD's: Rajpurkar et al. 2016, section 6.1; see
    `services.runtime.scoring`: words in English, characters in Chinese), and every number of the answer is
    there: "It weighs 40 kg" and "It weighs 50 kg" share most of their words.
    """
    return numbers(answer) <= numbers(said) and token_f1(said, answer) >= min_f1


def numbers(text: str) -> set[str]:
    """The numbers in a text, without thousands separators."""
    return set(NUMBER.findall(normalise(text)))
