"""Tool calls: how models write them, and how they are read out of an answer or forced upon it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from services.inference.engine.grammar import in_layout

_TAG = "tool_call"
_ID_BYTES = 5
_ID_LENGTH = 9
"""What Mistral's templates demand of an id, and others do not mind."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the model wants made."""

    id: str
    name: str
    arguments: str
    """JSON text of an object."""


@dataclass(frozen=True, slots=True)
class ToolFormat:
    """How a model family writes calls: between marks, or as an answer that is JSON from end to end."""

    begin: str
    end: str
    arguments: Literal["arguments", "parameters"]
    many: bool = False
    """Whether the JSON is a list of calls."""


TAGGED = ToolFormat(f"<{_TAG}>", f"</{_TAG}>", "arguments")
"""Hermes, Qwen2.5, Qwen3 and others."""
LISTED = ToolFormat("", "", "arguments", many=True)
"""Mistral: `[TOOL_CALLS]` is a special token, so the text is the list alone."""
BARE = ToolFormat("", "", "parameters")
"""Llama 3: the answer is one object."""


def tool_format(template: str) -> ToolFormat | None:
    """The format that a chat template teaches; None where it has no place for tools."""
    if "tools" not in template:
        return None
    if TAGGED.begin in template:
        return TAGGED
    return LISTED if "[TOOL_CALLS]" in template else BARE


def read_calls(text: str, form: ToolFormat, names: frozenset[str]) -> list[ToolCall] | None:
    """The calls that a piece of JSON holds, or None where it is no call of a tool that was offered."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    calls = [_call(each, form, names) for each in (found if isinstance(found, list) else [found])]
    return [call for call in calls if call] if calls and all(calls) else None


def _call(found: Any, form: ToolFormat, names: frozenset[str]) -> ToolCall | None:
    if not isinstance(found, dict) or found.get("name") not in names:
        return None
    other = "parameters" if form.arguments == "arguments" else "arguments"
    arguments = found.get(form.arguments, found.get(other, {}))
    if isinstance(arguments, str):
        return ToolCall(new_call_id(), found["name"], arguments)
    return ToolCall(new_call_id(), found["name"], json.dumps(arguments, ensure_ascii=False))


def new_call_id() -> str:
    """A fresh id of nine letters and digits."""
    return secrets.token_hex(_ID_BYTES)[:_ID_LENGTH]


def forced_call(form: ToolFormat, functions: Sequence[Mapping[str, Any]]) -> str:
    """The grammar, in llguidance's dialect of Lark, of an answer that calls one of the functions."""
    calls = [_schema(form, function) for function in functions]
    schema: dict[str, Any] = {"anyOf": calls} if len(calls) > 1 else calls[0]
    if form.many:
        schema = {"type": "array", "items": schema, "minItems": 1, "maxItems": 1}
    marks = [json.dumps(f"{form.begin}\n"), json.dumps(f"\n{form.end}")] if form.begin else ["", ""]
    return f"start: {marks[0]} call {marks[1]}\ncall: %json {json.dumps(in_layout(schema))}\n"


def _schema(form: ToolFormat, function: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "name": {"const": function["name"]},
            form.arguments: function.get("parameters") or {"type": "object"},
        },
        "required": ["name", form.arguments],
        "additionalProperties": False,
    }
