"""Who does which items of candidates and of distillation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from services.generation.provider_store import ProviderStore
from services.generation.writers.candidate_judging import CandidateJudge
from services.generation.writers.candidate_regeneration import CandidateRewriter
from services.generation.writers.candidates import KINDS, CandidateWriter, Desk
from services.generation.writers.preference_pairs import PreferencePairWriter
from services.generation.writers.topics import TopicWriter
from services.runtime.jobs import Item


def handlers(desk: Desk, providers: ProviderStore) -> Mapping[str, Callable[[Item], Awaitable[None]]]:
    """By kind of item."""
    candidates, pairs, topics = CandidateWriter(desk), PreferencePairWriter(desk), TopicWriter(desk)
    return {
        "plan_candidates": candidates.plan_candidates,
        "skip_chunk": candidates.skip_chunk,
        **{kind.item: candidates.write_candidate for kind in KINDS.values()},
        "rewrite_candidate": CandidateRewriter(desk).rewrite_candidate,
        "judge_candidate": CandidateJudge(desk, providers).judge_candidate,
        "plan_preference_pairs": pairs.plan_preference_pairs,
        "write_preference_pair": pairs.write_preference_pair,
        "write_topics": topics.write_topics,
        "write_topic_questions": topics.write_topic_questions,
        "write_topic_answer": topics.write_topic_answer,
    }
