from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from services.generation.calls.modes import response_format
from services.generation.calls.output import OutputInvalid, decode
from services.generation.providers.providers import Provider, check_provider
from services.generation.questions.facts import Fact
from services.generation.questions.questions import text_key
from services.generation.questions.writing import (
    MOST_QUOTES,
    Passage,
    answer_schema,
    parse_answer,
    questions_parser,
    questions_schema,
)
from services.runtime.errors import InvalidArgument

ANSWER = {"quote": "a", "answer": "b"}


@pytest.mark.parametrize(
    "text",
    [
        '{"quote": "a", "answer": "b"}',
        '```json\n{"quote": "a", "answer": "b"}\n```',
        '```\n{"quote": "a", "answer": "b"}\n```\nThat is it.',
        'Sure! Here it is: {"quote": "a", "answer": "b"} I hope it helps.',
        "{'quote': 'a', 'answer': 'b'}",
        '{"quote": "a", "answer": "b",}',
        '{"quote": "a", "answer": "b"',
        '{quote: "a", answer: "b"}',
        '```json\n{"quote": "a", "answer": "b"',
        ' \n{"quote": "a", "answer": "b"}\n',
    ],
)
def test_json_is_found_alone_fenced_among_words_and_slightly_broken(text: str) -> None:
    assert decode(text).value == ANSWER


def test_a_fence_inside_a_string_is_part_of_the_string() -> None:
    assert (
        decode('{"quote": "use ```json {}``` here", "answer": "b"}').value["quote"]
        == "use ```json {}``` here"
    )


@pytest.mark.parametrize("text", ["", "I do not know.", "```\n```", "null and void"])
def test_a_text_without_json_is_invalid(text: str) -> None:
    with pytest.raises(OutputInvalid):
        decode(text)


@pytest.mark.parametrize("text", ["{", "[", "[[[", "{quil 12ab, [[", "[1, 2", '{"quote": 1}', '"a"', "17"])
def test_json_of_another_kind_is_no_answer(text: str) -> None:
    with pytest.raises(OutputInvalid):
        parse_answer(decode(text).value)


def test_a_schema_demands_exactly_the_questions_that_are_wanted() -> None:
    schema = questions_schema(facts=2, forms=3, language="en")
    assert list(schema["properties"]) == ["fact_1", "fact_2"] == schema["required"]
    questions = schema["properties"]["fact_1"]["properties"]["questions"]
    assert (questions["minItems"], questions["maxItems"]) == (3, 3)
    assert schema["additionalProperties"] is False


def test_questions_come_back_by_fact_on_one_line_and_no_more_than_wanted() -> None:
    value = {
        "fact_1": {"questions": [" What\n is it? ", "", "Who?", "Too many?"]},
        "fact_2": {"questions": ["A?", "B?"]},
    }
    assert questions_parser(2, 2)(value) == [["What is it?", "Who?"], ["A?", "B?"]]


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        {"fact_1": {"questions": ["A?"]}},
        {"fact_1": {"questions": ["A?", "  "]}, "fact_2": {"questions": ["A?", "B?"]}},
        {"fact_1": {"questions": "A?"}, "fact_2": {"questions": ["A?", "B?"]}},
        {"fact_1": {"questions": [1, 2]}, "fact_2": {"questions": ["A?", "B?"]}},
        {"fact_1": ["A?", "B?"], "fact_2": {"questions": ["A?", "B?"]}},
    ],
)
def test_too_few_questions_are_asked_for_again(value: Any) -> None:
    with pytest.raises(OutputInvalid, match=r"fact_1|fact_2|object"):
        questions_parser(2, 2)(value)


def sentences_of(*texts: str) -> Passage:
    return Passage(" ".join(texts), [Fact(0, len(text), text) for text in texts])


def test_the_quote_is_one_of_the_sentences_seen() -> None:
    schema = answer_schema(sentences_of("One\nsentence.", "Two.", "Two."), 1000)
    assert schema["properties"]["quote"]["enum"] == ["One sentence.", "Two."]


@pytest.mark.parametrize("count", [0, MOST_QUOTES + 1])
def test_without_sentences_or_with_too_many_the_quote_is_free(count: int) -> None:
    schema = answer_schema(sentences_of(*(f"Sentence {number}." for number in range(count))), 1000)
    assert "enum" not in schema["properties"]["quote"]


def test_an_answer_is_trimmed_and_its_quote_is_not() -> None:
    written = parse_answer({"quote": " a ", "answer": " b "})
    assert (written.quote, written.answer) == (" a ", "b")


def test_the_three_ways_to_ask_for_json() -> None:
    schema = {"type": "object"}
    assert response_format("json_schema", schema)["response_format"]["json_schema"]["schema"] == schema
    assert response_format("json_object", schema) == {"response_format": {"type": "json_object"}}
    assert response_format("text", schema) == {}


def test_questions_that_differ_in_case_signs_and_spaces_have_one_wording() -> None:
    assert (
        text_key("How long does it run?")
        == text_key("how LONG does it run ？")
        == text_key("How-long does it run")
    )
    assert text_key("公司在哪里？") == text_key("公司 在哪里") != text_key("公司在那里？")


def provider(name: str, base_url: str, deployment_id: str, model: str) -> Provider:
    now = datetime.now(UTC)
    return Provider("id", "project", name, base_url, deployment_id or None, model, None, {}, now, now)


@pytest.mark.parametrize(
    ("name", "base_url", "deployment_id", "model", "field"),
    [
        ("", "http://h/v1", "", "m", "provider.name"),
        ("n\n", "http://h/v1", "", "m", "provider.name"),
        ("n", "", "", "m", "provider.base_url"),
        ("n", "http://h/v1", "d", "m", "provider.base_url"),
        ("n", "http://h/v1", "", "", "provider.model"),
        ("n", "ftp://h/v1", "", "m", "provider.base_url"),
        ("n", "127.0.0.1:8000/v1", "", "m", "provider.base_url"),
        ("n", "http://user:secret@h/v1", "", "m", "provider.base_url"),
    ],
)
def test_a_provider_that_breaks_a_rule_names_the_field(
    name: str, base_url: str, deployment_id: str, model: str, field: str
) -> None:
    with pytest.raises(InvalidArgument) as raised:
        check_provider(provider(name, base_url, deployment_id, model))
    assert raised.value.field == field
    assert "secret" not in raised.value.message


def test_a_deployment_needs_no_model() -> None:
    check_provider(provider("n", "", "018f", ""))
