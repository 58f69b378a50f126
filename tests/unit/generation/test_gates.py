from __future__ import annotations

import pytest

from services.generation.facts import Fact
from services.generation.gates import check_answer, check_question
from services.generation.quotes import find_quote
from services.runtime.jobs import Failure

SOURCE = "The Kestrel 400 runs for 9 hours. It weighs 4.5 kg. 北辰公司成立于2015年。"
QUESTION = "How long does the Kestrel 400 run?"
FACT = find_quote(SOURCE, "The Kestrel 400 runs for 9 hours.")


def reason(failure: Failure | None) -> str:
    return failure.reason if failure else ""


@pytest.mark.parametrize(
    ("question", "language", "why"),
    [
        ("How long does the Kestrel 400 run?", "en", ""),
        ("“How long does it run?”", "en", ""),
        ("北辰公司成立于哪一年？", "zh", ""),
        ("Why?", "en", "QUESTION_LENGTH"),
        ("x" * 500 + "?", "en", "QUESTION_LENGTH"),
        ("The Kestrel 400 runs for 9 hours.", "en", "NOT_A_QUESTION"),
        ("What does this passage say about the Kestrel?", "en", "LEAK_PHRASE"),
        ("According to the text, how long does it run?", "en", "LEAK_PHRASE"),
        ("根据上述材料，公司成立于哪一年？", "zh", "LEAK_PHRASE"),
        ("What is 北辰 about?", "en", "LANGUAGE"),
        ("How long does it run?", "zh", "LANGUAGE"),
        ("How long does the Merlin 400 run?", "en", "NAME_NOT_IN_SOURCE"),
    ],
)
def test_a_question_passes_or_says_why_not(question: str, language: str, why: str) -> None:
    assert reason(check_question(question, language, SOURCE)) == why


@pytest.mark.parametrize(
    ("answer", "quote", "why"),
    [
        ("It runs for 9 hours.", "The Kestrel 400 runs for 9 hours.", ""),
        ("Nine hours.", "Kestrel 400 runs", ""),
        ("It runs for 9 hours.", "It runs for 9 days.", "QUOTE_NOT_FOUND"),
        ("  ", "The Kestrel 400 runs for 9 hours.", "ANSWER_EMPTY"),
        ("It runs. " * 20, "The Kestrel 400 runs for 9 hours.", "REPETITIVE"),
        ("I cannot answer that.", "The Kestrel 400 runs for 9 hours.", "REFUSAL"),
        ("It is not mentioned.", "The Kestrel 400 runs for 9 hours.", "REFUSAL"),
        ("The text says nine hours.", "The Kestrel 400 runs for 9 hours.", "LEAK_PHRASE"),
        ("It weighs 4.5 kg.", "It weighs 4.5 kg.", "QUOTE_OFF_FACT"),
        ("The Kestrel 400.", "The Kestrel 400 runs for 9 hours.", "ANSWER_IN_QUESTION"),
        ("As Merlin does: 9 hours.", "The Kestrel 400 runs for 9 hours.", "NAME_NOT_IN_SOURCE"),
        ("It runs for 10 hours.", "The Kestrel 400 runs for 9 hours.", "NUMBER_NOT_IN_SOURCE"),
    ],
)
def test_an_answer_passes_or_says_why_not(answer: str, quote: str, why: str) -> None:
    assert FACT is not None
    assert reason(check_answer(QUESTION, answer, find_quote(SOURCE, quote), FACT, SOURCE)) == why


def test_the_invented_number_is_named() -> None:
    fact = Fact(0, 10, SOURCE[:10])
    failure = check_answer(QUESTION, "It cost 1,200.50 in 2015.", fact, fact, SOURCE)
    assert failure is not None
    assert "1,200.50" in failure.message


def test_a_number_written_as_in_the_source_passes_at_the_end_of_a_sentence() -> None:
    assert FACT is not None
    assert check_answer(QUESTION, "The runtime in hours is 9.", FACT, FACT, SOURCE) is None
