from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.inference.exams import (
    LONGEST_ANSWER_TOKENS,
    Exam,
    ExamArm,
    Score,
    arm_index,
    check_arms,
    exam_item,
    longest_answer,
    summarise,
)
from services.runtime.errors import FailedPrecondition, InvalidArgument

QUESTION = {"role": "user", "content": "Who founded it?"}
ANSWER = {"role": "assistant", "content": "Ada Byron."}


def make_exam(*names: str) -> Exam:
    arms = [ExamArm(name, f"d-{name}", f"m-{name}") for name in names]
    return Exam("e", "p", "v", "j", arms, 3, datetime.now(UTC))


def test_the_last_answer_is_the_reference_and_everything_before_it_is_asked() -> None:
    system = {"role": "system", "content": "Be brief."}
    item = exam_item("x", 4, [system, QUESTION, ANSWER], [])
    assert (item.example_id, item.position) == ("x", 4)
    assert item.messages == [system, QUESTION]
    assert (item.question, item.reference) == ("Who founded it?", "Ada Byron.")


@pytest.mark.parametrize(
    "messages", [[QUESTION], [ANSWER], [ANSWER, QUESTION], [QUESTION, ANSWER, ANSWER], []]
)
def test_a_conversation_without_question_and_answer_at_its_end_is_refused(
    messages: list[dict[str, str]],
) -> None:
    with pytest.raises(FailedPrecondition, match="example x does not end") as caught:
        exam_item("x", 0, messages, [])
    assert caught.value.reason == "EXAM_ITEM_INVALID"


def test_answers_may_be_three_times_as_long_as_the_reference_and_a_bit() -> None:
    assert longest_answer("") == 32
    assert longest_answer("one two three") == 32 + 9
    assert longest_answer("净利润") == 32 + 9
    assert longest_answer("word " * 10_000) == LONGEST_ANSWER_TOKENS


def test_arms_need_names_of_their_own() -> None:
    check_arms(["base", "tuned"])
    with pytest.raises(InvalidArgument, match="2 arms are named 'base'"):
        check_arms(["base", "tuned", "base"])


def test_an_arm_is_found_by_its_name() -> None:
    exam = make_exam("base", "tuned")
    assert arm_index(exam, "tuned") == 1
    assert arm_index(exam, "") is None
    with pytest.raises(InvalidArgument, match="it has base, tuned"):
        arm_index(exam, "tunde")


def test_every_later_arm_is_compared_with_every_earlier_one_question_by_question() -> None:
    scores = [
        Score(0, 0, 0.0), Score(1, 0, 0.3), Score(2, 0, 1.0),
        Score(0, 1, 0.5), Score(2, 1, 1.0),
        Score(2, 2, 0.0),
    ]  # fmt: skip
    summary = summarise(3, scores)
    assert [arm.count for arm in summary.arms] == [2, 1, 3]
    assert [arm.mean for arm in summary.arms] == pytest.approx([0.25, 0.3, 2 / 3])
    found = [(one.minuend, one.subtrahend, one.estimate.count) for one in summary.differences]
    assert found == [(1, 0, 1), (2, 0, 2), (2, 1, 1)]
    assert [one.estimate.mean for one in summary.differences] == pytest.approx([0.3, 0.75, 0.7])


def test_there_is_no_difference_with_one_arm_or_before_both_answered() -> None:
    assert not summarise(1, [Score(0, 0, 1.0)]).differences
    assert not summarise(2, [Score(0, 0, 1.0)]).differences
    assert not summarise(2, []).differences
    found = summarise(3, [Score(0, 0, 1.0), Score(2, 0, 0.5)]).differences
    assert [(one.minuend, one.subtrahend) for one in found] == [(2, 0)]
