"""What examples say, in a line each."""

from __future__ import annotations

from sishu.cli.output import Derived
from sishu.common.v1.message_pb2 import ROLE_ASSISTANT, ROLE_USER
from sishu.dataset.v1.example_pb2 import Example


def question_of(example: Example) -> str:
    """The last thing that the user says; nothing of a text."""
    return said_by(example, ROLE_USER)


def answer_of(example: Example) -> str:
    """The last thing that the assistant says; of a preference the good answer, else the bad one."""
    sides = example.preference
    if example.HasField("preference"):
        return on_a_line((sides.chosen if sides.HasField("chosen") else sides.rejected).content)
    return said_by(example, ROLE_ASSISTANT)


def said_by(example: Example, role: int) -> str:
    """The last thing that somebody says."""
    texts = [message.content for message in example.messages if message.role == role]
    return on_a_line(texts[-1]) if texts else ""


def on_a_line(text: str) -> str:
    """A text without breaks of lines."""
    return " ".join(text.split())


SAID: Derived = {"question": question_of, "answer": answer_of}
"""Columns of a list of examples that tell what they say."""
