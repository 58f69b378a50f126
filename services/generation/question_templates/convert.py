"""Between the contracts of question templates and their domain."""

from __future__ import annotations

from services.generation.generations.option_convert import enum_name, enum_value
from services.generation.question_templates.question_templates import (
    NewQuestionTemplate,
    QuestionTemplate,
    TemplateContent,
)
from services.runtime.convert import timestamp
from sishu.generation.v1 import question_template_pb2 as pb

TEMPLATE_FIELDS = (
    "name",
    "text",
    "description",
    "answer",
    "labels",
    "several_labels",
    "json_schema",
)
"""Fields of a template that people may change."""


def question_template_from_pb(message: pb.QuestionTemplate) -> NewQuestionTemplate:
    """A template to store."""
    content = TemplateContent(
        message.text,
        message.description,
        enum_name(pb.TemplateAnswer, message.answer) or "text",
        list(message.labels),
        message.several_labels,
        message.json_schema,
    )
    return NewQuestionTemplate(message.project_id, message.name, content)


def question_template_to_pb(template: QuestionTemplate) -> pb.QuestionTemplate:
    """A template."""
    own = template.content
    return pb.QuestionTemplate(
        id=template.id,
        project_id=template.project_id,
        name=template.name,
        text=own.text,
        description=own.description,
        answer=enum_value(pb.TemplateAnswer, own.answer),
        labels=own.labels,
        several_labels=own.several_labels,
        json_schema=own.json_schema,
        create_time=timestamp(template.create_time),
        update_time=timestamp(template.update_time),
    )


def merged_question_template(
    template: QuestionTemplate, wanted: pb.QuestionTemplate, paths: frozenset[str]
) -> pb.QuestionTemplate:
    """A template with the named fields of another."""
    known = question_template_to_pb(template)
    values = {name: getattr(wanted if name in paths else known, name) for name in TEMPLATE_FIELDS}
    return pb.QuestionTemplate(id=known.id, project_id=known.project_id, **values)
