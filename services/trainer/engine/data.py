"""From rows of messages to token ids and labels, by the model's own chat template.

The template is checked, not trusted: a conversation is rendered up to each answer, as serving renders it,
and once more with the answer; the second text must continue the first. What it adds, up to and with the
end-of-turn token, is what the model learns. Where a template rewrites history (reasoning models drop old
thoughts), each answer becomes a sample of its own, again as serving would show it.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from services.trainer.engine.errors import BaseModelError, InvalidRowError

Message = dict[str, str]
Render = Callable[[list[Message], bool], str]
Turn = tuple[str, str]
"""(text the model is shown, text it must produce); the turns of a sample follow each other."""
Spans = tuple[tuple[int, int], ...]

CUTOFF_POLICY = "whole_turns"
"""A sample over the cutoff keeps its leading turns that fit whole; it is dropped where not even one does."""
_ROLES = ("system", "user", "assistant")


class Sample(NamedTuple):
    """Tokens of one training sequence."""

    ids: array[int]
    """Token ids."""
    spans: Spans
    """Half-open ranges of `ids` that are learned: each answer and its end token."""
    line: int
    """Line of the train file, from 1."""


class Item(NamedTuple):
    """What is trained together: one conversation, a pair of answers, or one judged answer."""

    sequences: tuple[Sample, ...]
    good: bool = True
    """Of a judged answer: whether it is a good one."""

    @property
    def line(self) -> int:
        """Line of the train file, from 1."""
        return self.sequences[0].line

    @property
    def length(self) -> int:
        """Tokens of its sequences when they are padded to the longest."""
        return len(self.sequences) * max(len(each.ids) for each in self.sequences)

    @property
    def learned_tokens(self) -> int:
        """How many tokens are learned."""
        return sum(end - start for each in self.sequences for start, end in each.spans)


Kept = TypeVar("Kept")


@dataclass
class Samples(Generic[Kept]):
    """Everything a train file gave, and what it lost to the cutoff."""

    rows: int = 0
    kept: list[Kept] = field(default_factory=list)
    truncated_lines: list[int] = field(default_factory=list)
    dropped_lines: list[int] = field(default_factory=list)

    def check(self, path: Path, cutoff_length: int) -> None:
        """Demand that something was kept. Raises InvalidRowError."""
        if not self.kept:
            fault = f"all {self.rows} rows exceed cutoff_length {cutoff_length}" if self.rows else "no rows"
            raise InvalidRowError(f"{path}: nothing to train on: {fault}")


def read_samples(path: Path, tokenizer: Any, cutoff_length: int) -> Samples[Sample]:
    """Tokenize a train file. Raises InvalidRowError naming file and line, or BaseModelError."""
    render, encode = renderer(tokenizer), Encoder(tokenizer)
    samples: Samples[Sample] = Samples()
    for line, messages in read_rows(path):
        samples.rows += 1
        try:
            parts = [encode(turns, cutoff_length) for turns in split_turns(messages, render)]
        except InvalidRowError as error:
            raise InvalidRowError(f"{path}:{line}: {error}") from error
        kept = [Sample(ids, spans, line) for ids, spans, _ in parts if spans]
        samples.kept += kept
        if not kept:
            samples.dropped_lines.append(line)
        elif any(lost for _, _, lost in parts):
            samples.truncated_lines.append(line)
    samples.check(path, cutoff_length)
    return samples


def read_rows(path: Path) -> Iterator[tuple[int, list[Message]]]:
    """Yield (line number, messages) of each row; blank lines are passed over."""
    for line, row in read_json_rows(path):
        try:
            yield line, check_messages(row.get("messages"))
        except InvalidRowError as error:
            raise InvalidRowError(f"{path}:{line}: {error}") from error


def read_json_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, object) of each row; blank lines are passed over."""
    with path.open("rb") as source:
        for line, content in enumerate(source, 1):
            if not content.strip():
                continue
            try:
                row = json.loads(content.decode("utf-8-sig"))
            except ValueError as error:
                raise InvalidRowError(f"{path}:{line}: not a line of JSON in UTF-8: {error}") from error
            yield line, row if isinstance(row, dict) else {}


