"""What a judge is asked about a candidate beside its source, and what is made of what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from services.generation.calls.output import OutputInvalid
from services.generation.candidates.candidates import (
    Candidate,
    Content,
    Conversation,
    ExamItem,
    Passage,
    PreferencePair,
)
from services.generation.gates.gates import first_on, rejected
from services.generation.gates.judging import LONGEST_REASON, SCORES, Verdict
from services.generation.generations.generations import GenerationOptions
from services.generation.generations.kinds import Gates
from services.generation.questions.questions import CallRecord, Judgement
from services.generation.questions.quotes import one_line
from services.generation.questions.writing import passage, strict_object
from services.generation.regeneration.regeneration import facts_in
from services.generation.sources.chunk_reader import SourceChunk
from services.runtime.jobs import Failure

SPEAKERS: Mapping[str, Mapping[str, str]] = {
    "en": {"user": "User: ", "assistant": "Assistant: ", "system": "Situation: "},
    "zh": {"user": "用户：", "assistant": "助手：", "system": "情境："},
}
POINTS: Mapping[str, Sequence[str]] = {
    "conversation": ("answerable", "faithful", "self_contained"),
    "passage": ("faithful", "self_contained"),
    "exam_item": ("answerable", "faithful", "self_contained"),
    "preference_pair": ("answerable", "faithful", "self_contained", "worse"),
}
"""What a judge says yes or no to, by kind of candidate; `worse`: whether the bad answer really is bad."""


class CandidateVerdict(Verdict):
    """What a judge says; what it was not asked counts as good."""

    answerable: bool = True
    faithful: bool = True
    self_contained: bool = True
    worse: bool = True


@dataclass(frozen=True)
class Judging:
    """What a judge is asked.

    Args:
        prompt: name of the prompt.
        values: what it is filled with.
        schema: JSON schema of the verdict.
        parse: reads it.
    """

    prompt: str
    values: Mapping[str, object]
    schema: Mapping[str, Any]
    parse: Callable[[Any], CandidateVerdict]


def judging_of(
    candidate: Candidate, chunks: Sequence[SourceChunk], language: str, options: GenerationOptions
) -> Judging:
    """What a judge is asked about a candidate.

    Args:
        candidate: the candidate.
        chunks: those that it was written from.
        language: that of the prompt.
        options: those of the generation.
    """
    kind, points = candidate.content.kind, POINTS[candidate.content.kind]
    values = {
        "passage": seen_source(candidate, chunks, options),
        **content_values(candidate.content, language),
    }
    return Judging(f"judge_{kind}", values, schema(points), parser(points))


def seen_source(candidate: Candidate, chunks: Sequence[SourceChunk], options: GenerationOptions) -> str:
    """What the judge sees of the source: what was seen by who wrote it."""
    if isinstance(candidate.content, Passage):
        return chunks[0].text[chunks[0].overlap :].strip()
    facts = facts_in(chunks[0], candidate.fact_ids, candidate.quotes) if len(chunks) == 1 else []
    if facts:
        return one_line(passage(chunks[0].text, facts, options.context_chars).text)
    return one_line("\n\n".join(chunk.text for chunk in chunks))


def content_values(content: Content, language: str) -> dict[str, object]:
    """What a candidate says, as prompts are filled with it."""
    match content:
        case Conversation():
            speakers = SPEAKERS[language]
            return {"turns": [f"{speakers[one.role]}{one_line(one.content)}" for one in content.messages]}
        case PreferencePair():
            return {"question": content.prompt, "answer": content.chosen, "bad_answer": content.rejected}
        case Passage():
            return {"text": content.text}
        case ExamItem():
            return {"task": content.text, "choices": list(content.choices), "key": key_of(content, language)}


def key_of(item: ExamItem, language: str) -> str:
    """The right answer of an exam item."""
    if item.type == "true_false":
        words = {"en": ("false", "true"), "zh": ("错误", "正确")}
        return words[language][item.is_true]
    return "; ".join(item.choices[place] for place in item.correct) or item.answer


def schema(points: Sequence[str]) -> dict[str, Any]:
    """`{"reason": ..., point: ..., "score": ...}`: the reason first, so that the rest follows from it."""
    return strict_object(
        {
            "reason": {"type": "string", "minLength": 1, "maxLength": LONGEST_REASON},
            **{point: {"type": "boolean"} for point in points},
            "score": {"type": "number", "enum": SCORES},
        }
    )


def parser(points: Sequence[str]) -> Callable[[Any], CandidateVerdict]:
    """Reads what `schema` asked for."""
    members = "".join(f'"{point}": true or false, ' for point in points)
    wanted = f'the answer must be {{"reason": text, {members}"score": 0 to 5 in steps of 0.5}}'

    def parse(value: Any) -> CandidateVerdict:
        try:
            verdict = CandidateVerdict.model_validate(value)
        except ValidationError:
            raise OutputInvalid(wanted) from None
        if not set(points) <= verdict.model_fields_set:
            raise OutputInvalid(wanted)
        return verdict.model_copy(update={"reason": verdict.reason.strip()[:LONGEST_REASON]})

    return parse


def said_of(verdict: CandidateVerdict, call: CallRecord) -> Judgement:
    """A verdict with its call, as it is kept."""
    return Judgement(**verdict.model_dump(exclude={"worse"}), call=call)


def check_verdict(verdict: CandidateVerdict, gates: Gates) -> Failure | None:
    """Why a candidate is rejected by what a judge says; nothing when it passes."""
    return first_on(verdict_faults(verdict, gates), gates)


def verdict_faults(verdict: CandidateVerdict, gates: Gates) -> Iterator[Failure]:
    """What a judge finds wrong with a candidate."""
    least = gates.judge.min_score if gates.judge else 0.0
    if not verdict.answerable:
        yield rejected("NOT_ANSWERABLE", f"the source does not answer what is asked: {verdict.reason}")
    if not verdict.faithful:
        yield rejected("UNFAITHFUL", f"it says what its source does not: {verdict.reason}")
    if not verdict.self_contained:
        yield rejected("NOT_SELF_CONTAINED", f"it is not understood without its source: {verdict.reason}")
    if not verdict.worse:
        yield rejected("NOT_BAD", f"the bad answer is as good as the good one: {verdict.reason}")
    if verdict.score < least:
        yield rejected("SCORE_LOW", f"the score {verdict.score:g} is below {least:g}: {verdict.reason}")
