from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from services.generation.calls.output import OutputIncomplete, OutputInvalid
from services.generation.generations.generations import GenerationOptions
from services.generation.generations.kinds import AnswerOptions, CoverageOptions, Gates, KnowledgeOptions
from services.generation.question_templates.question_templates import (
    NewQuestionTemplate,
    TemplateContent,
    check_template,
    check_wanted_templates,
    template_items,
)
from services.generation.question_templates.template_answers import (
    checked_template_answer,
    prompt_of,
    template_parser,
    template_schema,
    template_values,
)
from services.generation.sources.chunk_reader import SourceChunk
from services.runtime.errors import InvalidArgument
from tests.support.prompts import render

NASTY = "{{ labels }} {% raw %} $$ $& ${HOME} {# no #}"
SOURCE = f"# Kestrel\n\nThe Kestrel weighs 12 grams and costs $$5. {NASTY} stands there, too.\n"
GIST = TemplateContent("What is this text about?", "in one sentence")
MOOD = TemplateContent(
    "How does it feel?", answer="label", labels=["Good", "so-so", "so so", "+", "$& {{x}}"]
)
MOODS = TemplateContent("How?", answer="label", labels=["Good", "bad", "{{x}}"], several_labels=True)
SCHEMA = (
    '{"type": "object", "properties": {"z": {"type": "string"}, "a": {"type": "integer"}}, "required": ["z"]}'
)
DATA = TemplateContent("Which data?", answer="json", json_schema=SCHEMA)


def chunk(text: str = SOURCE) -> SourceChunk:
    return SourceChunk("c", "p", "d", 1, text, 100, 0, text)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("content", [GIST, MOOD, MOODS, DATA], ids=["text", "label", "labels", "json"])
def test_source_question_and_labels_are_shown_as_they_are(content: TemplateContent, language: str) -> None:
    prompt = render(prompt_of(content), language, **template_values(content, chunk(), AnswerOptions()))
    shown = prompt.texts[-1]
    assert SOURCE.strip() in shown
    assert content.text in shown
    assert content.description in shown
    assert all(f"- {label}" in shown for label in content.labels)
    for example in prompt.texts[2:-1:2]:
        assert json.loads(example).keys() == {"quote", "answer"}
    # What the example shows is what is asked for.
    if content.labels:
        assert isinstance(json.loads(prompt.texts[2])["answer"], list) == content.several_labels


SHORT = GenerationOptions(gates=Gates(max_answer_chars=80))
ASKED = AnswerOptions(length="long", style="as a {{ list }}", reasoning="asked")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("content", [GIST, MOODS, DATA], ids=["text", "labels", "json"])
def test_the_way_to_an_answer_is_asked_for_and_kept(content: TemplateContent, language: str) -> None:
    prompt = render(prompt_of(content), language, **template_values(content, chunk(), ASKED))
    assert (ASKED.style in prompt.texts[-1]) == (content is GIST)
    options = GenerationOptions(answers=ASKED)
    wanted = template_schema(content, chunk(), options)["required"]
    assert wanted == ["reasoning", "quote", "answer"]
    assert all(list(json.loads(example)) == wanted for example in prompt.texts[2:-1:2])
    answer = {GIST.answer: "The price.", "label": ["bad", "??"], "json": {"z": "x"}}[content.answer]
    given = {"reasoning": "Twelve is little.", "quote": "", "answer": answer}
    try:
        written = template_parser(content, ASKED)(given)
    except OutputIncomplete as incomplete:
        written = incomplete.value
    for own, kept in (("asked", "Twelve is little."), ("native", "thought"), ("none", "")):
        answers = AnswerOptions(reasoning=own)
        found = checked_template_answer(
            content,
            written,
            "thought" if own != "asked" else "",
            chunk(),
            replace(options, answers=answers),
            "en",
        )
        assert found[1] == kept
    with pytest.raises(OutputInvalid, match='"reasoning": text, "quote": text'):
        template_parser(content, ASKED)({**given, "reasoning": " "})


