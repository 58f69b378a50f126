"""Messages of a conversation, by whatever words their keys and roles go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.dataset.imports.rows import BadRow, Tags
from services.dataset.imports.shapes.texts import empty, not_text, parted_thoughts

Message = dict[str, str]

SYSTEM, USER, ASSISTANT = "system", "user", "assistant"
TOOL = "tool"
ROLES = {
    "system": SYSTEM,
    "developer": SYSTEM,
    "user": USER,
    "human": USER,
    "prompter": USER,
    "assistant": ASSISTANT,
    "gpt": ASSISTANT,
    "chatgpt": ASSISTANT,
    "bot": ASSISTANT,
    "bing": ASSISTANT,
    "bard": ASSISTANT,
    "model": ASSISTANT,
    "tool": TOOL,
    "function": TOOL,
    "function_call": TOOL,
    "function_response": TOOL,
    "observation": TOOL,
    "ipython": TOOL,
}
"""Names of roles that files use."""
REASONING_KEYS = ("reasoning", "reasoning_content", "thinking")
TOOL_KEYS = ("tool_calls", "function_call")
MEDIA_TYPES = {"image", "image_url", "input_image", "audio", "input_audio", "video", "video_url", "file"}
TOOLS_UNSUPPORTED = "calls of tools are not kept in examples; leave the row out"
MEDIA_UNSUPPORTED = "pictures, sounds and films are not kept in examples; leave the row out"
MOST_TURNS = 1000


@dataclass(frozen=True)
class Words:
    """How messages are written.

    Args:
        role: keys of the role, the first that a message has counts.
        content: keys of what is said.
        roles: names of roles.
        think: marks around thoughts; None to take them for a part of what is said.
    """

    role: tuple[str, ...]
    content: tuple[str, ...]
    roles: Mapping[str, str]
    think: tuple[str, str] | None


def words_of(tags: Tags | None, think: tuple[str, str] | None) -> Words:
    """How messages are written, as a person says, or in all usual ways."""
    if tags is None:
        return Words(("role", "from"), ("content", "value"), ROLES, think)
    stated = {
        tags.user: USER,
        tags.assistant: ASSISTANT,
        tags.system: SYSTEM,
        tags.observation: TOOL,
        tags.function: TOOL,
    }
    return Words((tags.role,), (tags.content,), stated, think)


def messages_of(values: Sequence[Any], column: str, words: Words) -> list[Message]:
    """The messages of a list.

    Raises:
        BadRow: one is none, says nothing, or calls a tool.
    """
    return [message_of(value, f"{column}[{place}]", words) for place, value in enumerate(values)]


def message_of(value: Any, field: str, words: Words) -> Message:
    """One message.

    Raises:
        BadRow: it is none, says nothing, or calls a tool.
    """
    if type(value) is not dict:
        raise BadRow(
            "MESSAGE_INVALID", f"{field} is no object with a role and what is said; make it one", field
        )
    role = role_of(value, field, words)
    for key in TOOL_KEYS:
        if value.get(key):
            raise BadRow("TOOLS_UNSUPPORTED", f"{field}: {TOOLS_UNSUPPORTED}", f"{field}.{key}")
    key = next((one for one in words.content if one in value), words.content[0])
    text = value.get(key)
    if type(text) is not str:
        text = text_of_parts(text, f"{field}.{key}")
    if role == ASSISTANT:
        return said(text, reasoning_in(value, field), f"{field}.{key}", words.think)
    if not text or text.isspace():
        raise empty(f"{field}.{key}", f"what the {role} says")
    return {"role": role, "content": text}


def role_of(value: Mapping[str, Any], field: str, words: Words) -> str:
    """Who says a message.

    Raises:
        BadRow: nobody that is known, or a tool.
    """
    key = next((one for one in words.role if one in value), words.role[0])
    name = value.get(key)
    role = words.roles.get(name) if isinstance(name, str) else None
    if role is None:
        raise BadRow(
            "ROLE_UNKNOWN",
            f"{field}.{key} is {name!r}; use one of {', '.join(words.roles)}"[:500],
            f"{field}.{key}",
        )
    if role == TOOL:
        raise BadRow("TOOLS_UNSUPPORTED", f"{field}: {TOOLS_UNSUPPORTED}", f"{field}.{key}")
    return role


def reasoning_in(value: Mapping[str, Any], field: str) -> str:
    """The thoughts that a message has beside what it says.

    Raises:
        BadRow: they are no text.
    """
    for key in REASONING_KEYS:
        thoughts = value.get(key)
        if thoughts:
            if type(thoughts) is not str:
                raise not_text(thoughts, f"{field}.{key}")
            return thoughts
    return ""


def said(text: str, reasoning: str, field: str, think: tuple[str, str] | None) -> Message:
    """A message of the assistant.

    Raises:
        BadRow: it says nothing, its thoughts do not end, or it has two sorts of them.
    """
    thoughts, answer = parted_thoughts(text, think, field)
    if thoughts and reasoning and thoughts != reasoning.strip():
        raise BadRow(
            "REASONING_DOUBLE",
            f"{field} begins with thoughts, and there are others beside it; keep one",
            field,
        )
    if not answer or answer.isspace():
        raise empty(field, "what the assistant says")
    message = {"role": ASSISTANT, "content": answer}
    if reasoning or thoughts:
        message["reasoning"] = reasoning or thoughts
    return message


def text_of_parts(value: Any, field: str) -> str:
    """What a message says that is a list of parts.

    Raises:
        BadRow: a part is no text.
    """
    if value is None:
        return ""
    if type(value) is not list:
        raise not_text(value, field)
    texts = []
    for place, part in enumerate(value):
        if type(part) is str:
            texts.append(part)
        elif type(part) is dict and type(part.get("text")) is str and part.get("type") not in MEDIA_TYPES:
            texts.append(part["text"])
        elif type(part) is dict and part.get("type") in MEDIA_TYPES:
            raise BadRow("MEDIA_UNSUPPORTED", f"{field}[{place}]: {MEDIA_UNSUPPORTED}", f"{field}[{place}]")
        else:
            raise not_text(part, f"{field}[{place}]")
    return "".join(texts)


def with_system(system: str, messages: list[Message], field: str) -> list[Message]:
    """A conversation with the system message of another column before it.

    Raises:
        BadRow: it has another one.
    """
    if not system or system.isspace():
        return messages
    if messages and messages[0]["role"] == SYSTEM:
        if messages[0]["content"] == system:
            return messages
        raise BadRow(
            "SYSTEM_DOUBLE", f"{field} begins with a system message, and the row has another; keep one", field
        )
    return [{"role": SYSTEM, "content": system}, *messages]


def check_turns(messages: Sequence[Message], field: str) -> int:
    """The number of turns of a conversation: perhaps a system message, then user and assistant by turns.

    Raises:
        BadRow: they come in another order, or the last word is not the assistant's.
    """
    if len(messages) == 2 and messages[0]["role"] == USER and messages[1]["role"] == ASSISTANT:
        return 2
    first = 1 if messages and messages[0]["role"] == SYSTEM else 0
    turns = len(messages) - first
    for place in range(first, len(messages)):
        role = messages[place]["role"]
        if role != (ASSISTANT if (place - first) % 2 else USER):
            raise turns_invalid(f"{field}[{place}] is of the {role}", field)
    if turns == 0 or turns % 2:
        raise turns_invalid("the last message is not of the assistant", field)
    if turns > MOST_TURNS:
        raise turns_invalid(f"there are {turns}, at most {MOST_TURNS} are taken", field)
    return turns


def check_prompt(messages: Sequence[Message], field: str) -> None:
    """Look whether turns lead to an answer: they end with the user.

    Raises:
        BadRow: they do not.
    """
    if not messages or messages[-1]["role"] != USER:
        raise turns_invalid("the last message before the answers is not of the user", field)
    check_turns([*messages, {"role": ASSISTANT, "content": ""}], field)


def turns_invalid(why: str, field: str) -> BadRow:
    """The fault of messages in a wrong order."""
    return BadRow(
        "TURNS_INVALID",
        f"{field}: {why}; after at most one system message, user and assistant take turns, and the "
        "assistant ends: mend the row",
        field,
    )
