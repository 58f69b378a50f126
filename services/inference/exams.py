"""Exams: the same held-out questions for several models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Any

from services.inference.statistics import Estimate, mean_interval, paired_interval
from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.runtime.scoring import tokens

ANSWER_SPARE_TOKENS = 32
ANSWER_TOKENS_PER_TOKEN = 3
LONGEST_ANSWER_TOKENS = 4096
MOST_ITEMS = 10_000


@dataclass(frozen=True)
class ExamArm:
    """One examinee: a deployment, and the model that it served when the exam was created."""

    name: str
    deployment_id: str
    model_id: str


@dataclass(frozen=True)
class NewArm:
    """An examinee as a caller names it."""

    name: str
    deployment_id: str


@dataclass(frozen=True)
class NewExam:
    """An exam that a caller asks for."""

    project_id: str
    dataset_version_id: str
    arms: Sequence[NewArm]


@dataclass(frozen=True)
class Exam:
    """An exam; the scores follow from its results."""

    id: str
    project_id: str
    dataset_version_id: str
    job_id: str
    arms: Sequence[ExamArm]
    item_count: int
    create_time: datetime


@dataclass(frozen=True)
class ExamItem:
    """A question with the answer that the dataset holds; `messages` are what the arms are asked."""

    example_id: str
    position: int
    messages: Sequence[Mapping[str, str]]
    question: str
    reference: str
    quotes: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class ExamResult:
    """One answer of one arm, `arm` being its place among the exam's arms."""

    id: str
    exam_id: str
    arm: int
    example_id: str
    position: int
    question: str
    reference: str
    answer: str
    score: float
    quotes: Sequence[Mapping[str, Any]]
    create_time: datetime

    @property
    def size_bytes(self) -> int:
        """Bytes of its texts."""
        quoted = (quote["text"] for quote in self.quotes)
        return sum(len(text.encode()) for text in (self.question, self.reference, self.answer, *quoted))


@dataclass(frozen=True)
class Score:
    """How an arm did on the question at a position."""

    arm: int
    position: int
    score: float


@dataclass(frozen=True)
class Difference:
    """How two arms differ, given by their places among the exam's arms."""

    minuend: int
    subtrahend: int
    estimate: Estimate


@dataclass(frozen=True)
class Summary:
    """What an exam says so far: an estimate an arm, and each later arm minus each earlier one."""

    arms: Sequence[Estimate]
    differences: Sequence[Difference]


def check_arms(names: Sequence[str]) -> None:
    """Hold the names of the arms against the contract.

    Raises:
        InvalidArgument: two arms share a name.
    """
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise InvalidArgument(
            "ARM_NAME_TAKEN",
            f"{count} arms are named {name!r}; give each its own name",
            "exam.arms",
            name=name,
        )


def exam_item(
    example_id: str,
    position: int,
    messages: Sequence[Mapping[str, str]],
    quotes: Sequence[Mapping[str, Any]],
) -> ExamItem:
    """Make an exam item of a conversation: the last assistant message is the reference.

    Raises:
        FailedPrecondition: the conversation does not end with a question and its answer.
    """
    roles = [message["role"] for message in messages]
    if roles[-2:] != ["user", "assistant"]:
        raise FailedPrecondition(
            "EXAM_ITEM_INVALID",
            f"example {example_id} does not end with a user's message and its answer; mend or delete it, and "
            "make a new dataset version",
            example_id=example_id,
        )
    *asked, answer = messages
    return ExamItem(example_id, position, asked, asked[-1]["content"], answer["content"], quotes)


def longest_answer(reference: str) -> int:
    """Most tokens that an answer may have: 32, and three for each word or CJK character of the reference."""
    wanted = ANSWER_SPARE_TOKENS + ANSWER_TOKENS_PER_TOKEN * len(tokens(reference))
    return min(wanted, LONGEST_ANSWER_TOKENS)


def arm_index(exam: Exam, name: str) -> int | None:
    """Place of the arm of this name; nothing for no name.

    Raises:
        InvalidArgument: the exam has no such arm.
    """
    if not name:
        return None
    names = [arm.name for arm in exam.arms]
    if name not in names:
        raise InvalidArgument(
            "ARM_UNKNOWN", f"the exam has no arm {name!r}; it has {', '.join(names)}", "arm", name=name
        )
    return names.index(name)


def summarise(arm_count: int, scores: Sequence[Score]) -> Summary:
    """Estimate every arm, and how every two arms differ on the questions that both answered."""
    by_arm: list[dict[int, float]] = [{} for _ in range(arm_count)]
    for score in scores:
        by_arm[score.arm][score.position] = score.score
    differences = [
        Difference(later, earlier, estimate)
        for earlier, later in combinations(range(arm_count), 2)
        if (estimate := paired_interval(by_arm[earlier], by_arm[later]))
    ]
    return Summary([mean_interval(list(found.values())) for found in by_arm], differences)
