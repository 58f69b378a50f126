"""What the messages of an example must be like, by its kind."""

from __future__ import annotations

from collections.abc import Sequence

from services.dataset.examples.examples import Example, Message, Preference
from services.runtime.errors import InvalidArgument

PAIRS = {"sft": 1, "conversation": 500, "exam_item": 1}
"""Most pairs of user and assistant messages of a conversation, by kind of example."""
SHAPES = {
    "sft": "one pair of user and assistant messages, after at most one system message",
    "conversation": "pairs of user and assistant messages, after at most one system message",
    "exam_item": "one pair of user and assistant messages, after at most one system message",
    "preference": "user and assistant messages by turns, the user's last, after at most one system message",
    "pretraining": "one assistant message",
}
"""What the messages of each kind are, in words."""


def check_example(example: Example) -> None:
    """Hold what an example says against the rules of its kind.

    Raises:
        InvalidArgument: a rule is broken; `field` names the message.
    """
    if example.kind not in SHAPES:
        raise InvalidArgument(
            "KIND_UNSUPPORTED",
            f"there is no kind {example.kind or 'unspecified'}; use one of {', '.join(SHAPES)}",
            "example.kind",
            kind=example.kind,
        )
    check_texts(example.messages)
    roles = [message.role for message in example.messages]
    if not fits(example.kind, roles):
        raise InvalidArgument(
            "MESSAGES_INVALID",
            f"an example of kind {example.kind} is {SHAPES[example.kind]}; this one is "
            f"{', '.join(roles) or 'empty'}",
            "example.messages",
        )
    check_preference(example.kind, example.preference)
    check_exam_item(example)


def is_sound(example: Example) -> bool:
    """Whether an example obeys the rules of its kind."""
    try:
        check_example(example)
    except InvalidArgument:
        return False
    return True


def fits(kind: str, roles: Sequence[str]) -> bool:
    """Whether turns of these roles make an example of a kind."""
    if kind == "pretraining":
        return list(roles) == ["assistant"]
    turns = list(roles[1:] if roles[:1] == ["system"] else roles)
    if kind == "preference":
        return len(turns) % 2 == 1 and by_turns([*turns, "assistant"])
    return 0 < len(turns) <= 2 * PAIRS[kind] and by_turns(turns)


def by_turns(roles: Sequence[str]) -> bool:
    """Whether user and assistant take turns, the user first and the assistant last."""
    return list(roles) == ["user", "assistant"] * (len(roles) // 2)


def check_texts(messages: Sequence[Message], field: str = "example.messages") -> None:
    """Demand that every message says something that can be stored.

    Raises:
        InvalidArgument: one is blank, or holds a NUL character, which Postgres cannot keep.
    """
    for index, message in enumerate(messages):
        if not message.content.strip() or "\0" in message.content + message.reasoning:
            raise InvalidArgument(
                "MESSAGES_INVALID",
                f"message {index} is blank or holds a NUL character; give it a text",
                f"{field}[{index}].content",
            )


def check_preference(kind: str, preference: Preference | None) -> None:
    """Demand the answers of a preference, and of no other kind.

    Raises:
        InvalidArgument: they are missing, out of place, blank, or not the assistant's.
    """
    field = "example.preference"
    answers = [preference.chosen, preference.rejected] if preference else []
    there = [answer for answer in answers if answer]
    if bool(there) != (kind == "preference") or (preference and kind != "preference"):
        said = "needs a chosen or a rejected answer" if kind == "preference" else "has no preference"
        raise InvalidArgument("PREFERENCE_INVALID", f"{field}: an example of kind {kind} {said}", field)
    for name, answer in zip(("chosen", "rejected"), answers, strict=False):
        if answer and (answer.role != "assistant" or not answer.content.strip()):
            message = f"{field}.{name}: give it the role ASSISTANT and a text"
            raise InvalidArgument("PREFERENCE_INVALID", message, f"{field}.{name}")
    if preference and "\0" in preference.flaw + "".join(one.content + one.reasoning for one in there):
        raise InvalidArgument("PREFERENCE_INVALID", f"{field}: NUL characters cannot be stored", field)


def check_exam_item(example: Example) -> None:
    """Demand that the task of an exam item can be marked, and that no other kind has one.

    Raises:
        InvalidArgument: it is out of place, or its right choices are none of its choices.
    """
    item, field = example.exam_item, "example.exam_item"
    if item is None:
        return
    if example.kind != "exam_item":
        message = f"{field}: an example of kind {example.kind} has none"
        raise InvalidArgument("EXAM_ITEM_INVALID", message, field)
    if "\0" in "".join([item.text, item.answer, *item.choices]):
        raise InvalidArgument("EXAM_ITEM_INVALID", f"{field}: NUL characters cannot be stored", field)
    with_choices = item.type in {"single_choice", "multiple_choice"}
    right = sorted(set(item.correct))
    if with_choices != bool(right) or (right and not 0 <= right[0] <= right[-1] < len(item.choices)):
        message = f"{field}.correct: name right choices by their places, 0 to {len(item.choices) - 1}"
        raise InvalidArgument("EXAM_ITEM_INVALID", message, f"{field}.correct")
