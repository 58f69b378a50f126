"""Examples as exports of our own have them: the content as it is, held against what its kind may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from services.dataset.imports.rows import BadRow, Columns
from services.dataset.imports.shapes import chats
from services.dataset.imports.shapes.chats import ASSISTANT
from services.dataset.imports.shapes.families import CONVERSATION, EXAM, PREFERENCE, PRETRAINING, SFT, Said

KINDS = (SFT, CONVERSATION, PREFERENCE, PRETRAINING, EXAM)
PARTS = {"messages": list, "preference": dict, "exam_item": dict, "quotes": list}
ROLES = {"system", "user", "assistant"}
MESSAGE_KEYS = {"role", "content", "reasoning"}
SIDES = ("chosen", "rejected")
EXAM_TYPES = {"true_false", "single_choice", "multiple_choice", "short_answer", "open_ended"}
EXAM_ITEM = {
    "type": str,
    "text": str,
    "choices": list,
    "correct": list,
    "is_true": bool,
    "answer": str,
}
LINEAGE = {
    **dict.fromkeys(
        ["generation_id", "document_id", "fact_id", "candidate_id", "question_type", "import_id"], str
    ),
    "dataset_version_id": str,
    **dict.fromkeys(["document_version", "import_row", "dataset_version_position"], int),
    **dict.fromkeys(["question_ids", "chunk_ids", "heading_path"], list),
    **dict.fromkeys(["question_origin", "answer_origin"], dict),
}
ORIGINS = {"question_origin", "answer_origin"}
ORIGIN = {
    **dict.fromkeys(["prompt_version", "provider_id", "model"], str),
    "parameters": dict,
    **dict.fromkeys(["prompt_tokens", "completion_tokens", "calls"], int),
}
QUOTE = {
    "text": str,
    "chunk_id": str,
    "document_id": str,
    "document_version": int,
    "start": int,
    "end": int,
}


def mapped(row: Mapping[str, Any], columns: Columns) -> Said:
    """The kind and the content of a row of an export of our own.

    Raises:
        BadRow: they are none.
    """
    kind = row.get(columns.kind or "kind")
    if kind not in KINDS:
        raise BadRow("KIND_UNKNOWN", f"kind is {kind!r}; use one of {', '.join(KINDS)}"[:300], "kind")
    content = row.get(columns.content or "content")
    if isinstance(content, str):
        try:
            content = orjson.loads(content)
        except (orjson.JSONDecodeError, UnicodeEncodeError) as error:
            raise invalid("content", "is no JSON") from error
    if not isinstance(content, dict):
        raise invalid("content", "is no object")
    check(kind, content)
    return kind, content


def check(kind: str, content: Mapping[str, Any]) -> None:
    """Hold a content against what its kind may be.

    Raises:
        BadRow: it is none.
    """
    for key, value in content.items():
        if key not in PARTS or type(value) is not PARTS[key]:
            raise invalid(f"content.{key}", f"is none of {', '.join(PARTS)}, or of another type")
    messages = content.get("messages", [])
    for place, message in enumerate(messages):
        check_message(message, f"content.messages[{place}]")
    check_order(kind, messages, content.get("preference"))
    if "exam_item" in content:
        check_fields(content["exam_item"], EXAM_ITEM, "content.exam_item")
        if content["exam_item"].get("type") not in EXAM_TYPES:
            raise invalid("content.exam_item.type", f"is none of {', '.join(sorted(EXAM_TYPES))}")
    for place, quote in enumerate(content.get("quotes", [])):
        check_fields(quote, QUOTE, f"content.quotes[{place}]")


def check_message(message: object, field: str) -> None:
    """Hold a message against what one may be.

    Raises:
        BadRow: it is none.
    """
    check_fields(message, dict.fromkeys(MESSAGE_KEYS, str), field)
    assert isinstance(message, dict)  # noqa: S101  # looked at just now
    if message.get("role") not in ROLES:
        raise invalid(f"{field}.role", f"is none of {', '.join(sorted(ROLES))}")
    if not message.get("content", "").strip():
        raise invalid(f"{field}.content", "is empty")


def check_order(kind: str, messages: list[chats.Message], preference: Mapping[str, Any] | None) -> None:
    """Look whether a kind may have these messages.

    Raises:
        BadRow: it may not.
    """
    field = "content.messages"
    if (kind == PREFERENCE) != (preference is not None):
        raise invalid("content.preference", f"does not go with kind {kind}")
    if preference is not None:
        check_preference(messages, preference)
    elif kind == PRETRAINING:
        if [message["role"] for message in messages] != [ASSISTANT]:
            raise invalid(field, "is not one message of the assistant, which holds the text")
    elif chats.check_turns(messages, field) != 2 and kind != CONVERSATION:
        raise invalid(field, f"is not one question and one answer, as kind {kind} has them")


def check_preference(messages: list[chats.Message], preference: Mapping[str, Any]) -> None:
    """Look whether there are answers, and a question before them.

    Raises:
        BadRow: there are none.
    """
    chats.check_prompt(messages, "content.messages")
    sides = [side for side in SIDES if side in preference]
    if not sides or set(preference) - {*SIDES, "flaw"} or not isinstance(preference.get("flaw", ""), str):
        raise invalid("content.preference", "has neither a chosen nor a rejected answer, or something else")
    for side in sides:
        check_message(preference[side], f"content.preference.{side}")


def check_lineage(lineage: object, place: str) -> None:
    """Hold a lineage against what one may be.

    Raises:
        BadRow: it is none.
    """
    check_fields(lineage, LINEAGE, place)
    assert isinstance(lineage, dict)  # noqa: S101  # looked at just now
    for key in ORIGINS & lineage.keys():
        check_fields(lineage[key], ORIGIN, f"{place}.{key}")
    for key, kind in LINEAGE.items():
        if kind is list and not all(isinstance(one, str) for one in lineage.get(key, [])):
            raise invalid(f"{place}.{key}", "is no list of texts")


def check_fields(value: object, fields: Mapping[str, type], place: str) -> None:
    """Look whether an object has only some fields, of certain types.

    Raises:
        BadRow: it has others.
    """
    if not isinstance(value, dict):
        raise invalid(place, "is no object")
    for key, one in value.items():
        if key not in fields or type(one) is not fields[key]:
            raise invalid(f"{place}.{key}", f"is none of {', '.join(fields)}, or of another type")


def invalid(field: str, why: str) -> BadRow:
    """The fault of a content that is none."""
    return BadRow("CONTENT_INVALID", f"{field} {why}; export the examples anew, or mend it", field)
