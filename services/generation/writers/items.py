"""Who does which items of the room."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from services.generation.writers.candidate_regeneration import CandidateRegenerator
from services.generation.writers.candidates import KINDS, CandidateWriter
from services.generation.writers.coverage import CoverageWriter
from services.generation.writers.desk import Desk
from services.generation.writers.examples import ExampleWriter
from services.generation.writers.genre_audiences import GenreAudienceWriter
from services.generation.writers.gone import passing_over_gone
from services.generation.writers.judging import JudgeWriter
from services.generation.writers.knowledge import KnowledgeProbe
from services.generation.writers.preference_pairs import PreferencePairWriter
from services.generation.writers.question_templates import TemplateWriter
from services.generation.writers.questions import QuestionWriter
from services.generation.writers.regeneration import QuestionRegenerator
from services.generation.writers.sources import SourceMarker
from services.generation.writers.tags import TagWriter
from services.generation.writers.topics import TopicWriter
from services.runtime.errors import SishuError
from services.runtime.jobs import Item

Handlers = Mapping[str, Callable[[Item], Awaitable[None]]]
"""What does an item, by its kind."""


def handlers(desk: Desk) -> Handlers:
    """What does the items of all kinds."""
    return {**question_handlers(desk), **outline_handlers(desk), **candidate_handlers(desk)}


def question_handlers(desk: Desk) -> Handlers:
    """What does the items of questions and their answers."""
    questions, regeneration, topics = QuestionWriter(desk), QuestionRegenerator(desk), TopicWriter(desk)
    return {
        "plan_questions": questions.plan_questions,
        "plan_pilot": questions.plan_pilot,
        "plan_coverage": CoverageWriter(desk).plan_coverage,
        "judge_answer": JudgeWriter(desk).judge_answer,
        "probe_fact": KnowledgeProbe(desk).probe_fact,
        "plan_regeneration": regeneration.plan_regeneration,
        "regenerate_questions": regeneration.regenerate_questions,
        "regenerate_answer": regeneration.regenerate_answer,
        "write_topics": topics.write_topics,
        "write_topic_questions": topics.write_topic_questions,
        "write_topic_answer": topics.write_topic_answer,
        **passing_over_gone(
            desk,
            {
                "write_questions": questions.write_questions,
                "write_answer": questions.write_answer,
                "answer_template": TemplateWriter(desk).answer_template,
            },
        ),
    }


def outline_handlers(desk: Desk) -> Handlers:
    """What does the items that look at documents as a whole."""
    genre_audiences, tags = GenreAudienceWriter(desk), TagWriter(desk)
    return {
        "plan_tags": tags.plan_tags,
        "write_tags": tags.write_tags,
        "plan_genre_audiences": genre_audiences.plan_genre_audiences,
        "write_genre_audiences": genre_audiences.write_genre_audiences,
        "mark_sources": SourceMarker(desk).mark_sources,
    }


def candidate_handlers(desk: Desk) -> Handlers:
    """What does the items of candidates."""
    candidates, pairs, examples = CandidateWriter(desk), PreferencePairWriter(desk), ExampleWriter(desk)
    return {
        "plan_candidates": candidates.plan_candidates,
        "skip_chunk": candidates.skip_chunk,
        **passing_over_gone(desk, {kind.item: candidates.write_candidate for kind in KINDS.values()}),
        "regenerate_candidate": CandidateRegenerator(desk).regenerate_candidate,
        "judge_candidate": JudgeWriter(desk).judge_candidate,
        "plan_preference_pairs": pairs.plan_preference_pairs,
        "write_preference_pair": pairs.write_preference_pair,
        "plan_examples": examples.plan_examples,
        "judge_example": examples.judge_example,
        "improve_example": examples.improve_example,
    }


def passed_over(desk: Desk) -> Mapping[str, Callable[[Item, SishuError], Awaitable[None]]]:
    """What ends an item whose model cannot be had, where the work goes on without it; by its kind."""
    return {"probe_fact": KnowledgeProbe(desk).pass_over}