def test_a_text_must_have_a_quote_and_others_may_have_one() -> None:
    text = template_schema(GIST, chunk(), SHORT)
    assert text["properties"]["answer"]["maxLength"] == 80
    assert "" not in text["properties"]["quote"]["enum"]
    label = template_schema(MOODS, chunk(), SHORT)
    assert label["properties"]["quote"]["enum"][-1] == ""
    assert label["properties"]["answer"]["items"]["enum"] == MOODS.labels
    assert template_schema(DATA, chunk(), SHORT)["properties"]["answer"] == json.loads(SCHEMA)


@pytest.mark.parametrize(
    ("content", "answer", "stored"),
    [
        (MOOD, "Good", "Good"),
        (MOOD, " good. ", "Good"),
        (MOOD, ["Good"], "Good"),
        (MOOD, "so so", "so so"),
        (MOOD, "+", "+"),
        (MOOD, "$& {{x}}", "$& {{x}}"),
        (MOODS, "bad", '["bad"]'),
        (MOODS, ["{{x}}", "BAD", "bad", "Good"], '["Good","bad","{{x}}"]'),
    ],
)
def test_a_label_is_found_however_it_is_written(content: TemplateContent, answer: Any, stored: str) -> None:
    assert template_parser(content, AnswerOptions())({"answer": answer}).answer == stored


@pytest.mark.parametrize(
    ("content", "answer"),
    [(MOOD, ["Good", "+"]), (MOOD, []), (MOODS, []), (MOOD, 3), (MOOD, None), (MOODS, {"Good": 1})],
)
def test_what_is_no_answer_by_labels_is_asked_for_again(content: TemplateContent, answer: Any) -> None:
    with pytest.raises(OutputInvalid) as raised:
        template_parser(content, AnswerOptions())({"quote": "", "answer": answer})
    assert not isinstance(raised.value, OutputIncomplete)


@pytest.mark.parametrize(
    ("content", "answer", "stored"),
    # "SO SO!" may be either of two labels.
    [
        (MOOD, "angry", "angry"),
        (MOOD, "SO SO!", "SO SO!"),
        (MOOD, "", ""),
        (MOODS, ["y", "bad"], '["bad","y"]'),
    ],
)
def test_an_unknown_label_is_asked_for_again_and_then_rejected(
    content: TemplateContent, answer: Any, stored: str
) -> None:
    with pytest.raises(OutputIncomplete) as raised:
        template_parser(content, AnswerOptions())({"quote": "", "answer": answer})
    written = raised.value.value
    assert written.answer == stored
    rejection = checked_template_answer(content, written, "", chunk(), GenerationOptions(), "en")[-1]
    assert rejection is not None
    assert rejection.reason == "LABEL_UNKNOWN"
    off = GenerationOptions(gates=Gates(off=["LABEL_UNKNOWN"]))
    assert checked_template_answer(content, written, "", chunk(), off, "en")[-1] is None


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ({"quote": "", "answer": {"a": 1, "z": "é"}}, '{"z":"é","a":1}'),
        ({"a": 1, "z": "{{x}} $&"}, '{"z":"{{x}} $&","a":1}'),
    ],
)
def test_json_is_stored_compactly_in_the_order_of_its_schema(value: Any, stored: str) -> None:
    assert template_parser(DATA, AnswerOptions())(value).answer == stored


def test_json_that_does_not_fit_is_asked_for_again_with_what_is_wrong() -> None:
    with pytest.raises(OutputInvalid, match=r'"answer"\.a: .one. is not of type .integer'):
        template_parser(DATA, AnswerOptions())({"answer": {"z": "x", "a": "one"}})
    with pytest.raises(OutputInvalid, match='it lacks "answer"'):
        template_parser(DATA, AnswerOptions())({"a": 1})


def checked(content: TemplateContent, language: str = "en", gates: Gates = Gates(), **value: Any) -> Any:  # noqa: B008
    written = template_parser(content, AnswerOptions())(value)
    options = GenerationOptions(gates=gates)
    quotes, _, rejection = checked_template_answer(content, written, "", chunk(), options, language)
    return [quote.text for quote in quotes], rejection and rejection.reason


