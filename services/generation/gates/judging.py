"""Judgements: what a language model says of a question and its answer, beside their source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from services.generation.calls.output import OutputInvalid
from services.generation.gates.gates import first_on, rejected
from services.generation.generations.kinds import Gates
from services.generation.question_templates.question_templates import TEMPLATE
from services.generation.questions.question_types import UNANSWERABLE
from services.generation.questions.questions import CallRecord, Judgement
from services.generation.questions.writing import strict_object
from services.runtime.jobs import Failure

SCORES = [number / 2 for number in range(11)]
LONGEST_REASON = 1000


class Verdict(BaseModel, strict=True):
    """What a judge says."""

    reason: str
    answerable: bool
    faithful: bool
    self_contained: bool
    score: float = Field(ge=0, le=5, multiple_of=0.5)


def judgement_schema() -> dict[str, Any]:
    """`{"reason": ..., "answerable": ..., ...}`: the reason first, so that the score follows from it."""
    truth = {"type": "boolean"}
    return strict_object(
        {
            "reason": {"type": "string", "minLength": 1, "maxLength": LONGEST_REASON},
            "answerable": truth,
            "faithful": truth,
            "self_contained": truth,
            "score": {"type": "number", "enum": SCORES},
        }
    )


def parse_verdict(value: Any) -> Verdict:
    """Reads what `judgement_schema` asked for."""
    try:
        verdict = Verdict.model_validate(value)
    except ValidationError:
        raise OutputInvalid(
            'the answer must be {"reason": text, "answerable": true or false, "faithful": true or false, '
            '"self_contained": true or false, "score": 0 to 5 in steps of 0.5}'
        ) from None
    return verdict.model_copy(update={"reason": verdict.reason.strip()[:LONGEST_REASON]})


def judgement_of(verdict: Verdict, call: CallRecord) -> Judgement:
    """A verdict with its call."""
    return Judgement(**verdict.model_dump(), call=call)


def judge_prompt(question_type: str) -> str:
    """The name of the prompt that asks for a judgement of a question."""
    return f"judge_{question_type}" if question_type in {TEMPLATE, UNANSWERABLE} else "judge"


def gates_of(question_type: str, gates: Gates) -> Gates:
    """The gates of a question: one of a template is read beside its chunk, and may point at it."""
    return replace(gates, off=[*gates.off, "NOT_SELF_CONTAINED"]) if question_type == TEMPLATE else gates


def check_judgement(judgement: Judgement, gates: Gates, *, answerable: bool = True) -> Failure | None:
    """Why what was judged is rejected; nothing when it passes.

    Args:
        judgement: what the judge says.
        gates: which are on.
        answerable: whether the source is to answer the question.
    """
    return first_on(judgement_faults(judgement, gates, answerable=answerable), gates)


def judgement_faults(judgement: Judgement, gates: Gates, *, answerable: bool) -> Iterator[Failure]:
    """What a judge finds wrong."""
    least = gates.judge.min_score if gates.judge else 0.0
    if judgement.answerable and not answerable:
        yield rejected("ANSWERABLE", f"the source answers the question: {judgement.reason}")
    if answerable and not judgement.answerable:
        yield rejected("NOT_ANSWERABLE", f"the source does not answer the question: {judgement.reason}")
    if not judgement.faithful:
        yield rejected("UNFAITHFUL", f"the answer says what its source does not: {judgement.reason}")
    if not judgement.self_contained:
        yield rejected(
            "NOT_SELF_CONTAINED", f"the question is not understood without its source: {judgement.reason}"
        )
    if judgement.score < least:
        yield rejected("SCORE_LOW", f"the score {judgement.score:g} is below {least:g}: {judgement.reason}")
