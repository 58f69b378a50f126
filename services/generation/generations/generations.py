"""Generations: runs over a project's chunks that write questions and answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.generation.generations.kinds import (
    FIRST_ITEMS,
    JUDGED,
    OF_CHUNKS,
    OF_EXAMPLES,
    OF_KIND,
    OF_QUESTIONS,
    OPTIONS_OF,
    AnswerOptions,
    ConversationOptions,
    CoverageOptions,
    DistillationOptions,
    ExamItemOptions,
    Gates,
    GenreAudienceOptions,
    ImproveExamplesOptions,
    Judge,
    JudgeExamplesOptions,
    KnowledgeOptions,
    PassageOptions,
    PreferencePairOptions,
    RegenerationOptions,
    TagOptions,
)
from services.generation.providers.providers import Provider
from services.runtime.errors import FailedPrecondition, InvalidArgument, NotFound
from services.runtime.jobs import ENDED, Job

MOST_DISTILLED = 1_000_000
"""Questions of a distillation."""


@dataclass(frozen=True)
class GenerationOptions:
    """What to write; see `sishu.generation.v1.GenerationOptions`."""

    chars_per_fact: int = 240
    forms_per_fact: int = 2
    facts_per_call: int = 8
    context_chars: int = 0
    language: str = ""
    sampling: Mapping[str, Any] = field(default_factory=dict)
    document_ids: Sequence[str] = ()
    no_cache: bool = False
    max_cost: float = 0.0
    max_tokens: int = 0
    pilot_chunks: int = 0
    batch: bool = False
    kind: str = "questions"
    gates: Gates = field(default_factory=Gates)
    genre_audiences: bool = False
    tags: TagOptions | None = None
    genre_audience_pairs: GenreAudienceOptions | None = None
    conversations: ConversationOptions | None = None
    preference_pairs: PreferencePairOptions | None = None
    passages: PassageOptions | None = None
    exam_items: ExamItemOptions | None = None
    distillation: DistillationOptions | None = None
    question_types: Sequence[str] = ()
    question_template_ids: Sequence[str] = ()
    templates_only: bool = False
    answers: AnswerOptions = field(default_factory=AnswerOptions)
    coverage: CoverageOptions | None = None
    knowledge: KnowledgeOptions | None = None
    new_chunks_only: bool = False
    regeneration: RegenerationOptions | None = None
    judge_examples: JudgeExamplesOptions | None = None
    improve_examples: ImproveExamplesOptions | None = None

    @property
    def has_budget(self) -> bool:
        """Whether money or tokens are limited."""
        return self.max_cost > 0 or self.max_tokens > 0

    @property
    def passes_over_kept(self) -> bool:
        """Whether answers of earlier calls are passed over."""
        return self.no_cache or self.regeneration is not None

    @property
    def instruction(self) -> str:
        """What is to be different of what is regenerated; empty for no wish."""
        return self.regeneration.instruction.strip() if self.regeneration else ""

    @property
    def example_filter(self) -> Mapping[str, Any]:
        """Which examples are judged, or improved; empty means all."""
        own = self.judge_examples or self.improve_examples
        return own.filter if own else {}

    @property
    def advice(self) -> str:
        """What is to be better of improved answers."""
        return self.improve_examples.advice.strip() if self.improve_examples else ""

    @property
    def helper_ids(self) -> dict[str, str]:
        """The providers beside the one that writes, each with an option that names it."""
        named = {
            "gates.judge.provider_id": self.gates.judge.provider_id if self.gates.judge else "",
            "gates.embedding_provider_id": self.gates.embedding_provider_id,
            "knowledge.provider_id": self.knowledge.provider_id if self.knowledge else "",
        }
        return {one: name for name, one in named.items() if one}


def stored_options(values: Mapping[str, Any]) -> GenerationOptions:
    """Options as they were stored, `dataclasses.asdict` as JSON."""
    known = {**OF_KIND, **OF_QUESTIONS, "answers": AnswerOptions}
    own = {name: read(**values[name]) for name, read in known.items() if values.get(name) is not None}
    gates = dict(values.get("gates", {}))
    judge = gates.get("judge")
    return GenerationOptions(
        **{**values, **own, "gates": Gates(**{**gates, "judge": Judge(**judge) if judge else None})}
    )


@dataclass(frozen=True)
class NewGeneration:
    """A generation to start."""

    project_id: str
    provider_id: str
    options: GenerationOptions
    prompt_versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Generation:
    """A generation; its state is that of its job.

    Args:
        prompt_versions: the version of each prompt by which it goes, by name and language.
    """

    id: str
    project_id: str
    provider_id: str
    options: GenerationOptions
    create_time: datetime
    prompt_versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class GenerationStats:
    """What a generation made so far."""

    questions: int
    answered: int
    rejected: int
    rejected_by_reason: Mapping[str, int]
    prompt_tokens: int
    completion_tokens: int
    calls: int
    cost: float
    currency: str
    cached: int
    calls_per_second: float
    kept_candidates: int
    rejected_candidates: int
    missing: int
    missing_by_reason: Mapping[str, int]
    sections: int
    lacking_sections: int


@dataclass(frozen=True)
class GenerationView:
    """A generation with its job and what it made."""

    generation: Generation
    job: Job
    stats: GenerationStats

    @property
    def size_bytes(self) -> int:
        """About how large it is in an answer."""
        options = self.generation.options
        own = options.regeneration or RegenerationOptions()
        ids = (*options.document_ids, *own.question_ids, *own.candidate_ids)
        texts = own.instruction + options.advice + str(options.example_filter or "")
        return sum(map(len, ids)) + len(texts.encode())


def first_item(options: GenerationOptions) -> str:
    """The item with which a generation begins."""
    if options.regeneration:
        return "plan_regeneration"
    return "plan_coverage" if options.coverage else FIRST_ITEMS[options.kind]


def check_generation(wanted: NewGeneration, provider: Provider, *, has_source: bool) -> None:
    """Refuse what cannot be started.

    Args:
        wanted: the generation.
        provider: who writes.
        has_source: whether there is something to write about.

    Raises:
        InvalidArgument: the provider belongs to another project, or the options are not of the kind.
        FailedPrecondition: there is nothing to ask about.
    """
    check_kind(wanted.options)
    check_topic(wanted.options)
    check_advice(wanted.options)
    if provider.project_id != wanted.project_id:
        raise InvalidArgument(
            "PROVIDER_OF_OTHER_PROJECT",
            f"provider {provider.id} belongs to another project",
            "generation.provider_id",
            provider_id=provider.id,
        )
    if not has_source:
        raise without_source(wanted)


def without_source(wanted: NewGeneration) -> FailedPrecondition:
    """The error for a generation that has nothing to write about."""
    project_id, own = wanted.project_id, wanted.options.preference_pairs
    if wanted.options.kind in OF_EXAMPLES:
        message = f"project {project_id} has no such example; import or create some, or name others"
        return FailedPrecondition("NO_EXAMPLES", message, project_id=project_id)
    if wanted.options.kind != "preference_pairs":
        return FailedPrecondition(
            "NO_CHUNKS",
            f"project {project_id} has no parsed document; upload and parse one first",
            project_id=project_id,
        )
    where = f"generation {own.generation_id}" if own and own.generation_id else f"project {project_id}"
    return FailedPrecondition(
        "NO_ANSWERED_QUESTIONS",
        f"{where} has no answered question about a document; have questions written first, and wait for "
        "their answers",
        project_id=project_id,
        where=where,
    )


def check_topic(options: GenerationOptions) -> None:
    """Refuse a distillation that says not of what, or is too large.

    Raises:
        InvalidArgument: so it is.
    """
    if options.kind != "distillation":
        return
    own = options.distillation
    if own is None or not own.topic.strip():
        raise InvalidArgument(
            "TOPIC_MISSING",
            "a distillation needs a topic; say what it is about",
            "generation.options.distillation.topic",
        )
    if own.questions > MOST_DISTILLED:
        raise InvalidArgument(
            "DISTILLATION_TOO_LARGE",
            f"{own.tags_per_level} tags under each on {own.levels} levels, and {own.questions_per_tag} "
            f"questions each, are {own.questions} questions, of at most {MOST_DISTILLED}; ask for fewer",
            "generation.options.distillation",
            questions=str(own.questions),
            most=str(MOST_DISTILLED),
        )


def check_advice(options: GenerationOptions) -> None:
    """Refuse to improve answers without saying what is to be better.

    Raises:
        InvalidArgument: so it is.
    """
    if options.kind == "improve_examples" and not options.advice:
        raise InvalidArgument(
            "ADVICE_MISSING",
            "answers are improved by an advice; say what is to be better",
            "generation.options.improve_examples.advice",
        )


def check_helpers(wanted: NewGeneration, helpers: Sequence[Provider]) -> None:
    """Refuse providers of another project as judge, for embeddings, or as the model that is to learn.

    Raises:
        InvalidArgument: so it is.
    """
    named = wanted.options.helper_ids
    for helper in helpers:
        if helper.project_id != wanted.project_id:
            raise InvalidArgument(
                "PROVIDER_OF_OTHER_PROJECT",
                f"provider {helper.id} belongs to another project",
                f"generation.options.{named[helper.id]}",
                provider_id=helper.id,
            )


def check_kind(options: GenerationOptions) -> None:
    """Refuse a kind that is not there, and options of another kind.

    Raises:
        InvalidArgument: so it is.
    """
    kind = options.kind
    if kind not in FIRST_ITEMS:
        raise InvalidArgument(
            "KIND_UNSUPPORTED",
            f"generations of {kind} cannot be made at present; there are {', '.join(FIRST_ITEMS)}",
            "generation.options.kind",
            kind=kind,
        )
    others = [name for name in OF_KIND if getattr(options, name) and OPTIONS_OF.get(kind) != name]
    if kind != "questions":
        others += [name for name, is_set in of_questions(options).items() if is_set]
    if options.new_chunks_only and kind not in OF_CHUNKS:
        others.append("new_chunks_only")
    if options.document_ids and kind in OF_EXAMPLES:
        others.append("document_ids")
    if others:
        name = others[0]
        raise InvalidArgument(
            "OPTION_OF_OTHER_KIND",
            f"options.{name} says nothing of a generation of {kind}; leave it out",
            f"generation.options.{name}",
            kind=kind,
        )


def of_questions(options: GenerationOptions) -> dict[str, bool]:
    """The options that only questions about chunks go by, by name, and whether each is set."""
    return {
        "pilot_chunks": options.pilot_chunks > 0,
        "genre_audiences": options.genre_audiences,
        "question_types": bool(options.question_types),
        "question_template_ids": bool(options.question_template_ids),
        "templates_only": options.templates_only,
        "answers": options.answers != AnswerOptions(),
        "coverage": options.coverage is not None,
        "knowledge": options.knowledge is not None,
        "gates.judge": options.gates.judge is not None and options.kind not in JUDGED,
        "gates.embedding_provider_id": bool(options.gates.embedding_provider_id),
    }


def check_ended(generation_id: str, job_id: str, state: str) -> None:
    """Refuse to touch a generation whose job is in a state in which it works.

    Raises:
        FailedPrecondition: it is running.
    """
    if state not in ENDED:
        raise FailedPrecondition(
            "GENERATION_RUNNING",
            f"generation {generation_id} has not ended (its job {job_id} is {state}); "
            f"`sishu job cancel {job_id}` first",
            generation_id=generation_id,
            job_id=job_id,
        )


def generation_not_found(generation_id: str) -> NotFound:
    """The error for a generation that is not there."""
    return NotFound(
        "GENERATION_NOT_FOUND", f"there is no generation {generation_id}", generation_id=generation_id
    )
