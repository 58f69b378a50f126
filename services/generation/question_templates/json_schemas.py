"""JSON schemas of answers: which can be given, and what is wrong with an answer beside one.

They come from users, and are held against what models write: so there is a closed list of keywords, each of
which takes time in proportion to the value. `pattern` could take for ever, and `$ref` could lead anywhere.
The words are those of JSON Schema, draft 2020-12 (https://json-schema.org/draft/2020-12).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from jsonschema.validators import extend

from services.generation.calls.output import strictly
from services.runtime.errors import InvalidArgument

Schema = Mapping[str, Any]

DEEPEST = 20
"""Schemas within one another."""

ANNOTATIONS = frozenset({"$comment", "$schema", "default", "description", "examples", "title"})
"""Words that say nothing of values."""

TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
KEYWORDS = (
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "anyOf",
    "enum",
    "const",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
)
LONGEST_FAULT = 500
"""Characters that are told of what is wrong; it may hold the value."""

encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def is_number(_: Any, value: Any) -> bool:
    """Whether a decoded value is a number, which true, false and 1e999 are not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) != math.inf


def unique_items(_: Any, wanted: Any, value: Any, __: Any) -> Iterator[ValidationError]:
    """Whether no item of a list is there twice; jsonschema compares each with each."""
    if wanted and isinstance(value, list) and len({encode(one) for one in value}) < len(value):
        yield ValidationError("an item is there twice")


Validator = extend(  # type: ignore[no-untyped-call]  # its stubs say nothing of it
    Draft202012Validator,
    {"uniqueItems": unique_items},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("number", is_number),
)


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
    unknown = [name for name in schema if name not in KEYWORDS and name not in ANNOTATIONS]
    if unknown:
        yield f"{where} has {unknown[0]!r}; there are {', '.join(KEYWORDS)}"
        return
    fault = best_match(Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(shallow(schema)))
    if fault:
        path = ".".join(map(str, fault.absolute_path))
        hint = f"; types are {', '.join(TYPES)}" if path.startswith("type") else ""
        yield f"{path!r} of {where}: {said(fault)}{hint}"
        return
    lacking = sorted(set(schema.get("required", ())) - schema.get("properties", {}).keys())
    if lacking:
        yield f"{where} requires {lacking[0]!r}, which is none of its properties"
    for place, inner in inner_schemas(schema, where):
        yield from wrong_in(inner, place, depth + 1)


def shallow(schema: Schema) -> dict[str, Any]:
    """A schema without what stands in it, which is looked at by itself."""
    kept = dict(schema)
    for name, empty in (("properties", {}), ("anyOf", [{}]), ("items", {}), ("additionalProperties", {})):
        if isinstance(kept.get(name), type(empty)) and kept[name]:
            kept[name] = empty
    return kept


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
    for error in Validator(schema).iter_errors(value):
        place = where + error.json_path.removeprefix("$")
        yield f"{place}: {said(error)}"


def said(error: ValidationError) -> str:
    """What an error says, without an end where it holds a long value."""
    return error.message if len(error.message) <= LONGEST_FAULT else f"{error.message[:LONGEST_FAULT]}…"


def fitting(value: Any, schema: Schema) -> Schema | None:
    """The first schema of `anyOf` that a value fits."""
    return next((one for one in schema["anyOf"] if Validator(one).is_valid(value)), None)


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
