from __future__ import annotations

from typing import Any

import pytest

from services.dataset.changes.applied import Applying, Improved, Judged
from services.dataset.changes.applying import check_applying, result_of
from services.dataset.examples.examples import Origin, Quote
from services.runtime.errors import SishuError
from sishu.common.v1 import job_pb2, origin_pb2, text_span_pb2
from sishu.generation.v1 import candidate_pb2, generation_pb2, judgement_pb2

JUDGE = generation_pb2.GENERATION_KIND_JUDGE_EXAMPLES
IMPROVE = generation_pb2.GENERATION_KIND_IMPROVE_EXAMPLES
CONVERSATIONS = generation_pb2.GENERATION_KIND_CONVERSATIONS
SUCCEEDED, CANCELLED = job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_CANCELLED
RUNNING, PAUSED = job_pb2.JOB_STATE_RUNNING, job_pb2.JOB_STATE_PAUSED
ORIGIN = origin_pb2.Origin(prompt_version="p", provider_id="x", model="model")


@pytest.mark.parametrize(
    ("kind", "state", "score", "reason"),
    [
        (JUDGE, SUCCEEDED, None, ""),
        (JUDGE, CANCELLED, 3.0, ""),
        (IMPROVE, SUCCEEDED, None, ""),
        (IMPROVE, SUCCEEDED, 0.0, "FIELD_INVALID"),
        (JUDGE, RUNNING, None, "GENERATION_RUNNING"),
        (IMPROVE, PAUSED, None, "GENERATION_RUNNING"),
        (CONVERSATIONS, SUCCEEDED, None, "GENERATION_OF_OTHER_KIND"),
    ],
)
def test_only_what_was_made_for_examples_and_has_ended_is_applied(
    kind: Any, state: Any, score: float | None, reason: str
) -> None:
    options = generation_pb2.GenerationOptions(kind=kind)
    generation = generation_pb2.Generation(id="g", options=options, job=job_pb2.Job(id="j", state=state))
    try:
        check_applying(generation, Applying("g", score))
    except SishuError as error:
        assert error.reason == reason
    else:
        assert not reason


def test_a_judgement_is_read() -> None:
    candidate = candidate_pb2.Candidate(
        example_judgement=candidate_pb2.ExampleJudgement(example_id="e", example_revision=2),
        judgement=judgement_pb2.Judgement(score=3.5, reason="So so."),
        origin=ORIGIN,
    )
    assert result_of(candidate) == Judged("e", 2, 3.5, "So so.", "model")


def test_a_new_answer_is_read() -> None:
    candidate = candidate_pb2.Candidate(
        example_answer=candidate_pb2.ExampleAnswer(example_id="e", example_revision=2, answer="20."),
        quotes=[text_span_pb2.Quote(text="It is 20.", span=text_span_pb2.TextSpan(end=9))],
        origin=ORIGIN,
    )
    read = Improved("e", 2, "20.", [Quote("It is 20.", end=9)], Origin("p", "x", "model"))
    assert result_of(candidate) == read
    candidate.judgement.score = 4
    assert result_of(candidate) == Improved("e", 2, "20.", read.quotes, read.origin, 4.0)


def test_what_is_about_no_example_is_passed_over() -> None:
    assert result_of(candidate_pb2.Candidate(passage=candidate_pb2.Passage(text="x"))) is None
