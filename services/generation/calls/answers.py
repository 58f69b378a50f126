"""Answers of language models, kept by what was asked: the same question is paid once.

An answer is found again by a hash of all that decides what a model says: the messages, the model, the
sampling and the schema. Of answers that shall differ although all of that is the same, each has its own
replica number.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from services.generation.calls.replies import Usage

canonical = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


@dataclass(frozen=True)
class KeptAnswer:
    """A validated answer.

    Args:
        value: the decoded JSON that a model wrote, which is validated again by whoever takes it.
        reasoning: its thoughts.
        model: the model as the server named it.
        usage: what the calls used that led to it.
    """

    value: Any
    reasoning: str
    model: str
    usage: Usage

    def as_text(self) -> str:
        """As JSON."""
        # Not `asdict`, which copies all that is in it.
        values = {**vars(self), "usage": vars(self.usage)}
        try:
            written = orjson.dumps(values).decode()
        except TypeError:
            return canonical(values)
        # By the same word it writes what is no number, which Postgres is to refuse.
        return canonical(values) if "null" in written else written


def kept_answer(values: Mapping[str, Any]) -> KeptAnswer:
    """What `as_text` wrote, decoded."""
    return KeptAnswer(**{**values, "usage": Usage(**values["usage"])})


def answer_key(
    messages: Sequence[Mapping[str, str]],
    model: str,
    sampling: Mapping[str, Any],
    schema: Mapping[str, Any],
    replica: int = 0,
) -> bytes:
    """What an answer is found by.

    Args:
        messages: what is asked.
        model: who is asked, by a name that stands for the model wherever it is served.
        sampling: parameters, as they are sent.
        schema: JSON schema of the answer.
        replica: number among answers that shall differ.
    """
    asked = [messages, model, sampling, schema, replica]
    try:
        written = orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        # It knows no half signs and no whole numbers of more than 64 bits.
        written = canonical(asked).encode("utf-8", "surrogatepass")
    return hashlib.sha256(written).digest()
