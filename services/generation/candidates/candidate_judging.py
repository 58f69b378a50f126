"""What a judge is asked about a candidate beside its source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.generation.candidates.candidates import (
    Candidate,
    Content,
    Conversation,
    ExamItem,
    ExampleAnswer,
    ExampleJudgement,
    Message,
    Passage,
    PreferencePair,
)
from services.generation.gates.judging import Judging
from services.generation.generations.generations import GenerationOptions
from services.generation.questions.quotes import one_line
from services.generation.questions.writing import passage
from services.generation.regeneration.regeneration import facts_in
from services.generation.sources.chunk_reader import SourceChunk
from services.generation.sources.table_heads import under_head

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
"""What a judge says yes or no to, by kind of candidate."""


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
    kind, seen = candidate.content.kind, seen_source(candidate, chunks, options)
    values = {"passage": seen, **content_values(candidate.content, language)}
    if isinstance(candidate.content, ExampleAnswer):
        return Judging("judge_example", values, example_points(seen), options.gates)
    return Judging(f"judge_{kind}", values, POINTS[kind], options.gates)


def example_points(seen: str) -> Sequence[str]:
    """What a judge of an example says yes or no to; without a source, nobody can say what stands there."""
    return ("faithful", "self_contained") if seen else ("self_contained",)


def seen_source(candidate: Candidate, chunks: Sequence[SourceChunk], options: GenerationOptions) -> str:
    """What the judge sees of the source: what was seen by who wrote it."""
    if isinstance(candidate.content, Passage):
        return under_head(chunks[0], chunks[0].overlap)
    facts = facts_in(chunks[0], candidate.fact_ids, candidate.quotes) if len(chunks) == 1 else []
    if facts:
        return one_line(passage(chunks[0], facts, options.context_chars).text)
    return one_line("\n\n".join(under_head(chunk) for chunk in chunks))


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
        case ExampleAnswer():
            answered = [*content.messages, Message("assistant", content.answer)]
            return {"turns": spoken(answered, language), "bad_answer": ""}
        case ExampleJudgement():
            return {}


def spoken(messages: Sequence[Message], language: str) -> list[str]:
    """Turns as they stand, each with who speaks."""
    speakers = SPEAKERS[language]
    return [f"{speakers[one.role]}{one.content.strip()}" for one in messages]


def key_of(item: ExamItem, language: str) -> str:
    """The right answer of an exam item."""
    if item.type == "true_false":
        words = {"en": ("false", "true"), "zh": ("错误", "正确")}
        return words[language][item.is_true]
    return "; ".join(item.choices[place] for place in item.correct) or item.answer
