"""Judgements: what a language model says of an answer, or of a candidate, beside its source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from services.generation.calls.output import OutputInvalid
from services.generation.gates.gates import first_on, rejected
from services.generation.generations.kinds import Gates
from services.generation.questions.questions import CallRecord, Judgement
from services.generation.questions.writing import strict_object
from services.runtime.failures import Failure

SCORES = [number / 2 for number in range(11)]
LONGEST_REASON = 1000

UNSEEN = Failure("FAILED_PRECONDITION", "CHUNK_GONE", "its chunk was deleted before it was judged")
UNANSWERED = Failure("FAILED_PRECONDITION", "CHUNK_GONE", "its chunk was deleted before it was answered")
"""Why something is rejected that no judge can see beside its source any more. No gate: it cannot be off."""


class Verdict(BaseModel, strict=True):
    """What a judge says; what it was not asked counts as good."""

    reason: str
    answerable: bool = True
    faithful: bool = True
    self_contained: bool = True
    worse: bool = True
    score: float = Field(ge=0, le=5, multiple_of=0.5)


@dataclass(frozen=True)
class Words:
    """How is called what was judged: what it asks, and what it says."""

    asked: str = "what is asked"
    said: str = "it"
    whole: str = "it"


@dataclass(frozen=True)
class Judging:
    """What a judge is asked, and what its verdict is held against.

    Args:
        prompt: name of the prompt.
        values: what it is filled with.
        points: to what the judge says yes or no; `worse`: whether a bad answer really is bad.
        gates: which are on.
        answerable: whether the source is to answer what is asked.
        words: how is called what is judged.
    """

    prompt: str
    values: Mapping[str, object]
    points: Sequence[str]
    gates: Gates
    answerable: bool = True
    words: Words = Words()

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the verdict."""
        return verdict_schema(self.points)

    @property
    def parse(self) -> Callable[[Any], Verdict]:
        """Reads what the schema asks for."""
        return verdict_parser(self.points)

    def check(self, verdict: Verdict) -> Failure | None:
        """Why what was judged is rejected; nothing when it passes."""
        faults = verdict_faults(verdict, self.gates, self.words, answerable=self.answerable)
        return first_on(faults, self.gates)


def verdict_schema(points: Sequence[str]) -> dict[str, Any]:
    """`{"reason": ..., point: ..., "score": ...}`: the reason first, so that the rest follows from it."""
    return strict_object(
        {
            "reason": {"type": "string", "minLength": 1, "maxLength": LONGEST_REASON},
            **{point: {"type": "boolean"} for point in points},
            "score": {"type": "number", "enum": SCORES},
        }
    )


def verdict_parser(points: Sequence[str]) -> Callable[[Any], Verdict]:
    """Reads what `verdict_schema` asked for."""
    members = "".join(f'"{point}": true or false, ' for point in points)
    wanted = f'the answer must be {{"reason": text, {members}"score": 0 to 5 in steps of 0.5}}'

    def parse(value: Any) -> Verdict:
        try:
            verdict = Verdict.model_validate(value)
        except ValidationError:
            raise OutputInvalid(wanted) from None
        if not set(points) <= verdict.model_fields_set:
            raise OutputInvalid(wanted)
        return verdict.model_copy(update={"reason": verdict.reason.strip()[:LONGEST_REASON]})

    return parse


def judgement_of(verdict: Verdict, call: CallRecord) -> Judgement:
    """A verdict with its call, as it is kept."""
    return Judgement(**verdict.model_dump(exclude={"worse"}), call=call)


def verdict_faults(verdict: Verdict, gates: Gates, words: Words, *, answerable: bool) -> Iterator[Failure]:
    """What a judge finds wrong."""
    least, why = gates.judge.min_score if gates.judge else 0.0, verdict.reason
    if verdict.answerable and not answerable:
        yield rejected("ANSWERABLE", f"the source answers {words.asked}: {why}")
    if answerable and not verdict.answerable:
        yield rejected("NOT_ANSWERABLE", f"the source does not answer {words.asked}: {why}")
    if not verdict.faithful:
        yield rejected("UNFAITHFUL", f"{words.said} says what its source does not: {why}")
    if not verdict.self_contained:
        yield rejected("NOT_SELF_CONTAINED", f"{words.whole} is not understood without its source: {why}")
    if not verdict.worse:
        yield rejected("NOT_BAD", f"the bad answer is as good as the good one: {why}")
    if verdict.score < least:
        yield rejected("SCORE_LOW", f"the score {verdict.score:g} is below {least:g}: {why}")
