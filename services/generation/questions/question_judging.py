"""What a judge is asked about a question with its answer beside its source."""

from __future__ import annotations

from dataclasses import replace

from services.generation.gates.judging import Judging, Words
from services.generation.generations.generations import GenerationOptions
from services.generation.generations.kinds import Gates
from services.generation.question_templates.question_templates import TEMPLATE
from services.generation.questions.filling import judge_values
from services.generation.questions.question_types import UNANSWERABLE
from services.generation.questions.questions import Question
from services.generation.questions.subjects import Subject, seen_of

POINTS = ("answerable", "faithful", "self_contained")
WORDS = Words("the question", "the answer", "the question")


def judging_of(question: Question, subject: Subject, options: GenerationOptions) -> Judging:
    """What a judge is asked about a question with its answer.

    Args:
        question: the question.
        subject: what it is about.
        options: those of the generation.
    """
    question_type = subject.type
    values = judge_values(seen_of(subject, options), question.text, question.answer)
    if question_type == TEMPLATE and values["quote"] == values["passage"]:
        values["quote"] = ""
    gates, answerable = gates_of(question_type, options.gates), question_type != UNANSWERABLE
    return Judging(judge_prompt(question_type), values, POINTS, gates, answerable, WORDS)


def judge_prompt(question_type: str) -> str:
    """The name of the prompt that asks for a judgement of a question."""
    return f"judge_{question_type}" if question_type in {TEMPLATE, UNANSWERABLE} else "judge"


def gates_of(question_type: str, gates: Gates) -> Gates:
    """The gates of a question: one of a template is read beside its chunk, and may point at it."""
    return replace(gates, off=[*gates.off, "NOT_SELF_CONTAINED"]) if question_type == TEMPLATE else gates
