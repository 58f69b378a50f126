"""What a generation has made for examples: judgements and new answers, and what examples become by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.dataset.examples.examples import Example, Message, Origin, Quote
from services.dataset.examples.rules import is_sound
from services.runtime.errors import FailedPrecondition
from services.runtime.failures import Failure

SCORE_LOW = "SCORE_LOW"
LONGEST_AUTHOR = 200


@dataclass(frozen=True)
class Judged:
    """A judgement of an example at a revision."""

    example_id: str
    revision: int
    score: float
    reason: str
    model: str


@dataclass(frozen=True)
class Improved:
    """A new answer to an example at a revision; `score` is what a judge said of it, where one was asked."""

    example_id: str
    revision: int
    answer: str
    quotes: Sequence[Quote]
    origin: Origin
    score: float | None = None

    @property
    def model(self) -> str:
        """The model that wrote it."""
        return self.origin.model


Result = Judged | Improved


@dataclass(frozen=True)
class Applying:
    """Which generation is applied; of judgements also with which score an example is kept."""

    generation_id: str
    min_score: float | None = None


def author_of(model: str, generation_id: str) -> str:
    """Who is said to change an example."""
    rest = f"(generation {generation_id})"
    return f"{model[: LONGEST_AUTHOR - len(rest) - 1]} {rest}".strip()


def after(example: Example, result: Result, wanted: Applying) -> Example:
    """What an example becomes; the same where it was changed since, or may not become so."""
    if example.revision != result.revision:
        return example
    if isinstance(result, Judged):
        return judged(example, result, wanted)
    become = improved(example, result)
    return become if become.state != "kept" or is_sound(become) else example


def judged(example: Example, result: Judged, wanted: Applying) -> Example:
    """An example with the score that it got, and kept or rejected by it where that is wanted."""
    become = replace(example, score=result.score)
    if wanted.min_score is None:
        return become
    if result.score < wanted.min_score:
        if become.state == "rejected" and become.rejection and become.rejection.reason != SCORE_LOW:
            return become
        return replace(become, state="rejected", rejection=too_low(result, wanted))
    kept = replace(become, state="kept", rejection=None)
    was_low = example.rejection is not None and example.rejection.reason == SCORE_LOW
    return kept if was_low and is_sound(kept) else become


def too_low(result: Judged, wanted: Applying) -> Failure:
    """Why an example with a low score is rejected."""
    message = f"the score {result.score:g} is below {wanted.min_score:g}: {result.reason}"
    metadata = {"generation_id": wanted.generation_id}
    return Failure(FailedPrecondition.code, SCORE_LOW, message, metadata)


def improved(example: Example, result: Improved) -> Example:
    """An example with a new answer; the fact that it is about, its first quote, stays."""
    answer = Message("assistant", result.answer)
    quotes = list(dict.fromkeys([*example.quotes[:1], *result.quotes]))
    become = replace(
        example,
        quotes=quotes or example.quotes,
        score=result.score,
        lineage=replace(example.lineage, answer_origin=result.origin),
    )
    if example.preference:
        return replace(become, preference=replace(example.preference, chosen=answer))
    return replace(become, messages=[*example.messages[:-1], answer])
