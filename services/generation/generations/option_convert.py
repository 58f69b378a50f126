"""Between the options of a generation in the contract and in the domain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from google.protobuf import json_format

from services.generation.generations.generations import GenerationOptions
from services.generation.generations.kinds import (
    LONGEST_ANSWERS,
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
from services.runtime.extra_body import NAMED, extra_body
from sishu.common.v1 import exam_item_pb2, message_pb2
from sishu.dataset.v1 import example_filter_pb2
from sishu.generation.v1 import candidate_pb2, gates_pb2, generation_pb2, question_options_pb2, question_pb2

DEFAULTS = GenerationOptions()
PLAIN = (
    "context_chars",
    "language",
    "no_cache",
    "max_cost",
    "max_tokens",
    "pilot_chunks",
    "batch",
    "genre_audiences",
    "templates_only",
    "new_chunks_only",
)
SAMPLING = ("temperature", "top_p", "max_tokens", "seed")
CHOSEN = ("chars_per_fact", "forms_per_fact", "facts_per_call")
"""Of these 0 lets the service choose."""


def sampling(message: message_pb2.Sampling) -> dict[str, Any]:
    """Sampling parameters that are set, by their OpenAI names."""
    values = {field.name: value for field, value in message.ListFields() if field.name in SAMPLING}
    stop = {"stop": list(message.stop)} if message.stop else {}
    return {**values, **stop, **extra_body(message)}


def sampling_to_pb(values: Mapping[str, Any]) -> message_pb2.Sampling:
    """Sampling parameters."""
    named = {name: value for name, value in values.items() if name in NAMED}
    message = message_pb2.Sampling(**named)
    extra = {name: value for name, value in values.items() if name not in NAMED}
    if extra:
        message.extra_body.update(extra)
    return message


def options(message: generation_pb2.GenerationOptions) -> GenerationOptions:
    """Generation options, with the defaults where nothing was said."""
    own: Any = message
    kind = enum_name(generation_pb2.GenerationKind, message.kind) or DEFAULTS.kind
    # Examples have answers of any length.
    length = "long" if kind == "improve_examples" else answers(message.answers).length
    return GenerationOptions(
        sampling=sampling(message.sampling),
        document_ids=list(message.document_ids),
        kind=kind,
        gates=gates(message.gates, length),
        question_types=[enum_name(question_pb2.QuestionType, one) or "" for one in message.question_types],
        question_template_ids=list(message.question_template_ids),
        answers=answers(message.answers),
        **{name: getattr(message, name) for name in PLAIN},
        **{name: getattr(message, name) or getattr(DEFAULTS, name) for name in CHOSEN},
        **{name: read(getattr(own, name)) for name, read in OWN.items() if own.HasField(name)},
    )


def options_to_pb(values: GenerationOptions) -> generation_pb2.GenerationOptions:
    """Generation options."""
    return generation_pb2.GenerationOptions(
        sampling=sampling_to_pb(values.sampling),
        document_ids=values.document_ids,
        kind=enum_value(generation_pb2.GenerationKind, values.kind),
        gates=gates_to_pb(values.gates),
        question_types=[enum_value(question_pb2.QuestionType, one) for one in values.question_types],
        question_template_ids=values.question_template_ids,
        answers=answers_to_pb(values.answers),
        **{name: getattr(values, name) for name in (*PLAIN, *CHOSEN)},
        **own_options_to_pb(values),
    )


def gates(message: gates_pb2.Gates, length: str = AnswerOptions.length) -> Gates:
    """Gates, with what is usual of answers of a length where nothing was said."""
    usual = Gates()
    return Gates(
        off=list(message.off),
        min_answer_chars=message.min_answer_chars or usual.min_answer_chars,
        max_answer_chars=message.max_answer_chars or LONGEST_ANSWERS[length],
        near_copy_similarity=message.near_copy_similarity or usual.near_copy_similarity,
        embedding_provider_id=message.embedding_provider_id,
        meaning_similarity=message.meaning_similarity or usual.meaning_similarity,
        judge=judge(message.judge) if message.HasField("judge") else None,
    )


def gates_to_pb(values: Gates) -> gates_pb2.Gates:
    """Gates."""
    found = asdict(values)
    found["judge"] = None
    message = gates_pb2.Gates(**found)
    if values.judge:
        message.judge.CopyFrom(
            gates_pb2.Judge(
                provider_id=values.judge.provider_id,
                min_score=values.judge.min_score,
                sampling=sampling_to_pb(values.judge.sampling),
            )
        )
    return message


def judge(message: gates_pb2.Judge) -> Judge:
    """A judge."""
    return Judge(message.provider_id, message.min_score or Judge().min_score, sampling(message.sampling))


def tags(message: generation_pb2.TagOptions) -> TagOptions:
    """What becomes of the domain tree."""
    usual = TagOptions()
    return TagOptions(
        enum_name(generation_pb2.TagMode, message.mode) or usual.mode,
        message.levels or usual.levels,
        message.max_children or usual.max_children,
    )


def genre_audience_pairs(message: generation_pb2.GenreAudienceOptions) -> GenreAudienceOptions:
    """How many pairs a document gets."""
    return GenreAudienceOptions(message.pairs or GenreAudienceOptions().pairs, message.replace)


def conversations(message: generation_pb2.ConversationOptions) -> ConversationOptions:
    """What conversations are like."""
    return ConversationOptions(
        message.turns or ConversationOptions().turns,
        message.scenario,
        message.user_role,
        message.assistant_role,
    )


def preference_pairs(message: generation_pb2.PreferencePairOptions) -> PreferencePairOptions:
    """Of which questions bad answers are written."""
    return PreferencePairOptions(
        message.generation_id, enum_name(candidate_pb2.PreferenceFlaw, message.flaw) or ""
    )


def passages(message: generation_pb2.PassageOptions) -> PassageOptions:
    """In which forms is written what a chunk says."""
    forms = [enum_name(candidate_pb2.PassageForm, form) or "" for form in message.forms]
    return PassageOptions(forms) if forms else PassageOptions()


def exam_items(message: generation_pb2.ExamItemOptions) -> ExamItemOptions:
    """Which types of exam items are written."""
    types = [enum_name(exam_item_pb2.ExamItemType, one) or "" for one in message.types]
    return ExamItemOptions(types) if types else ExamItemOptions()


def distillation(message: generation_pb2.DistillationOptions) -> DistillationOptions:
    """What a model is asked for that it knows."""
    usual = DistillationOptions()
    return DistillationOptions(
        message.topic,
        message.levels or usual.levels,
        message.tags_per_level or usual.tags_per_level,
        message.questions_per_tag or usual.questions_per_tag,
    )


def answers(message: question_options_pb2.AnswerOptions) -> AnswerOptions:
    """How answers are written."""
    usual = AnswerOptions()
    return AnswerOptions(
        enum_name(question_options_pb2.AnswerLength, message.length) or usual.length,
        message.style,
        enum_name(question_options_pb2.AnswerReasoning, message.reasoning) or usual.reasoning,
    )


def answers_to_pb(values: AnswerOptions) -> question_options_pb2.AnswerOptions:
    """How answers are written."""
    return question_options_pb2.AnswerOptions(
        length=enum_value(question_options_pb2.AnswerLength, values.length),
        style=values.style,
        reasoning=enum_value(question_options_pb2.AnswerReasoning, values.reasoning),
    )


def coverage(message: question_options_pb2.CoverageOptions) -> CoverageOptions:
    """When the sections are covered."""
    return CoverageOptions(message.facts_per_section, message.max_rounds or CoverageOptions.max_rounds)


def knowledge(message: question_options_pb2.KnowledgeOptions) -> KnowledgeOptions:
    """How the model that is to learn is asked."""
    return KnowledgeOptions(
        message.provider_id,
        message.forms_per_known_fact or KnowledgeOptions.forms_per_known_fact,
        message.min_f1 or KnowledgeOptions.min_f1,
        sampling(message.sampling),
    )


def regeneration(message: question_options_pb2.RegenerationOptions) -> RegenerationOptions:
    """What is regenerated."""
    return RegenerationOptions(
        [one.lower() for one in message.question_ids],
        [one.lower() for one in message.candidate_ids],
        message.answers_only,
        message.instruction,
    )


def judge_examples(message: generation_pb2.JudgeExamplesOptions) -> JudgeExamplesOptions:
    """Which examples are judged."""
    return JudgeExamplesOptions(filter_json(message.filter))


def improve_examples(message: generation_pb2.ImproveExamplesOptions) -> ImproveExamplesOptions:
    """Which examples get a new answer."""
    return ImproveExamplesOptions(filter_json(message.filter), message.advice)


def filter_json(message: example_filter_pb2.ExampleFilter) -> dict[str, Any]:
    """A filter of examples as JSON."""
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


def filter_to_pb(values: Mapping[str, Any]) -> example_filter_pb2.ExampleFilter:
    """A filter of examples from its JSON."""
    return json_format.ParseDict(dict(values), example_filter_pb2.ExampleFilter())


OWN: Mapping[str, Any] = {
    "tags": tags,
    "genre_audience_pairs": genre_audience_pairs,
    "conversations": conversations,
    "preference_pairs": preference_pairs,
    "passages": passages,
    "exam_items": exam_items,
    "distillation": distillation,
    "coverage": coverage,
    "knowledge": knowledge,
    "regeneration": regeneration,
    "judge_examples": judge_examples,
    "improve_examples": improve_examples,
}
"""Reads the options that may be unset, by their names."""

ENUMS: Mapping[str, Any] = {
    "mode": generation_pb2.TagMode,
    "flaw": candidate_pb2.PreferenceFlaw,
    "forms": candidate_pb2.PassageForm,
    "types": exam_item_pb2.ExamItemType,
}
"""The enums among these options, by the names of their fields."""


def own_options_to_pb(values: GenerationOptions) -> dict[str, Any]:
    """The options that may be unset, where they are set."""
    return {
        name: {key: option_to_pb(key, one) for key, one in asdict(own).items()}
        for name in OWN
        if (own := getattr(values, name)) is not None
    }


def option_to_pb(name: str, value: Any) -> Any:
    """A value of these options."""
    if name == "sampling":
        return sampling_to_pb(value)
    if name == "filter":
        return filter_to_pb(value) if value else None
    if name not in ENUMS:
        return value
    if isinstance(value, str):
        return enum_value(ENUMS[name], value)
    return [enum_value(ENUMS[name], one) for one in value]


def enum_name(enum: Any, value: int) -> str | None:
    """The stored name of an enum value, such as `true_false`; nothing for unspecified."""
    return enum.Name(value)[len(prefix(enum)) :].lower() if value else None


def enum_value(enum: Any, name: str) -> Any:
    """The enum value of a stored name; unspecified for the empty one."""
    return enum.Value(f"{prefix(enum)}{name.upper() or 'UNSPECIFIED'}")


def prefix(enum: Any) -> str:
    """What the names of all values of an enum begin with: that of the first but `UNSPECIFIED`."""
    return str(enum.keys()[0].removesuffix("UNSPECIFIED"))
