"""The kinds of generations, and what can be said of each; see `sishu.generation.v1.GenerationOptions`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PASSAGE_FORMS = (
    "paraphrase",
    "key_concepts",
    "outline",
    "implications",
    "critical_questions",
    "case",
    "discussion",
    "lesson",
)
QUESTION_TYPES = ("fact", "reason", "comparison", "procedure", "definition", "multi_hop", "unanswerable")
EXAM_ITEM_TYPES = ("true_false", "single_choice", "multiple_choice", "short_answer", "open_ended")


@dataclass(frozen=True)
class Judge:
    """A language model that judges; the provider that writes where `provider_id` is empty."""

    provider_id: str = ""
    min_score: float = 3.0
    sampling: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Gates:
    """What must be passed to be kept; those that are off stand there by their reasons."""

    off: Sequence[str] = ()
    min_answer_chars: int = 1
    max_answer_chars: int = 1000
    near_copy_similarity: float = 0.8
    embedding_provider_id: str = ""
    meaning_similarity: float = 0.95
    judge: Judge | None = None


@dataclass(frozen=True)
class AnswerOptions:
    """How answers are written.

    Args:
        length: `short`, `medium` or `long`.
        style: in plain words; nothing for no wish.
        reasoning: what becomes of the way to the answer: `none`, `native` or `asked`.
    """

    length: str = "short"
    style: str = ""
    reasoning: str = "native"


LONGEST_ANSWERS: Mapping[str, int] = {"short": 1000, "medium": 2000, "long": 6000}
"""Most characters of an answer by its length, where nothing else is said."""


@dataclass(frozen=True)
class CoverageOptions:
    """When the sections of the documents are covered by questions."""

    facts_per_section: int
    max_rounds: int = 3


@dataclass(frozen=True)
class KnowledgeOptions:
    """How the model that is to learn is asked what it knows."""

    provider_id: str
    forms_per_known_fact: int = 1
    min_f1: float = 0.6
    sampling: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RegenerationOptions:
    """What is regenerated, in place of what was written before."""

    question_ids: Sequence[str] = ()
    candidate_ids: Sequence[str] = ()
    answers_only: bool = False
    instruction: str = ""


@dataclass(frozen=True)
class TagOptions:
    """What becomes of the domain tree; `mode` is `rebuild`, `revise` or `keep`."""

    mode: str = "revise"
    levels: int = 2
    max_children: int = 10


@dataclass(frozen=True)
class GenreAudienceOptions:
    """How many genre-audience pairs a document gets."""

    pairs: int = 5
    replace: bool = False


@dataclass(frozen=True)
class ConversationOptions:
    """What conversations are like."""

    turns: int = 3
    scenario: str = ""
    user_role: str = ""
    assistant_role: str = ""


@dataclass(frozen=True)
class PreferencePairOptions:
    """Of which questions bad answers are written; `flaw` is `wrong`, `ungrounded` or empty: in turn."""

    generation_id: str = ""
    flaw: str = ""


@dataclass(frozen=True)
class PassageOptions:
    """In which forms is written what a chunk says."""

    forms: Sequence[str] = PASSAGE_FORMS


@dataclass(frozen=True)
class ExamItemOptions:
    """Which types of exam items are written, in turn."""

    types: Sequence[str] = EXAM_ITEM_TYPES


@dataclass(frozen=True)
class DistillationOptions:
    """What a model is asked for that it knows."""

    topic: str = ""
    levels: int = 2
    tags_per_level: int = 10
    questions_per_tag: int = 10

    @property
    def questions(self) -> int:
        """How many are written."""
        return int(self.tags_per_level**self.levels) * self.questions_per_tag


@dataclass(frozen=True)
class JudgeExamplesOptions:
    """Which examples are judged; `filter` is a `sishu.dataset.v1.ExampleFilter` as JSON."""

    filter: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ImproveExamplesOptions:
    """Which examples get a new answer, and what is to be better; `filter` as of `JudgeExamplesOptions`."""

    filter: Mapping[str, Any] = field(default_factory=dict)
    advice: str = ""


OF_QUESTIONS: Mapping[str, type[Any]] = {
    "coverage": CoverageOptions,
    "knowledge": KnowledgeOptions,
    "regeneration": RegenerationOptions,
}
"""Further options of questions, which may be unset, by their names in the contract."""

FIRST_ITEMS: Mapping[str, str] = {
    "questions": "plan_questions",
    "tags": "plan_tags",
    "genre_audiences": "plan_genre_audiences",
    "conversations": "plan_candidates",
    "preference_pairs": "plan_preference_pairs",
    "passages": "plan_candidates",
    "exam_items": "plan_candidates",
    "distillation": "write_topics",
    "judge_examples": "plan_examples",
    "improve_examples": "plan_examples",
}
"""The item with which a generation of a kind begins."""

OF_CHUNKS = ("questions", "conversations", "passages", "exam_items")
"""Kinds that are written about one chunk after another."""

OF_EXAMPLES = ("judge_examples", "improve_examples")
"""Kinds that are about examples of the dataset room, one after another."""

CANDIDATES_OF: Mapping[str, str] = {
    "conversations": "conversation",
    "preference_pairs": "preference_pair",
    "passages": "passage",
    "exam_items": "exam_item",
}
"""By kind of a generation that writes candidates from chunks, their kind."""

JUDGED = (*CANDIDATES_OF, "improve_examples")
"""Kinds beside questions of which a judge may be asked what becomes of what they write."""

OF_KIND: Mapping[str, type[Any]] = {
    "tags": TagOptions,
    "genre_audience_pairs": GenreAudienceOptions,
    "conversations": ConversationOptions,
    "preference_pairs": PreferencePairOptions,
    "passages": PassageOptions,
    "exam_items": ExamItemOptions,
    "distillation": DistillationOptions,
    "judge_examples": JudgeExamplesOptions,
    "improve_examples": ImproveExamplesOptions,
}
"""The options of a kind alone, by their names in the contract."""

OPTIONS_OF: Mapping[str, str] = {
    **{name: name for name in OF_KIND},
    "genre_audiences": "genre_audience_pairs",
}
"""By kind, the name of its own options."""
