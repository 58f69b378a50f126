from __future__ import annotations

import json
from typing import Any

import pytest

from services.generation.question_templates.json_schemas import check_schema, faults, ordered
from services.runtime.errors import InvalidArgument

PART = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 5},
        "grams": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]},
        "kinds": {"type": "array", "items": {"enum": ["a", "b", 1]}, "maxItems": 2, "uniqueItems": True},
        "share": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1, "maximum": 5},
        "fixed": {"const": True},
    },
    "required": ["name"],
    "additionalProperties": False,
    "title": "Part",
    "$schema": "https://json-schema.org/draft/2020-12/schema",
}


@pytest.mark.parametrize(
    ("schema", "wrong"),
    [
        ("{", "it is no JSON"),
        ("[" * 15_000, "it is no JSON"),
        ('{"type": "object", "type": "array"}', "it is no JSON"),
        ("[]", "the schema is not an object"),
        ('{"type": "array"}', 'its type must be "object"'),
        ('{"properties": {}}', 'its type must be "object"'),
        ('{"type": ["object", "null"]}', 'its type must be "object"'),
        ('{"type": "objekt"}', "'type' of the schema: 'objekt' is not valid"),
        ('{"type": "object", "$ref": "#/x"}', "the schema has '$ref'; there are type"),
        ('{"type": "object", "properties": {"a": {"pattern": "(a+)+"}}}', "property 'a' has 'pattern'"),
        ('{"type": "object", "properties": {"a": true}}', "property 'a' is not an object"),
        (
            '{"type": "object", "properties": {"a": {"minLength": -1}}}',
            "'minLength' of property 'a': -1 is less than",
        ),
        (
            '{"type": "object", "properties": {"a": {"maximum": true}}}',
            "'maximum' of property 'a': True is not of type",
        ),
        ('{"type": "object", "required": ["b"]}', "the schema requires 'b', which is none of its"),
        (
            '{"type": "object", "properties": {"a": {"items": [1]}}}',
            "'items' of property 'a': [1] is not of type",
        ),
        (
            '{"type": "object", "additionalProperties": {"type": 3}}',
            "'type' of additionalProperties of the schema: 3 is not valid",
        ),
        (
            '{"type": "object", "properties": {"a": {"anyOf": [{"type": "x"}]}}}',
            "'type' of anyOf of property 'a': 'x' is not valid",
        ),
        ('{"type": "object", "additionalProperties":' * 21 + "{}" + "}" * 21, "more than 20 schemas within"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_with_what_is_wrong(schema: str, wrong: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        check_schema(schema, "question_template.json_schema")
    assert raised.value.reason == "JSON_SCHEMA_INVALID"
    assert wrong in raised.value.message
    assert raised.value.field == "question_template.json_schema"


def test_a_schema_keeps_its_order() -> None:
    assert list(check_schema(json.dumps(PART), "")["properties"]) == list(PART["properties"])  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({"name": "Ash"}, ""),
        ({"name": "Ash", "grams": None, "kinds": ["a", 1], "share": 0.5, "fixed": True}, ""),
        ({"name": "Ash", "grams": 2.0}, ""),
        ([], "the answer: [] is not of type 'object'"),
        ({}, "the answer: 'name' is a required property"),
        (
            {"name": "Ash", "more": 1},
            "the answer: Additional properties are not allowed ('more' was unexpected)",
        ),
        ({"name": 3}, "the answer.name: 3 is not of type 'string'"),
        ({"name": ""}, "the answer.name: '' should be non-empty"),
        ({"name": "Beeches"}, "the answer.name: 'Beeches' is too long"),
        ({"name": "Ash", "grams": 0}, "the answer.grams: 0 is not valid under any"),
        ({"name": "Ash", "grams": True}, "the answer.grams: True is not valid under any"),
        ({"name": "Ash", "grams": float("inf")}, "the answer.grams: inf is not valid under any"),
        ({"name": "Ash", "kinds": ["c"]}, "the answer.kinds[0]: 'c' is not one of ['a', 'b', 1]"),
        ({"name": "Ash", "kinds": [True]}, "the answer.kinds[0]: True is not one of ['a', 'b', 1]"),
        ({"name": "Ash", "kinds": ["a", "a"]}, "the answer.kinds: an item is there twice"),
        ({"name": "Ash", "kinds": ["a", "b", 1]}, "the answer.kinds: ['a', 'b', 1] is too long"),
        ({"name": "Ash", "share": 0}, "the answer.share: 0 is less than or equal to"),
        ({"name": "Ash", "share": 1}, "the answer.share: 1 is greater than or equal to"),
        ({"name": "Ash", "share": 7}, "the answer.share: 7 is greater than"),
        ({"name": "Ash", "fixed": 1}, "the answer.fixed: True was expected"),
    ],
)
def test_a_value_is_held_against_its_schema(value: Any, fault: str) -> None:
    found = list(faults(value, PART))
    assert any(one.startswith(fault) for one in found) if fault else not found


def test_keys_come_in_the_order_of_the_schema_and_others_behind_by_name() -> None:
    inner = {"type": "object", "properties": {"z": {}, "a": {}}}
    schema = {
        "type": "object",
        "properties": {"list": {"type": "array", "items": inner}, "b": {"anyOf": [{"type": "null"}, inner]}},
    }
    value = {"y": 1, "b": {"a": 1, "z": 2}, "x": 2, "list": [{"a": 3, "more": 4, "z": 5}]}
    assert json.dumps(ordered(value, schema)) == (
        '{"list": [{"z": 5, "a": 3, "more": 4}], "b": {"z": 2, "a": 1}, "x": 2, "y": 1}'
    )