def test_a_text_passes_the_gates_of_answers_and_a_label_quotes_the_chunk_where_it_has_no_other() -> None:
    fact = "The Kestrel weighs 12 grams and costs $$5."
    assert checked(GIST, quote=fact, answer="The weight and price of the Kestrel.") == ([fact], None)
    assert checked(GIST, quote="Made up.", answer="The Kestrel.") == ([], "QUOTE_NOT_FOUND")
    assert checked(GIST, quote=fact, answer="It weighs 99 grams.") == ([fact], "NUMBER_NOT_IN_SOURCE")
    assert checked(GIST, quote=fact, answer="茶隼的重量和价格。") == ([fact], "LANGUAGE")
    # A question in another language than its chunk may be answered in either.
    assert checked(TemplateContent("这段文字讲什么？"), quote=fact, answer="The Kestrel.") == ([fact], None)
    short = Gates(max_answer_chars=3)
    assert checked(GIST, quote=fact, answer="The weight.", gates=short) == ([fact], "ANSWER_LENGTH")
    assert checked(MOODS, quote=fact, answer=["Good"], gates=short) == ([fact], None)
    assert checked(MOODS, quote="Made up.", answer=["Good"]) == ([SOURCE], None)
    assert checked(DATA, answer={"z": "no such words", "a": 77}, gates=short) == ([SOURCE], None)


@pytest.mark.parametrize(
    ("name", "content", "reason", "field"),
    [
        (" ", GIST, "FIELD_INVALID", "name"),
        ("a", TemplateContent("\n"), "FIELD_INVALID", "text"),
        ("a", TemplateContent("?", answer="label", labels=["a", " "]), "FIELD_INVALID", "labels"),
        ("a", TemplateContent("?", answer="label", labels=["a"]), "LABELS_MISPLACED", "labels"),
        ("a", TemplateContent("?", labels=["a", "b"]), "LABELS_MISPLACED", "labels"),
        ("a", TemplateContent("?", several_labels=True), "LABELS_MISPLACED", "several_labels"),
        ("a", TemplateContent("?", answer="json"), "JSON_SCHEMA_MISPLACED", "json_schema"),
        ("a", TemplateContent("?", json_schema=SCHEMA), "JSON_SCHEMA_MISPLACED", "json_schema"),
        ("a", TemplateContent("?", answer="json", json_schema="{}"), "JSON_SCHEMA_INVALID", "json_schema"),
    ],
)
def test_a_template_has_what_its_answer_needs_and_nothing_else(
    name: str, content: TemplateContent, reason: str, field: str
) -> None:
    with pytest.raises(InvalidArgument) as raised:
        check_template(NewQuestionTemplate("p", name, content))
    assert (raised.value.reason, raised.value.field) == (reason, f"question_template.{field}")


def test_only_templates_without_any_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="none is named"):
        check_wanted_templates(GenerationOptions(templates_only=True))


def test_each_template_is_asked_once_about_a_chunk_that_says_something() -> None:
    options = GenerationOptions(question_template_ids=["AB", "ab", "cd"])
    assert [item.key for item in template_items(chunk(), options)] == ["c:ab", "c:cd"]
    assert template_items(chunk(" \n"), options) == []


@pytest.mark.parametrize("name", ["question_types", "knowledge", "coverage"])
def test_what_is_said_of_questions_about_facts_is_refused_where_only_templates_ask(name: str) -> None:
    said = {"question_types": ["fact"], "knowledge": KnowledgeOptions("k"), "coverage": CoverageOptions(1)}
    options = GenerationOptions(templates_only=True, question_template_ids=["t"])
    check_wanted_templates(options)
    with pytest.raises(InvalidArgument) as raised:
        check_wanted_templates(replace(options, **{name: said[name]}))  # type: ignore[arg-type]  # one of them
    assert (raised.value.reason, raised.value.field) == ("OPTIONS_CONFLICT", f"generation.options.{name}")
    assert raised.value.metadata == {"option": name, "other": "templates_only"}
