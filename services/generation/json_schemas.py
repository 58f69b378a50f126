"""JSON schemas of answers: which can be given, and what is wrong with an answer beside one.

They come from users, and are held against what models write: so there is a closed list of keywords, each of
which takes time in proportion to the value. `pattern` could take for ever, and `$ref` could lead anywhere.
The words are those of JSON Schema, draft 2020-12 (https://json-schema.org/draft/2020-12).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from services.generation.calls.output import strictly
from services.runtime.errors import InvalidArgument

Schema = Mapping[str, Any]

DEEPEST = 20
"""Schemas within one another."""

ANNOTATIONS = frozenset({"$comment", "$schema", "default", "description", "examples", "title"})
"""Words that say nothing of values."""

encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def is_number(value: Any) -> bool:
    """Whether a decoded value is a number, which true, false and 1e999 are not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) != math.inf


def is_integer(value: Any) -> bool:
    """Whether a decoded value is a whole number, be it 1.0."""
    return is_number(value) and (isinstance(value, int) or value.is_integer())


TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "number": is_number,
    "integer": is_integer,
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}


def is_count(value: Any) -> bool:
    """Whether a decoded value can say how many."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_texts(value: Any) -> bool:
    """Whether a decoded value is a list of different texts."""
    return (
        isinstance(value, list)
        and all(isinstance(one, str) for one in value)
        and len(set(value)) == len(value)
    )


def is_type(value: Any) -> bool:
    """Whether a decoded value names a type, or several."""
    names = value if isinstance(value, list) else [value]
    return bool(names) and all(isinstance(one, str) and one in TYPES for one in names)


COUNT = (is_count, "a whole number from 0 on")
NUMBER = (is_number, "a number")
KEYWORDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "type": (is_type, f"one or several of {', '.join(TYPES)}"),
    "properties": (lambda value: isinstance(value, dict), "an object of schemas"),
    "required": (is_texts, "a list of names, each once"),
    "additionalProperties": (lambda value: isinstance(value, bool | dict), "true, false or a schema"),
    "items": (lambda value: isinstance(value, dict), "a schema"),
    "anyOf": (lambda value: isinstance(value, list) and bool(value), "a list of schemas"),
    "enum": (lambda value: isinstance(value, list) and bool(value), "a list of values"),
    "const": (lambda _: True, ""),
    "minLength": COUNT,
    "maxLength": COUNT,
    "minItems": COUNT,
    "maxItems": COUNT,
    "uniqueItems": (lambda value: isinstance(value, bool), "true or false"),
    "minimum": NUMBER,
    "maximum": NUMBER,
    "exclusiveMinimum": NUMBER,
    "exclusiveMaximum": NUMBER,
}
"""What a schema can say: whether a value of the word is right, and what it must be."""


def check_schema(text: str, field: str) -> dict[str, Any]:
    """Refuse a schema that is none, that says what cannot be held against answers, or that is no object's.

    Args:
        text: the schema as JSON.
        field: where it stands in the request.

    Raises:
        InvalidArgument: so it is.
    """
    try:
        schema = strictly(text)
    except (ValueError, RecursionError) as error:
        raise invalid(f"it is no JSON ({error})", field) from None
    wrong = next(wrong_in(schema, "the schema", 1), "")
    if not wrong and schema.get("type") != "object":
        wrong = 'its type must be "object"'
    if wrong:
        raise invalid(wrong, field)
    found: dict[str, Any] = schema
    return found


def invalid(wrong: str, field: str) -> InvalidArgument:
    """The error for a schema."""
    return InvalidArgument(
        "JSON_SCHEMA_INVALID", f"the JSON schema cannot be used: {wrong}; mend it", field, wrong=wrong
    )


def wrong_in(schema: Any, where: str, depth: int) -> Iterator[str]:
    """What is wrong with a schema and those in it."""
    if not isinstance(schema, dict):
        yield f"{where} is not an object"
        return
    if depth > DEEPEST:
        yield f"there are more than {DEEPEST} schemas within one another"
        return
    for name, value in schema.items():
        if name in ANNOTATIONS:
            continue
        if name not in KEYWORDS:
            yield f"{where} has {name!r}; there are {', '.join(KEYWORDS)}"
            return
        is_right, wanted = KEYWORDS[name]
        if not is_right(value):
            yield f"{name!r} of {where} must be {wanted}"
            return
    unknown = sorted(set(schema.get("required", ())) - schema.get("properties", {}).keys())
    if unknown:
        yield f"{where} requires {unknown[0]!r}, which is none of its properties"
    for place, inner in inner_schemas(schema, where):
        yield from wrong_in(inner, place, depth + 1)


def inner_schemas(schema: Schema, where: str) -> Iterator[tuple[str, Any]]:
    """The schemas that stand in a schema, and where."""
    yield from ((f"property {name!r}", one) for name, one in schema.get("properties", {}).items())
    yield from ((f"anyOf of {where}", one) for one in schema.get("anyOf", ()))
    yield from ((f"{name} of {where}", schema[name]) for name in ("items",) if name in schema)
    more = schema.get("additionalProperties", True)
    if not isinstance(more, bool):
        yield f"additionalProperties of {where}", more


def faults(value: Any, schema: Schema, where: str = "the answer") -> Iterator[str]:
    """What is wrong with a value beside a schema that was checked, in words for whoever wrote it."""
    names = schema.get("type", list(TYPES))
    kinds = names if isinstance(names, list) else [names]
    if not any(TYPES[kind](value) for kind in kinds):
        yield f"{where} must be of the type {' or '.join(kinds)}"
        return
    if "anyOf" in schema and fitting(value, schema) is None:
        yield f"{where} fits none of the schemas of anyOf"
    if "enum" in schema and not any(is_same(value, one) for one in schema["enum"]):
        yield f"{where} must be one of {encode(schema['enum'])[:500]}"
    if "const" in schema and not is_same(value, schema["const"]):
        yield f"{where} must be {encode(schema['const'])[:500]}"
    if isinstance(value, str):
        yield from count_faults(len(value), schema, "Length", f"{where} has {len(value)} characters")
    elif isinstance(value, list):
        yield from list_faults(value, schema, where)
    elif isinstance(value, dict):
        yield from object_faults(value, schema, where)
    elif is_number(value):
        yield from number_faults(value, schema, where)


def is_same(left: Any, right: Any) -> bool:
    """Whether two decoded values are the same; true is not 1."""
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def fitting(value: Any, schema: Schema) -> Schema | None:
    """The first schema of `anyOf` that a value fits."""
    return next((one for one in schema["anyOf"] if not next(faults(value, one), "")), None)


def count_faults(count: int, schema: Schema, of: str, has: str) -> Iterator[str]:
    """What is wrong with how many there are."""
    least, most = schema.get(f"min{of}", 0), schema.get(f"max{of}", count)
    if count < least:
        yield f"{has}, of {least} at least"
    if count > most:
        yield f"{has}, of {most} at most"


def list_faults(value: list[Any], schema: Schema, where: str) -> Iterator[str]:
    """What is wrong with a list."""
    yield from count_faults(len(value), schema, "Items", f"{where} has {len(value)} items")
    if schema.get("uniqueItems") and len({encode(one) for one in value}) < len(value):
        yield f"{where} has the same item twice"
    for number, one in enumerate(value):
        yield from faults(one, schema.get("items", {}), f"{where}[{number}]")


def object_faults(value: dict[str, Any], schema: Schema, where: str) -> Iterator[str]:
    """What is wrong with an object."""
    yield from (f"{where} lacks {name!r}" for name in schema.get("required", ()) if name not in value)
    own, more = schema.get("properties", {}), schema.get("additionalProperties", True)
    for name, one in value.items():
        if name not in own and more is False:
            yield f"{where} has {name!r}, which is none of its properties"
        wanted = own.get(name, {} if isinstance(more, bool) else more)
        yield from faults(one, wanted, f"{where}.{name}")


def number_faults(value: float, schema: Schema, where: str) -> Iterator[str]:
    """What is wrong with a number."""
    if value < schema.get("minimum", value):
        yield f"{where} must be {schema['minimum']} at least"
    if value > schema.get("maximum", value):
        yield f"{where} must be {schema['maximum']} at most"
    if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
        yield f"{where} must be more than {schema['exclusiveMinimum']}"
    if "exclusiveMaximum" in schema and value >= schema["exclusiveMaximum"]:
        yield f"{where} must be less than {schema['exclusiveMaximum']}"


def ordered(value: Any, schema: Schema) -> Any:
    """A value that fits a schema, the keys of its objects in the order of that, others behind by name."""
    if "anyOf" in schema:
        schema = {**schema, **(fitting(value, schema) or {})}
    if isinstance(value, list):
        return [ordered(one, schema.get("items", {})) for one in value]
    if not isinstance(value, dict):
        return value
    own, more = schema.get("properties", {}), schema.get("additionalProperties", True)
    others = {} if isinstance(more, bool) else more
    names = [*(name for name in own if name in value), *sorted(value.keys() - own.keys())]
    return {name: ordered(value[name], own.get(name, others)) for name in names}
