"""From rows of preferences to token ids: pairs of a better and a worse answer, or single judged answers.

The rows are those of TRL, and of the dataset room's shapes `dpo_trl` and `kto_trl`. Only the answer is
learned, never the turns before it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from services.trainer.engine.data import (
    Encoder,
    Item,
    Message,
    Render,
    Sample,
    Samples,
    check_messages,
    read_json_rows,
    renderer,
    split_turns,
)
from services.trainer.engine.errors import InvalidRowError

ReadItem = Callable[[dict[str, Any], int], Item | None]


class _Answers:
    """Encodes an answer after its prompt."""

    def __init__(self, tokenizer: Any, cutoff: int) -> None:
        self._render: Render = renderer(tokenizer)
        self._encode = Encoder(tokenizer)
        self._cutoff = cutoff

    def sample(self, prompt: list[Message], answer: list[Message], line: int) -> Sample | None:
        """The tokens of both, or nothing where they are too long. Raises InvalidRowError."""
        messages = check_messages([*prompt, *answer])
        if len(answer) != 1 or prompt[-1]["role"] != "user":
            raise InvalidRowError("prompt: must end with the user; one message of the assistant follows")
        (*_, (shown, said)) = split_turns(messages, self._render, last=True)[-1]
        ids, spans, lost = self._encode([(shown, said)], self._cutoff)
        return None if lost else Sample(ids, spans, line)


def read_pairs(path: Path, tokenizer: Any, cutoff_length: int) -> Samples[Item]:
    """Read {"prompt": [messages], "chosen": [message], "rejected": [message]}.

    Of an item the sequences are the better and the worse answer. Raises InvalidRowError naming file and line.
    """
    answers = _Answers(tokenizer, cutoff_length)

    def item(row: dict[str, Any], line: int) -> Item | None:
        prompt = _messages(row, "prompt")
        both = [answers.sample(prompt, _messages(row, name), line) for name in ("chosen", "rejected")]
        sequences = tuple(each for each in both if each is not None)
        return Item(sequences) if len(sequences) == len(both) else None

    return _read(path, item, cutoff_length)


def read_judged(path: Path, tokenizer: Any, cutoff_length: int) -> Samples[Item]:
    """Read {"prompt": [messages], "completion": [message], "label": bool}.

    Of an item the only sequence is the answer. Raises InvalidRowError naming file and line.
    """
    answers = _Answers(tokenizer, cutoff_length)

    def item(row: dict[str, Any], line: int) -> Item | None:
        if not isinstance(row.get("label"), bool):
            raise InvalidRowError("label: must be true for a good answer, or false")
        sample = answers.sample(_messages(row, "prompt"), _messages(row, "completion"), line)
        return None if sample is None else Item((sample,), good=row["label"])

    return _read(path, item, cutoff_length)


def _read(path: Path, item: ReadItem, cutoff_length: int) -> Samples[Item]:
    samples: Samples[Item] = Samples()
    for line, row in read_json_rows(path):
        samples.rows += 1
        try:
            found = item(row, line)
        except InvalidRowError as error:
            raise InvalidRowError(f"{path}:{line}: {error}") from error
        if found is None:
            samples.dropped_lines.append(line)
        else:
            samples.kept.append(found)
    samples.check(path, cutoff_length)
    return samples


def _messages(row: dict[str, Any], name: str) -> list[Message]:
    found = row.get(name)
    if not isinstance(found, list) or not found:
        raise InvalidRowError(f"{name}: must be a list of at least one message")
    return found
