"""From a conversation to token ids and labels, by the model's own chat template.

The template is checked, not trusted: a conversation is rendered up to each answer, as serving renders it,
and once more with the answer; the second text must continue the first. What it adds, up to and with the
end-of-turn token, is what the model learns. Where a template rewrites history (reasoning models drop old
thoughts), each answer becomes a sample of its own, again as serving would show it.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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
from services.trainer.engine.errors import BaseModelError, InvalidRowError
from services.trainer.engine.rendering import Message, Renderer, RenderError
from services.trainer.engine.truncation import DROP, KEEP_END, SPLIT_TURNS, segments, shortened

Turn = tuple[str, str]
"""(text the model is shown, text it must produce); the turns of a sample follow each other."""


@dataclass(frozen=True)
class Rules:
    """How rows become samples."""

    cutoff: int
    """Most tokens of a sample."""
    truncation: str = SPLIT_TURNS
    """What is done with more, see truncation.POLICIES."""
    train_on_prompt: bool = False
    """Learn what the model is shown too."""
    mask_history: bool = False
    """Learn the last answer of a conversation only."""


class Encoder:
    """Makes samples of conversations.

    Raises BaseModelError where the tokenizer has no end token.
    """

    def __init__(self, tokenizer: Any, renderer: Renderer, rules: Rules) -> None:
        if tokenizer.eos_token_id is None:
            raise BaseModelError("base_model: its tokenizer has no end-of-sequence token")
        self.rules = rules
        self._renderer = renderer
        self._eos: int = tokenizer.eos_token_id
        self._special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)

    def row(self, row: dict[str, Any], line: int) -> Encoded:
        """Encode {"messages": [...]}. Raises InvalidRowError."""
        messages = check_messages(row.get("messages"))
        whole = self.samples(messages, line, last=self.rules.mask_history)
        tokens = sum(len(each.ids) for each in whole)
        if self.fits(whole):
            return _encoded(row, whole, KEPT, tokens)
        kept = [] if self.rules.truncation == DROP else self._cut(messages, line)
        return _encoded(row, kept, CUT if kept else DROPPED, tokens)

    def samples(self, messages: list[Message], line: int, *, last: bool) -> list[Sample]:
        """The samples of a conversation whatever its length. Raises InvalidRowError.

        With `last` there is one, of which the last answer is learned.
        """
        return [self._joined(turns, line) for turns in split_turns(messages, self._renderer, last=last)]

    def fits(self, samples: Sequence[Sample]) -> bool:
        """Whether each is within the cutoff."""
        return all(len(each.ids) <= self.rules.cutoff for each in samples)

    def _cut(self, messages: list[Message], line: int) -> list[Sample]:
        """What the rules leave of a conversation that is too long."""
        last, cuts = self.rules.mask_history, self.rules.truncation == KEEP_END

        def made(part: list[Message]) -> list[Sample]:
            return self.samples(part, line, last=last)

        if last or cuts:
            found = shortened(messages, lambda part: self.fits(made(part)), cut_question=cuts)
            return made(found) if found else []
        return [
            sample for part in segments(messages, lambda part: self.fits(made(part))) for sample in made(part)
        ]

    def _joined(self, turns: list[Turn], line: int) -> Sample:
        """One sample of turns. Each part is tokenized by itself: prompts get the ids that serving gives."""
        parts = self._renderer.ids([text for turn in turns for text in turn])
        ids: array[int] = array("i")
        spans: list[tuple[int, int]] = []
        for prompt, answer in zip(parts[::2], parts[1::2], strict=True):
            ids.extend(prompt)
            start = len(ids)
            ids.extend(self._ended(answer))
            spans.append((start, len(ids)))
        if self.rules.train_on_prompt:
            # Nothing precedes the first token, from which it could be predicted.
            spans = [(1, len(ids))]
        return Sample(ids, tuple(spans), line)

    def _ended(self, answer: list[int]) -> list[int]:
        # Some templates mark the end of an answer only by the next header; a model must still learn to stop.
        return answer if answer[-1] in self._special else [*answer, self._eos]


def _encoded(row: dict[str, Any], samples: list[Sample], outcome: str, tokens: int) -> Encoded:
    return Encoded(row_id(row), [Item((sample,)) for sample in samples], outcome, tokens)


def split_turns(messages: list[Message], renderer: Renderer, *, last: bool = False) -> list[list[Turn]]:
    """Split a conversation into samples of turns; one sample unless the template rewrites history.

    With `last` there is one sample of one turn: what stands before the last answer is shown as a whole.
    Raises InvalidRowError.
    """
    samples: list[list[Turn]] = [[]]
    past = ""
    for index, message in enumerate(messages):
        if message["role"] != "assistant" or (last and index < len(messages) - 1):
            continue
        prompt, answer = _turn(messages, index, renderer)
        if not prompt.startswith(past):
            samples.append([])
            past = ""
        samples[-1].append((prompt[len(past) :], answer))
        past = prompt + answer
    return samples


def _turn(messages: list[Message], index: int, renderer: Renderer) -> Turn:
    """The whole prompt of an answer, and the answer up to its end token."""
    try:
        prompt = renderer.text(messages[:index], answer_follows=True)
        whole = renderer.text(messages[: index + 1], answer_follows=False)
    except RenderError as error:
        raise InvalidRowError(str(error)) from error
    # The newline after an end-of-turn token is never generated: it belongs to the next prompt.
    answer = whole[len(prompt) :].rstrip()
    if not whole.startswith(prompt) or not answer:
        raise InvalidRowError(
            f"messages[{index}]: the chat template's text with this answer does not continue its prompt"
        )
    return prompt, answer
