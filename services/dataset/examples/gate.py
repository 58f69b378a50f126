"""The gate: what must not be kept is rejected, with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from services.dataset.examples.examples import Example
from services.dataset.examples.rules import check_example
from services.runtime.errors import AlreadyExists, InvalidArgument, SishuError
from services.runtime.failures import Failure


def gate(examples: Iterable[Example], firsts: Mapping[bytes, str]) -> list[Example]:
    """Reject, with the reason, what must not be kept: malformed conversations and exact duplicates.

    Args:
        examples: new examples, in the order in which they are to be stored.
        firsts: ids of kept examples by `key`.
    """
    known = dict(firsts)
    return [gated(example, known) for example in examples]


def gated(example: Example, known: dict[bytes, str]) -> Example:
    """One example after the gate; a kept one becomes known."""
    if example.state != "kept":
        return example
    try:
        check_example(example)
    except InvalidArgument as error:
        return rejected(example, error)
    first = known.setdefault(example.key, example.id)
    return example if first == example.id else rejected(example, duplicate(first))


def rejected(example: Example, error: SishuError) -> Example:
    """The example, rejected for a reason."""
    return replace(example, state="rejected", rejection=Failure.of(error))


def duplicate(first: str) -> AlreadyExists:
    """The reason of an exact duplicate."""
    return AlreadyExists("DUPLICATE", f"example {first} asks the same question", example_id=first)
