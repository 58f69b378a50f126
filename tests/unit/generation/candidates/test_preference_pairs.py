from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.generation.candidates.candidates import NewCandidate, PreferencePair
from services.generation.candidates.preference_pairs import assignment, flaw_of
from services.generation.generations.generations import GenerationOptions
from services.generation.generations.kinds import PreferencePairOptions
from services.generation.questions.filling import quote_of
from services.generation.questions.questions import Answer, CallRecord, Question
from tests.support.chunks import HONGSUN, KESTREL, chunk_of, fact_in

OPTIONS = GenerationOptions()
CALL = CallRecord("l", "answer.en@1", "v", "m", {}, 1, 1, 1, 0.1)


def question_of(text: str, source: str, quoted: str, answer: str) -> Question:
    quote = quote_of(chunk_of(source), fact_in(source, quoted))
    good = Answer(answer, [quote], "", CALL)
    return Question(
        *("q", "p", "g", ["c"], ["d"], text, quote, 0, "answered", None, good, CALL),
        create_time=datetime.now(UTC),
    )


LONG = question_of(
    "How long does the Kestrel 400 run?",
    KESTREL,
    "The Kestrel 400 runs for 9 hours on one battery.",
    "The Kestrel 400 runs for 9 hours.",
)
SHORT = question_of(
    "What does the battery weigh?", KESTREL, "Its battery weighs 4.5 kg and is charged in 2 hours.", "4.5 kg"
)
ZH = question_of("红隼的电池有多重？", HONGSUN, "红隼的电池重量为四千克半。", "红隼的电池重四千克半。")


def made(bad: str, flaw: str, question: Question = LONG, source: str = KESTREL) -> NewCandidate:
    assert question.answer is not None
    work = assignment(question, question.answer, [chunk_of(source)], flaw, OPTIONS)
    return work.made(work.parse({"bad_answer": bad}))


@pytest.mark.parametrize(
    ("bad", "flaw", "reason"),
    [
        ("The Kestrel 400 runs for 12 hours.", "wrong", ""),
        ("The Merlin 400 runs for 9 hours.", "wrong", ""),
        ("The Kestrel 400 does not run for 9 hours.", "wrong", ""),
        ("", "wrong", "ANSWER_EMPTY"),
        ("The Kestrel 400 runs for 9 hours!", "wrong", "NOT_DIFFERENT"),
        ("For 9 hours the Kestrel 400 runs.", "wrong", "NOT_DIFFERENT"),
        ("Well: The Kestrel 400 runs for 9 hours.", "wrong", "NOT_DIFFERENT"),
        ("The Kestrel 400 runs for 9 hours on one", "wrong", "NOT_DIFFERENT"),
        ("Kestrel 400 runs for", "wrong", "NOT_BAD"),
        ("Marlow Systems has built the Kestrel since 2015.", "wrong", ""),
        ("Marlow Systems has built the Kestrel since 2015.", "ungrounded", "NOT_BAD"),
        ("The battery of the Kestrel is charged in 9 hours.", "ungrounded", "NOT_UNGROUNDED"),
        ("It runs for 9 hours, and for 12 in winter.", "ungrounded", ""),
        ("The Kestrel 400 runs for 9 hours, even under water.", "ungrounded", ""),
        ("The Kestrel 400 runs for 9 hours!", "ungrounded", "NOT_DIFFERENT"),
        ("8 hours", "wrong", "LENGTHS_DIFFER"),
        ("It runs for a very long time indeed. " * 4, "wrong", "LENGTHS_DIFFER"),
        ("I cannot say how long it runs.", "wrong", "REFUSAL"),
        ("According to the text, it runs for 8 hours.", "wrong", "LEAK_PHRASE"),
        ("它可以运行八个小时，也许更长一些时间。", "wrong", "LANGUAGE"),
    ],
)
def test_a_pair_is_kept_or_says_why_not(bad: str, flaw: str, reason: str) -> None:
    failure = made(bad, flaw).rejection
    assert (failure.reason if failure else "") == reason


@pytest.mark.parametrize(
    ("bad", "flaw", "reason"),
    [
        ("红隼的电池重九千克。", "wrong", ""),
        ("红隼的电池重四千克半。", "wrong", "NOT_DIFFERENT"),
        ("红隼的电池由宁德制造，重四千克。", "ungrounded", ""),
        ("北辰公司成立于2015年", "ungrounded", "NOT_BAD"),
    ],
)
def test_a_chinese_pair_is_kept_or_says_why_not(bad: str, flaw: str, reason: str) -> None:
    failure = made(bad, flaw, ZH, HONGSUN).rejection
    assert (failure.reason if failure else "") == reason


def test_a_short_answer_may_have_a_bad_one_of_a_whole_sentence() -> None:
    assert made("Its battery weighs 6 kg, without the case.", "wrong", SHORT).rejection is None


def test_a_pair_bears_question_facts_and_quotes_of_the_good_answer() -> None:
    candidate = made("The Kestrel 400 runs for 12 hours.", "wrong")
    assert LONG.answer is not None
    assert candidate.content == PreferencePair(
        LONG.text, LONG.answer.text, "The Kestrel 400 runs for 12 hours.", "wrong"
    )
    assert (candidate.question_id, candidate.fact_ids) == ("q", [LONG.fact_id])
    assert candidate.quotes == LONG.answer.quotes


def test_flaws_come_in_turn_unless_one_is_wanted() -> None:
    assert [flaw_of(OPTIONS, number) for number in range(3)] == ["wrong", "ungrounded", "wrong"]
    one = replace(OPTIONS, preference_pairs=PreferencePairOptions(flaw="ungrounded"))
    assert [flaw_of(one, number) for number in range(2)] == ["ungrounded"] * 2


def test_a_model_sees_what_stands_around_the_fact_or_all_of_several_chunks() -> None:
    narrow = replace(OPTIONS, context_chars=1)
    assert SHORT.answer is not None
    chunk, other = chunk_of(KESTREL), chunk_of(HONGSUN)
    work = assignment(SHORT, SHORT.answer, [chunk], "wrong", narrow)
    assert work.values["passage"] == "Its battery weighs 4.5 kg and is charged in 2 hours."
    work = assignment(SHORT, SHORT.answer, [chunk, other], "wrong", narrow)
    assert work.values["passage"] == f"{KESTREL} {HONGSUN}"