def check_messages(messages: Any) -> list[Message]:
    """Check the messages of a row and return them. Raises InvalidRowError naming the field."""
    if not isinstance(messages, list) or not messages:
        raise InvalidRowError("messages: must be a list of at least one message")
    for index, message in enumerate(messages):
        _check_message(f"messages[{index}]", message)
    _check_order([message["role"] for message in messages])
    return messages


def _check_message(where: str, message: Any) -> None:
    if not isinstance(message, dict) or set(message) != {"role", "content"}:
        raise InvalidRowError(f'{where}: must be {{"role": ..., "content": ...}} and nothing else')
    if message["role"] not in _ROLES:
        raise InvalidRowError(f"{where}.role: must be one of {', '.join(_ROLES)}, not {message['role']!r}")
    if not isinstance(message["content"], str) or not message["content"].strip():
        raise InvalidRowError(f"{where}.content: must be a text that is not empty")


def _check_order(roles: list[str]) -> None:
    if "system" in roles[1:]:
        raise InvalidRowError(f"messages[{roles.index('system', 1)}].role: system may only come first")
    if "user" not in roles or roles.index("user") > (roles[0] == "system"):
        raise InvalidRowError("messages: the conversation must begin with a user message")
    if roles[-1] != "assistant":
        raise InvalidRowError(f"messages[{len(roles) - 1}].role: the last message must be the assistant's")


def renderer(tokenizer: Any) -> Render:
    """Return the tokenizer's chat template as a function of (messages, whether an answer is to follow)."""
    if not tokenizer.chat_template:
        raise BaseModelError("base_model: its tokenizer has no chat template; use an instruction-tuned model")

    def render(messages: list[Message], generate: bool) -> str:
        try:
            text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=generate)
        except Exception as error:  # jinja2 and the template's own raise_exception have no common base
            raise InvalidRowError(f"the chat template refuses this conversation: {error}") from error
        return str(text)

    return render


def split_turns(messages: list[Message], render: Render, *, last: bool = False) -> list[list[Turn]]:
    """Split a conversation into samples of turns; one sample unless the template rewrites history.

    With `last` there is one sample of one turn: what stands before the last answer is shown as a whole.
    """
    samples: list[list[Turn]] = [[]]
    past = ""
    for index, message in enumerate(messages):
        if message["role"] != "assistant" or (last and index < len(messages) - 1):
            continue
        prompt, whole = render(messages[:index], True), render(messages[: index + 1], False)
        # The newline after an end-of-turn token is never generated: it belongs to the next prompt.
        answer = whole[len(prompt) :].rstrip()
        if not whole.startswith(prompt) or not answer:
            raise InvalidRowError(
                f"messages[{index}]: the chat template's text with this answer does not continue its prompt"
            )
        if not prompt.startswith(past):
            samples.append([])
            past = ""
        samples[-1].append((prompt[len(past) :], answer))
        past = prompt + answer
    return samples


class Encoder:
    """Turns text into tokens, each part by itself, so that prompts get the ids they get when serving.

    Raises BaseModelError where the tokenizer has no end token.
    """

    def __init__(self, tokenizer: Any) -> None:
        if tokenizer.eos_token_id is None:
            raise BaseModelError("base_model: its tokenizer has no end-of-sequence token")
        self._tokenizer = tokenizer
        self._eos: int = tokenizer.eos_token_id
        self._special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)

    def __call__(self, turns: list[Turn], cutoff: int) -> tuple[array[int], Spans, bool]:
        """Return ids and learned spans of the leading turns within `cutoff`, and whether any were lost."""
        texts = [text for turn in turns for text in turn]
        parts = self._tokenizer(texts, add_special_tokens=False)["input_ids"]
        ids: array[int] = array("i")
        spans: list[tuple[int, int]] = []
        for prompt, answer in zip(parts[::2], parts[1::2], strict=True):
            end = self._ended(answer)
            start = len(ids) + len(prompt)
            if start + len(end) > cutoff:
                break
            ids.extend(prompt)
            ids.extend(end)
            spans.append((start, len(ids)))
        return ids, tuple(spans), len(spans) < len(turns)

    def _ended(self, answer: list[int]) -> list[int]:
        # Some templates mark the end of an answer only by the next header; a model must still learn to stop.
        return answer if answer[-1] in self._special else [*answer, self._eos]
