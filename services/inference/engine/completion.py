"""One completion asked for, from submission to its last piece of text."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from services.inference.engine.adapters import Adapter
from services.inference.engine.detokenizer import Detokenizer
from services.inference.engine.grammar import Grammar
from services.inference.engine.sampling import SamplingParams, TokenLogprob
from services.runtime.errors import SishuError

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Delta:
    """What a step added to a completion; the last one has a finish reason or an error."""

    text: str = ""
    finish_reason: FinishReason | None = None
    completion_tokens: int = 0
    cached_tokens: int = 0
    logprobs: tuple[TokenLogprob, ...] = ()
    error: SishuError | None = None

    @property
    def last(self) -> bool:
        """True when nothing follows."""
        return self.finish_reason is not None or self.error is not None


@dataclass(slots=True, eq=False)
class Completion:
    """What to complete and how, and how far it is; after submission only the scheduler changes it.

    Attributes:
        prompt: token ids to continue.
        params: how to draw, and when to end.
        detokenizer: turns this completion's tokens to text.
        emit: called from the scheduler's thread: with every piece of text where `stream`, else at the end.
        grammar: constrains the text, where given.
        stream: whether pieces are wanted.
        adapter: what answers beside the base, where given.
        asked: monotonic time of the request.
        cancelled: set by the asker who no longer listens; the slot is free one step later.
        slot: place in the cache, while active.
        tokens: prompt and completion so far.
        computed: how many of `tokens` the cache holds.
        reused: how many of them were taken over from another slot.
    """

    prompt: list[int]
    params: SamplingParams
    detokenizer: Detokenizer
    emit: Callable[[Delta], None]
    grammar: Grammar | None = None
    stream: bool = False
    adapter: Adapter | None = None
    asked: float = field(default_factory=time.monotonic)
    cancelled: bool = False
    slot: int = -1
    tokens: list[int] = field(init=False)
    computed: int = 0
    reused: int = 0
    draws: random.Random = field(init=False)
    _text: list[str] = field(default_factory=list)
    _likelihoods: list[TokenLogprob] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tokens = list(self.prompt)
        # Not for secrets: a seed must give the same draws again.
        self.draws = random.Random(self.params.seed)  # noqa: S311

    @property
    def generated(self) -> int:
        """Tokens of the completion so far."""
        return len(self.tokens) - len(self.prompt)

    @property
    def budget(self) -> int:
        """Tokens that may still be generated."""
        return self.params.max_tokens - self.generated

    @property
    def tells_likelihoods(self) -> bool:
        """Whether each token is to be told with its log probability, so that each must be drawn."""
        return self.params.logprobs is not None

    @property
    def longest(self) -> int:
        """Most positions that the completion can take."""
        return len(self.prompt) + self.params.max_tokens

    def note(self, likelihood: TokenLogprob) -> None:
        """Keep a token's log probability until the next text is passed on."""
        self._likelihoods.append(likelihood)

    def say(self, text: str) -> None:
        """Pass text on now, or keep it for the end."""
        if not self.stream:
            self._text.append(text)
        elif text:
            self.emit(Delta(text, logprobs=self._noted()))

    def finish(self, reason: FinishReason) -> None:
        """Emit the last delta."""
        self.say(self.detokenizer.finish())
        self.emit(Delta("".join(self._text), reason, self.generated, self.reused, self._noted()))

    def _noted(self) -> tuple[TokenLogprob, ...]:
        found = tuple(self._likelihoods)
        self._likelihoods.clear()
        return found

    def fail(self, error: SishuError) -> None:
        """Emit an error as the last delta."""
        self.emit(Delta(error=error))
