from __future__ import annotations

from pathlib import Path

import pytest

from services import generation
from services.generation.gates.gate_list import GATES
from services.generation.gates.gates import check_answer, check_gates, check_question
from services.generation.generations.kinds import Gates
from services.generation.questions.facts import Fact
from services.generation.questions.quotes import find_quote
from services.runtime.errors import InvalidArgument
from services.runtime.failures import Failure
from tests.support.reasons import reasons_of

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
        ("What is 北辰 about?", "en", ""),
        ("What is 南星 about?", "en", "LANGUAGE"),
        ("北辰公司 (Beichen) 成立于哪一年？", "zh", ""),
        ("How heavy is it?", "en", "NOT_SELF_CONTAINED"),
        ("该公司成立于哪一年？", "zh", "NOT_SELF_CONTAINED"),
        ("How long does it run?", "zh", "LANGUAGE"),
        ("How long does the Merlin 400 run?", "en", "NAME_NOT_IN_SOURCE"),
    ],
)
def test_a_question_passes_or_says_why_not(question: str, language: str, why: str) -> None:
    assert reason(check_question(question, language, SOURCE)) == why


@pytest.mark.parametrize(
    ("question", "language", "why"),
    [
        ("What does the pump KX1037 weigh?", "en", ""),
        ("What does the pump KX1038 weigh?", "en", "NAME_NOT_IN_SOURCE"),
        ("Where does the part BAe146a stand?", "en", ""),
        ("水泵 KX1037重多少？", "zh", ""),
        ("水泵 KX1037 与 MR7 各重多少？", "zh", ""),
        ("水泵 KX1038重多少？", "zh", "NAME_NOT_IN_SOURCE"),
    ],
)
def test_a_code_is_one_name_whatever_stands_beside_it(question: str, language: str, why: str) -> None:
    source = "The pump KX1037 weighs 43 grams. A BAe146a stands there. 水泵KX1037重43克，MR7重9克。"
    assert reason(check_question(question, language, source)) == why


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


@pytest.mark.parametrize(
    ("answer", "language", "why"),
    [
        ("4.5 kg", "zh", ""),
        ("Kestrel 400", "zh", ""),
        ("The Kestrel 400 runs for 9 hours.", "zh", ""),
        ("可运行 9 小时。", "zh", ""),
        ("It keeps on running for 9 hours.", "zh", "LANGUAGE"),
        ("答案： it keeps on running all the time.", "zh", "LANGUAGE"),
        ("北辰公司。", "en", ""),
        ("可运行 9 小时。", "en", "LANGUAGE"),
        ("可运行 9 小时。", "", ""),
    ],
)
def test_an_answer_is_in_the_language_of_its_source_but_for_names(
    answer: str, language: str, why: str
) -> None:
    fact = Fact(0, len(SOURCE), SOURCE)
    assert reason(check_answer("Which one?", answer, fact, fact, SOURCE, language=language)) == why


@pytest.mark.parametrize(
    ("answer", "why"), [("9 hours", "ANSWER_LENGTH"), ("About 9 hours.", ""), ("9 " * 30, "ANSWER_LENGTH")]
)
def test_an_answer_is_as_long_as_is_wanted(answer: str, why: str) -> None:
    assert FACT is not None
    gates = Gates(min_answer_chars=8, max_answer_chars=40)
    assert reason(check_answer(QUESTION, answer, FACT, FACT, SOURCE, gates)) == why


def test_an_answer_that_only_repeats_its_question_is_rejected_in_chinese_too() -> None:
    fact = Fact(0, len(SOURCE), SOURCE)
    assert (
        reason(check_answer("北辰公司成立于哪一年？", "北辰公司", fact, fact, SOURCE)) == "ANSWER_IN_QUESTION"
    )


def test_a_gate_that_is_off_lets_pass_and_the_next_one_does_not() -> None:
    assert FACT is not None
    asked = "According to the text, how long does the Merlin run?"
    assert reason(check_question(asked, "en", SOURCE, Gates(off=["LEAK_PHRASE"]))) == "NAME_NOT_IN_SOURCE"
    both = Gates(off=["LEAK_PHRASE", "NAME_NOT_IN_SOURCE"])
    assert check_question(asked, "en", SOURCE, both) is None
    off = Gates(off=["QUOTE_NOT_FOUND"])
    assert check_answer(QUESTION, "It runs for 9 hours.", None, FACT, SOURCE, off) is None
    assert reason(check_answer(QUESTION, "I cannot answer.", None, FACT, SOURCE, off)) == "REFUSAL"


def test_a_gate_that_is_not_there_cannot_be_off() -> None:
    check_gates(Gates(off=list(GATES)))
    with pytest.raises(
        InvalidArgument, match="there is no gate LEAKS; there are QUESTION_LENGTH, "
    ) as raised:
        check_gates(Gates(off=["LEAKS"]))
    assert (raised.value.reason, raised.value.field) == ("GATE_UNKNOWN", "generation.options.gates.off")
    with pytest.raises(InvalidArgument, match="no answer could be kept"):
        check_gates(Gates(min_answer_chars=50, max_answer_chars=49))


def test_every_reason_with_which_texts_are_rejected_is_a_gate() -> None:
    room = Path(generation.__file__).parent
    made = {one for path in room.rglob("*.py") for one in reasons_of(path, {"rejected": 0})}
    # That a generation has no candidate twice is a rule, not a gate that one can leave out.
    assert made - {"DUPLICATE"} | {"DUPLICATE_QUESTION", "NEAR_COPY", "MEANING_COPY"} == GATES.keys()
    assert all(gate.en and gate.zh and gate.of for gate in GATES.values())


def test_the_invented_number_is_named() -> None:
    fact = Fact(0, 10, SOURCE[:10])
    failure = check_answer(QUESTION, "It cost 1,200.50 in 2015.", fact, fact, SOURCE)
    assert failure is not None
    assert "1,200.50" in failure.message


def test_a_number_written_as_in_the_source_passes_at_the_end_of_a_sentence() -> None:
    assert FACT is not None
    assert check_answer(QUESTION, "The runtime in hours is 9.", FACT, FACT, SOURCE) is None
