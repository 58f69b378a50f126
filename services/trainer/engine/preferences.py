"""From rows of preferences to token ids: pairs of a better and a worse answer, or single judged answers.

The rows are those of TRL, with an id if they have one: the dataset room's shapes `preferences_jsonl` and
`judgements_jsonl`. Only the answer is learned, never the turns before it.
"""

from __future__ import annotations

from typing import Any

from services.trainer.engine.conversations import Encoder
from services.trainer.engine.data import (
    CUT,
    DROPPED,
    KEPT,
    Encoded,
    Item,
    Sample,
    check_messages,
    row_id,
)
from services.trainer.engine.errors import InvalidRowError
from services.trainer.engine.rendering import Message
from services.trainer.engine.truncation import DROP, KEEP_END, shortened

Answer = list[Message]
"""The one message of an answer."""


def encode_pair(encoder: Encoder, row: dict[str, Any], line: int) -> Encoded:
    """Encode {"prompt": [messages], "chosen": [message], "rejected": [message]}.

    Of the item the sequences are the better and the worse answer. Raises InvalidRowError.
    """
    return _encoded(encoder, row, line, [_messages(row, name) for name in ("chosen", "rejected")])


def encode_judged(encoder: Encoder, row: dict[str, Any], line: int) -> Encoded:
    """Encode {"prompt": [messages], "completion": [message], "label": bool}.

    Of the item the only sequence is the answer. Raises InvalidRowError.
    """
    if not isinstance(row.get("label"), bool):
        raise InvalidRowError("label: must be true for a good answer, or false")
    return _encoded(encoder, row, line, [_messages(row, "completion")], good=row["label"])


def _encoded(
    encoder: Encoder, row: dict[str, Any], line: int, answers: list[Answer], *, good: bool = True
) -> Encoded:
    prompt = _messages(row, "prompt")
    policy = encoder.rules.truncation
    whole = _answered(encoder, prompt, answers, line)
    tokens = sum(len(each.ids) for each in whole)
    if encoder.fits(whole):
        return Encoded(row_id(row), [Item(whole, good)], KEPT, tokens)
    rest = None
    if policy != DROP:
        rest = shortened(
            prompt,
            lambda part: encoder.fits(_answered(encoder, part, answers, line)),
            cut_question=policy == KEEP_END,
        )
    if rest is None:
        return Encoded(row_id(row), [], DROPPED, tokens)
    return Encoded(row_id(row), [Item(_answered(encoder, rest, answers, line), good)], CUT, tokens)


def _answered(
    encoder: Encoder, prompt: list[Message], answers: list[Answer], line: int
) -> tuple[Sample, ...]:
    """A sample of each answer after the prompt."""
    found = []
    for answer in answers:
        messages = check_messages([*prompt, *answer])
        if len(answer) != 1 or prompt[-1]["role"] != "user":
            raise InvalidRowError("prompt: must end with the user; one message of the assistant follows")
        found += encoder.samples(messages, line, last=True)
    return tuple(found)


def _messages(row: dict[str, Any], name: str) -> list[Message]:
    found = row.get(name)
    if not isinstance(found, list) or not found:
        raise InvalidRowError(f"{name}: must be a list of at least one message")
    return found
