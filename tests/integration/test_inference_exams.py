"""Exams, with the real engine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from services.inference.store import ExamStore
from services.runtime.db import transaction
from services.runtime.ids import new_id
from services.runtime.scoring import token_f1
from sishu.common.v1 import job_pb2
from sishu.dataset.v1.dataset_version_pb2 import DatasetVersionExample
from sishu.errors import ApiError
from sishu.inference.v1 import exam_pb2
from sishu.inference.v1 import exam_service_pb2 as exams
from sishu.trainer.v1 import model_pb2
from tests.integration.inference_school import School, started_school
from tests.unit.inference.engine import conftest as engine_fixtures

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

tokenizer, folder = engine_fixtures.tokenizer, engine_fixtures.folder
school = pytest_asyncio.fixture(scope="module")(started_school)

QUESTIONS = 30
SYSTEM_PROMPT = "Answer about the towns of Ostrel."
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""Where an answer was cut within a character."""


async def test_an_exam_scores_every_arm_on_every_question_once_though_workers_are_killed(
    school: School,
) -> None:
    questions = [f"Where is town {number}?" for number in range(QUESTIONS)]
    # What the base model says anyway under the version's system prompt is the reference.
    answers = await asyncio.gather(
        *(school.answer(school.base, question, system_prompt=SYSTEM_PROMPT) for question in questions)
    )
    version_id = school.datasets.add_version(list(zip(questions, answers, strict=True)), SYSTEM_PROMPT)
    arms = [("tuned", school.tuned), ("base", school.base)]
    request_id = new_id()
    exam = await school.create_exam(version_id, *arms, request_id=request_id)
    assert (await school.create_exam(version_id, *arms, request_id=request_id)).id == exam.id
    assert exam.item_count == QUESTIONS
    assert (exam.job.kind, exam.job.counts.total) == ("examine", 2 * QUESTIONS)
    assert [(score.arm, score.items) for score in exam.scores] == [("tuned", 0), ("base", 0)]
    models = [(await school.get(deployment_id)).model_id for _, deployment_id in arms]
    assert [arm.model_id for arm in exam.arms] == models
    assert not exam.differences
    with pytest.raises(ApiError) as caught:
        await school.client.exams.DeleteExam(exams.DeleteExamRequest(id=exam.id))
    assert caught.value.reason == "EXAM_RUNNING"
    with pytest.raises(ApiError) as caught:
        await school.unload(school.tuned)
    assert (caught.value.code, caught.value.reason) == ("FAILED_PRECONDITION", "DEPLOYMENT_IN_USE")

    for items in (4, QUESTIONS):
        async with school.worker() as worker:
            await school.done(exam.id, items)
            await worker.kill()
    async with school.worker(concurrency=8):
        await school.done(exam.id, 2 * QUESTIONS)

    exam = await school.exam(exam.id)
    assert exam.job.state == job_pb2.JOB_STATE_SUCCEEDED
    assert exam.job.counts.done == exam.job.counts.total == 2 * QUESTIONS
    check_results(exam, await school.results(exam.id), school.datasets.versions[version_id])
    assert len(await school.results(exam.id, arm="base")) == QUESTIONS
    with pytest.raises(ApiError) as caught:
        await school.results(exam.id, arm="third")
    assert caught.value.reason == "ARM_UNKNOWN"

    listed = await school.client.exams.ListExams(exams.ListExamsRequest(project_id=school.project_id))
    assert list(listed.exams) == [exam]
    deleted = await school.client.exams.DeleteExam(exams.DeleteExamRequest(id=exam.id))
    assert deleted.deleted_results == 2 * QUESTIONS
    with pytest.raises(ApiError) as caught:
        await school.exam(exam.id)
    assert caught.value.reason == "EXAM_NOT_FOUND"
    anew = await school.create_exam(version_id, *arms, request_id=request_id)
    assert anew.id != exam.id
    await school.cancel(anew)
    await school.client.exams.DeleteExam(exams.DeleteExamRequest(id=anew.id))


