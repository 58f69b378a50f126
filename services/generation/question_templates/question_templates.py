"""Question templates: questions that are asked about every chunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.generation.generations.generations import GenerationOptions
from services.generation.question_templates.json_schemas import check_schema
from services.generation.sources.chunk_reader import SourceChunk
from services.runtime.errors import AlreadyExists, InvalidArgument, NotFound
from services.runtime.jobs import NewItem

TEMPLATE = "template"
"""The type of their questions."""
FEWEST_LABELS = 2
OF_FACTS = ("question_types", "knowledge", "coverage")
"""Options that say something of questions about facts alone."""


@dataclass(frozen=True)
class TemplateContent:
    """What is asked about every chunk, and how it is answered.

    Args:
        text: the question, word for word.
        description: what the answer is to be like, in plain words; may be empty.
        answer: `text`, `label` or `json`.
        labels: what can be answered, of `label` only.
        several_labels: whether several of them can be.
        json_schema: of an object, as JSON; of `json` only.
    """

    text: str
    description: str = ""
    answer: str = "text"
    labels: Sequence[str] = ()
    several_labels: bool = False
    json_schema: str = ""


@dataclass(frozen=True)
class NewQuestionTemplate:
    """A template to store."""

    project_id: str
    name: str
    content: TemplateContent


@dataclass(frozen=True)
class QuestionTemplate:
    """A template of a project."""

    id: str
    project_id: str
    name: str
    content: TemplateContent
    create_time: datetime
    update_time: datetime

    @property
    def size_bytes(self) -> int:
        """About how large it is in an answer."""
        own = self.content
        texts = [self.name, own.text, own.description, own.json_schema, *own.labels]
        return sum(len(text.encode()) for text in texts)


def check_template(new: NewQuestionTemplate) -> None:
    """Refuse a template that has what is not of its kind of answer, or lacks what is.

    Raises:
        InvalidArgument: so it is.
    """
    own = new.content
    for name, text in (("name", new.name), ("text", own.text), *(("labels", one) for one in own.labels)):
        if not text.strip():
            raise InvalidArgument(
                "FIELD_INVALID",
                f"question_template.{name}: it is blank; give it a text",
                f"question_template.{name}",
            )
    check_labels(own)
    if (own.answer == "json") != bool(own.json_schema):
        lacks = own.answer == "json"
        raise InvalidArgument(
            "JSON_SCHEMA_MISPLACED",
            "an answer as JSON needs a JSON schema; give one"
            if lacks
            else f"an answer as {own.answer} has no JSON schema; leave it out, or ask for JSON",
            "question_template.json_schema",
        )
    if own.json_schema:
        check_schema(own.json_schema, "question_template.json_schema")


def check_labels(own: TemplateContent) -> None:
    """Refuse labels of other answers, and too few of them.

    Raises:
        InvalidArgument: so it is.
    """
    if own.answer != "label" and (own.labels or own.several_labels):
        field = "labels" if own.labels else "several_labels"
        raise InvalidArgument(
            "LABELS_MISPLACED",
            f"an answer as {own.answer} has no labels; leave {field} out, or ask for a label",
            f"question_template.{field}",
        )
    if own.answer == "label" and len(own.labels) < FEWEST_LABELS:
        raise InvalidArgument(
            "LABELS_MISPLACED",
            f"an answer by a label needs {FEWEST_LABELS} or more to choose from; there are {len(own.labels)}",
            "question_template.labels",
        )


def check_wanted_templates(options: GenerationOptions) -> None:
    """Refuse to ask the questions of templates only where none is named, or something is said of others.

    Raises:
        InvalidArgument: so it is.
    """
    for name in OF_FACTS:
        if options.templates_only and getattr(options, name):
            raise InvalidArgument(
                "OPTIONS_CONFLICT",
                f"options.templates_only and options.{name} do not go together: templates ask about no "
                "facts; leave one out",
                f"generation.options.{name}",
                option=name,
                other="templates_only",
            )
    if options.templates_only and not options.question_template_ids:
        raise InvalidArgument(
            "QUESTION_TEMPLATES_MISSING",
            "templates_only asks no other questions than those of templates, and none is named; name some",
            "generation.options.question_template_ids",
        )


def template_items(chunk: SourceChunk, options: GenerationOptions) -> list[NewItem]:
    """The `answer_template` items of a chunk: one for each template."""
    if not options.question_template_ids or not chunk.text.strip():
        return []
    return [
        NewItem(
            "answer_template", f"{chunk.id}:{template_id}", chunk.id, {"question_template_id": template_id}
        )
        for template_id in dict.fromkeys(map(str.lower, options.question_template_ids))
    ]


def question_template_not_found(template_id: str, field: str = "") -> NotFound:
    """The error for a template that is not there."""
    return NotFound(
        "QUESTION_TEMPLATE_NOT_FOUND",
        f"there is no question template {template_id}; list them again",
        field,
        question_template_id=template_id,
    )


def question_template_exists(name: str) -> AlreadyExists:
    """The error for a name that the project has."""
    return AlreadyExists(
        "QUESTION_TEMPLATE_EXISTS",
        f"the project has a question template {name!r} already; change that one, or give another name",
        "question_template.name",
        name=name,
    )


def template_of_other_project(template_id: str, field: str) -> InvalidArgument:
    """The error for a template that a generation of another project names."""
    return InvalidArgument(
        "QUESTION_TEMPLATE_OF_OTHER_PROJECT",
        f"question template {template_id} belongs to another project; name one of this project",
        field,
        question_template_id=template_id,
    )
