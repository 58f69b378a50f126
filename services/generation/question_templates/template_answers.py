"""Answers to the questions of templates: how they are asked for, read, and held against the gates."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from pydantic import BaseModel, ValidationError

from services.generation.calls.output import OutputIncomplete, OutputInvalid
from services.generation.candidates.assignments import quote_schema
from services.generation.gates.gates import answer_faults, first_on, quote_faults, rejected
from services.generation.generations.generations import GenerationOptions
from services.generation.generations.kinds import AnswerOptions, Gates
from services.generation.question_templates.json_schemas import encode, faults, ordered
from services.generation.question_templates.question_templates import TemplateContent
from services.generation.questions.answers import (
    kept_reasoning,
    manner_values,
    reasoned,
    reasoning_faults,
    with_reasoning,
)
from services.generation.questions.facts import Fact, language_of, sentences
from services.generation.questions.filling import found_quote, in_source, quote_of
from services.generation.questions.questions import text_key
from services.generation.questions.quotes import Quote, one_line
from services.generation.questions.writing import Passage, answer_schema, parse_answer
from services.generation.sources.chunk_reader import SourceChunk
from services.generation.sources.table_heads import under_head, with_head
from services.runtime.failures import Failure


@dataclass(frozen=True)
class TemplateAnswer:
    """What a model answered.

    Args:
        quote: as the model wrote it; may be empty where the answer is no text.
        answer: a text, a label, a JSON array of labels, or a JSON object.
        reasoning: the way to it, where it was asked for.
        unknown_label: what stands there as a label and is none; usually nothing.
    """

    quote: str
    answer: str
    unknown_label: str = ""
    reasoning: str = ""


class Labelled(BaseModel):
    """An answer by labels as a model writes it."""

    quote: str = ""
    answer: str | list[str]


def prompt_of(content: TemplateContent) -> str:
    """The name of the prompt that asks the question."""
    return f"template_{content.answer}"


def template_values(content: TemplateContent, chunk: SourceChunk, manner: AnswerOptions) -> dict[str, object]:
    """What it is filled with."""
    reasoning = {"reasoning": manner.reasoning == "asked"}
    own: dict[str, dict[str, object]] = {
        "text": manner_values(manner),
        "label": {
            **reasoning,
            "labels": "\n".join(f"- {one_line(label)}" for label in content.labels),
            "several_labels": content.several_labels,
        },
        "json": {**reasoning, "json_schema": content.json_schema and encode(json.loads(content.json_schema))},
    }
    return {
        "source": under_head(chunk),
        "question": content.text,
        "description": content.description.strip(),
        **own[content.answer],
    }


def template_schema(
    content: TemplateContent, chunk: SourceChunk, options: GenerationOptions
) -> dict[str, Any]:
    """`{"quote": ..., "answer": ...}`; beside a label or JSON the quote may be empty."""
    offered = sentences(chunk.text)
    if content.answer == "text":
        plain = answer_schema(Passage(chunk.text, offered), options.gates.max_answer_chars)
        return with_reasoning(options.answers, plain["properties"])
    quote = quote_schema([one_line(sentence.text) for sentence in offered])
    if "enum" in quote:
        quote = {**quote, "enum": [*quote["enum"], ""]}
    return with_reasoning(options.answers, {"quote": quote, "answer": wanted_answer(content)})


def wanted_answer(content: TemplateContent) -> dict[str, Any]:
    """The schema of a label, of several, or of JSON."""
    if content.answer == "json":
        own: dict[str, Any] = json.loads(content.json_schema)
        return {name: value for name, value in own.items() if name != "$schema"}
    label = {"type": "string", "enum": list(content.labels)}
    if not content.several_labels:
        return label
    return {"type": "array", "items": label, "minItems": 1, "maxItems": len(content.labels)}


def template_parser(content: TemplateContent, manner: AnswerOptions) -> Callable[[Any], TemplateAnswer]:
    """Reads what `template_schema` asked for."""
    readers: Mapping[str, Callable[[TemplateContent, Any], TemplateAnswer]] = {
        "text": read_text,
        "label": read_label,
        "json": read_json,
    }
    read = readers[content.answer]

    def parse(value: Any) -> TemplateAnswer:
        told = value.get("reasoning") if isinstance(value, dict) else ""
        reasoning = reasoned(manner, told if isinstance(told, str) else "", '"quote": text, "answer": ...')
        try:
            return replace(read(content, value), reasoning=reasoning)
        except OutputIncomplete as error:
            part = replace(error.value, reasoning=reasoning)
            raise OutputIncomplete(str(error), error.parts, part) from None

    return parse


def read_text(content: TemplateContent, value: Any) -> TemplateAnswer:  # noqa: ARG001  # as the others
    """An answer that is a text."""
    written = parse_answer(value)
    return TemplateAnswer(written.quote, written.answer)


def read_label(content: TemplateContent, value: Any) -> TemplateAnswer:
    """An answer by labels; what is none of them is asked for again, and stays if no label comes."""
    try:
        written = Labelled.model_validate(value)
    except ValidationError:
        raise OutputInvalid(f'the answer must be {{"quote": text, "answer": {in_words(content)}}}') from None
    given = [written.answer] if isinstance(written.answer, str) else written.answer
    if not given or (len(given) > 1 and not content.several_labels):
        raise OutputInvalid(f'"answer" must be {in_words(content)}')
    known = known_labels(content.labels)
    found = [known.get(text, known.get(text_key(text), "")) for text in given]
    unknown = next((text for text, label in zip(given, found, strict=True) if not label), None)
    answer = labels_text(content, [label or text for text, label in zip(given, found, strict=True)])
    if unknown is None:
        return TemplateAnswer(written.quote, answer)
    read = TemplateAnswer(written.quote, answer, unknown or " ")
    raise OutputIncomplete(f'"answer" must be {in_words(content)}; {unknown!r} is none', {}, read)


def in_words(content: TemplateContent) -> str:
    """What an answer by labels must be."""
    return (
        "a list of the labels, word for word"
        if content.several_labels
        else "one of the labels, word for word"
    )


def known_labels(labels: Sequence[str]) -> dict[str, str]:
    """Labels by how they can be written: as they are, or without case, signs and spaces if that is plain."""
    keys = [text_key(label) for label in labels]
    plain = {key: label for key, label in zip(keys, labels, strict=True) if key and keys.count(key) == 1}
    return {**plain, **{label: label for label in labels}}


def labels_text(content: TemplateContent, answer: Sequence[str]) -> str:
    """Labels as they are stored: one by itself; several as JSON, each once, in the order of the template."""
    if not content.several_labels:
        return answer[0]
    given = set(answer)
    return encode([*(one for one in content.labels if one in given), *sorted(given - set(content.labels))])


def read_json(content: TemplateContent, value: Any) -> TemplateAnswer:
    """An answer that is JSON; one that stands there without its quote will do."""
    schema = json.loads(content.json_schema)
    if not isinstance(value, dict):
        raise OutputInvalid("the answer is not a JSON object")
    wrong = (
        next(faults(value["answer"], schema, '"answer"'), "") if "answer" in value else 'it lacks "answer"'
    )
    if not wrong:
        quote = value.get("quote", "")
        return TemplateAnswer(
            quote if isinstance(quote, str) else "", encode(ordered(value["answer"], schema))
        )
    if next(faults(value, schema), ""):
        raise OutputInvalid(wrong)
    return TemplateAnswer("", encode(ordered(value, schema)))


def quotes_of(content: TemplateContent, quote: Fact | None, chunk: SourceChunk) -> list[Quote]:
    """The quote of an answer; a label or JSON that no sentence alone bears out quotes the chunk."""
    whole = Fact(0, len(chunk.text), chunk.text)
    if quote is None and content.answer != "text" and in_source(chunk, whole):
        quote = whole
    return [quote_of(chunk, quote)] if quote else []


def checked_template_answer(
    content: TemplateContent,
    written: TemplateAnswer,
    native: str,
    chunk: SourceChunk,
    options: GenerationOptions,
    language: str,
) -> tuple[list[Quote], str, Failure | None]:
    """The quotes of an answer, the way to it, and why it is rejected; nothing for one that is kept.

    Args:
        content: what was asked.
        written: what came.
        native: what the model thought by itself.
        chunk: about what.
        options: how answers are written, and which gates are on.
        language: that of the chunk, `en` or `zh`, in which a question in the same language is answered.
    """
    quote = found_quote(chunk, written.quote)
    reasoning = kept_reasoning(native, written.reasoning, options)
    if content.answer == "text":
        wanted = language if language_of(content.text) == language else ""
        faults = text_faults(content, written, quote, chunk, options.gates, wanted)
        faults = chain(faults, reasoning_faults(reasoning, with_head(chunk), options, wanted))
    else:
        faults = label_faults(written)
    return quotes_of(content, quote, chunk), reasoning, first_on(faults, options.gates)


def text_faults(
    content: TemplateContent,
    written: TemplateAnswer,
    quote: Fact | None,
    chunk: SourceChunk,
    gates: Gates,
    language: str,
) -> Iterator[Failure]:
    """What is wrong with an answer that is a text."""
    yield from quote_faults(quote, Fact(0, len(chunk.text), chunk.text))
    # What the template itself says is no invention.
    source = "\n".join([with_head(chunk), content.text, content.description])
    yield from answer_faults(content.text, written.answer, source, gates, language)


def label_faults(written: TemplateAnswer) -> Iterator[Failure]:
    """What is wrong with an answer by labels, or as JSON, which has none."""
    if written.unknown_label:
        yield rejected("LABEL_UNKNOWN", f"{written.unknown_label!r} is none of the labels")