def check_results(
    exam: exam_pb2.Exam, results: Sequence[exam_pb2.ExamResult], examples: Sequence[DatasetVersionExample]
) -> None:
    """Every arm answered every question once; the scores are those of the answers."""
    expected = [(example.example_id, arm) for example in examples for arm in ("tuned", "base")]
    assert [(result.example_id, result.arm) for result in results] == expected
    by_id = {example.example_id: example for example in examples}
    models = {arm.name: arm.model_id for arm in exam.arms}
    for result in results:
        example = by_id[result.example_id]
        _, asked, known = example.messages
        assert (result.question, result.reference) == (asked.content, known.content)
        assert list(result.quotes) == list(example.quotes)
        assert result.score == token_f1(result.answer, result.reference)
        assert result.metric == exam_pb2.EXAM_METRIC_TOKEN_F1
        assert result.model_id == models[result.arm]
        if result.arm == "base":
            assert result.answer.startswith(result.reference.rstrip(REPLACEMENT))
        assert exam.create_time.ToDatetime() < result.create_time.ToDatetime()
    tuned, base = exam.scores
    for score in exam.scores:
        own = [result.score for result in results if result.arm == score.arm]
        assert score.items == len(own) == QUESTIONS
        assert score.mean == pytest.approx(sum(own) / len(own))
        assert score.low <= score.mean <= score.high
    assert base.mean > tuned.mean
    [difference] = exam.differences
    assert (difference.minuend_arm, difference.subtrahend_arm) == ("base", "tuned")
    assert difference.mean == pytest.approx(base.mean - tuned.mean)
    assert difference.low <= difference.mean <= difference.high


async def test_exams_that_cannot_be_held_are_refused(school: School) -> None:
    arm = ("base", school.base)
    ready = school.datasets.add_version([("Where?", "There.")])
    making = school.datasets.add_version([("Where?", "There.")])
    school.datasets.making.add(making)
    cases = [
        (school.datasets.add_version([]), [arm], "NO_EXAM_ITEMS"),
        (making, [arm], "DATASET_VERSION_NOT_READY"),
        (new_id(), [arm], "DATASET_VERSION_NOT_FOUND"),
        (ready, [arm, arm], "ARM_NAME_TAKEN"),
        (ready, [("gone", new_id())], "DEPLOYMENT_NOT_FOUND"),
        (ready, [], "FIELD_INVALID"),
        (ready, [("tuned-base", school.base)], "FIELD_INVALID"),
    ]
    for version_id, arms, reason in cases:
        with pytest.raises(ApiError) as caught:
            await school.create_exam(version_id, *arms)
        assert caught.value.reason == reason


async def test_a_model_that_is_being_loaded_keeps_no_other_arm_waiting(school: School, folder: Path) -> None:
    model_id = school.models.add_base("slow", folder)
    school.models.models[model_id].state = model_pb2.MODEL_STATE_PREPARING
    slow = await school.deploy(model_id)
    version_id = school.datasets.add_version([("Where?", "There."), ("When?", "Then.")])
    exam = await school.create_exam(version_id, ("slow", slow.id), ("base", school.base))
    async with school.worker(concurrency=2):
        await school.done(exam.id, 2, seconds=90)
        assert [score.items for score in (await school.exam(exam.id)).scores] == [0, 2]
        school.models.models[model_id].state = model_pb2.MODEL_STATE_READY
        await school.done(exam.id, 4)
    await school.unload(slow.id)


async def test_a_page_of_long_results_ends_early(school: School) -> None:
    # The quote holds the text of the answer once more.
    pairs = [("Where?", str(number) * 300_000) for number in range(3)]
    version_id = school.datasets.add_version(pairs)
    exam = await school.create_exam(version_id, ("base", school.base))
    async with school.stores.pool("inference") as pool, transaction(pool) as connection:
        for held in school.datasets.versions[version_id]:
            await ExamStore(pool).insert_result(
                connection, exam.id, held.example_id, arm=0, answer="", score=0.0
            )
    request = exams.ListExamResultsRequest(exam_id=exam.id, page_size=1000)
    first = await school.client.exams.ListExamResults(request)
    assert len(first.exam_results) == 1
    found = await school.results(exam.id)
    assert [result.reference for result in found] == [answer for _, answer in pairs]
