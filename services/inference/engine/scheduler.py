"""Continuous batching: one thread owns the model; completions join and leave at every step.

Each step runs one flat batch (see `attention`): the next tokens of every completion that decodes, and of
those that still read their prompt as much as the step's budget holds. A new completion takes over what
another slot already holds of its beginning, such as a shared system prompt.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from typing import NamedTuple

import torch

from services.inference.engine.adapters import Adapter
from services.inference.engine.attention import Segment
from services.inference.engine.completion import Completion
from services.inference.engine.grammar import Grammar, allowed_tokens, mask_words
from services.inference.engine.kv_cache import KvCache
from services.inference.engine.metrics import EngineMetrics
from services.inference.engine.model import Model
from services.inference.engine.sampling import adjust, likelihoods, sample
from services.runtime.errors import Internal, ResourceExhausted, SishuError, Unavailable

log = logging.getLogger(__name__)

_STEP_TOKENS = 512
_SHORT_TOKENS = 64
_WORTH_WAITING = 32
_CLOSING_TOKENS = 48
_IDLE_SECONDS = 1.0
_JOIN_SECONDS = 30.0


class _Place(NamedTuple):
    """Where a completion goes, and which slot holds its first `shared` tokens already."""

    slot: int
    source: int
    shared: int


class _Held(NamedTuple):
    """What a free slot still holds: keys and values depend on the adapter that computed them."""

    adapter: Adapter | None = None
    tokens: list[int] = []  # noqa: RUF012  # never changed


class Scheduler:
    """Runs completions on a model, at most `max_batch` at once; `max_queue` more may wait."""

    def __init__(
        self, model: Model, max_batch: int, max_queue: int, metrics: EngineMetrics | None = None
    ) -> None:
        self._model = model
        self._metrics = metrics or EngineMetrics()
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._cache = KvCache()
        self._waiting: deque[Completion] = deque()
        self._active: list[Completion] = []
        self._held = [_Held() for _ in range(max_batch)]
        self._compared: tuple[Completion, list[int]] | None = None
        self._wake = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="scheduler", daemon=True)

    @property
    def active(self) -> int:
        """Completions that own a slot."""
        return len(self._active)

    @property
    def waiting(self) -> int:
        """Completions that wait for a slot."""
        return len(self._waiting)

    @property
    def alive(self) -> bool:
        """True while completions are worked on."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self) -> None:
        """Fail what is unfinished and end the thread; returns when it has ended."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join(_JOIN_SECONDS)

    def submit(self, *completions: Completion) -> None:
        """Queue completions, all or none; everything further reaches their `emit`.

        Raises:
            ResourceExhausted: too many wait already.
            Unavailable: the engine is stopping.
        """
        with self._wake:
            if self._stopping:
                raise Unavailable("ENGINE_STOPPING", "The engine is stopping.")
            if len(self._waiting) + len(completions) > self._max_queue:
                self._metrics.refused.inc(len(completions))
                raise ResourceExhausted(
                    "QUEUE_FULL", f"{self._max_queue} requests wait already. Ask again in a moment."
                )
            self._waiting.extend(completions)
            self._wake.notify()

    def _run(self) -> None:
        with torch.inference_mode():
            while not self._stopping:
                with self._wake:
                    if not (self._active or self._waiting):
                        self._wake.wait(_IDLE_SECONDS)
                try:
                    self._sweep()
                    self._admit()
                    if self._active:
                        self._step()
                except Exception:
                    # A defect or a lack of memory ends what is in flight, not the server.
                    error_id = uuid.uuid4().hex
                    log.exception("step failed, error id %s", error_id)
                    self._fail_all(Internal("ENGINE_FAILED", f"The engine failed; error id {error_id}."))
        self._fail_all(Unavailable("ENGINE_STOPPING", "The engine is stopping."))

    def _fail_all(self, error: SishuError) -> None:
        with self._wake:
            failed = [*self._active, *self._waiting]
            self._waiting.clear()
        self._active.clear()
        self._forget()
        self._metrics.completions.labels("failed").inc(len(failed))
        for completion in failed:
            completion.fail(error)

    def _forget(self) -> None:
        self._cache.clear()
        self._compared = None
        self._held = [_Held() for _ in range(self._max_batch)]

    def _sweep(self) -> None:
        """Free the slots, and the places in the queue, of those whose asker has gone."""
        for completion in [c for c in self._active if c.cancelled]:
            self._release(completion)
            self._metrics.completions.labels("cancelled").inc()
        with self._wake:
            if any(c.cancelled for c in self._waiting):
                self._waiting = deque(c for c in self._waiting if not c.cancelled)

    def _release(self, completion: Completion) -> None:
        self._active.remove(completion)
        self._held[completion.slot] = _Held(completion.adapter, completion.tokens[: completion.computed])
        self._compared = None

    def _admit(self) -> None:
        """Give slots to those who wait, first come, first served."""
        while self._waiting and len(self._active) < self._max_batch:
            completion = self._waiting[0]
            place = self._place(completion)
            if place is None:
                return
            with self._wake:
                self._waiting.popleft()
            self._join(completion, place)

    def _place(self, completion: Completion) -> _Place | None:
        """Return where the completion goes, or None where waiting is right.

        It waits for memory, and for a prompt in progress whose beginning it can then take over.
        """
        taken = {c.slot: c for c in self._active}
        slot = next(slot for slot in range(self._max_batch) if slot not in taken)
        if not self._fits(completion, slot):
            if self._active:
                return None
            self._forget()
        common = self._common_with(completion)
        ready = [
            min(common[at], taken[at].computed) if at in taken else common[at]
            for at in range(self._max_batch)
        ]
        shared, source = max((count, -at) for at, count in enumerate(ready))
        for other in self._active:
            reading = other.computed < len(other.prompt)
            if reading and min(common[other.slot], len(other.prompt)) >= shared + _WORTH_WAITING:
                return None
        return _Place(slot, -source, shared)

    def _common_with(self, completion: Completion) -> list[int]:
        """Return how much of the prompt's beginning each slot holds, or will hold when its prompt is read.

        Compared once while the completion waits: only joining and leaving changes what slots will hold.
        """
        if self._compared is None or self._compared[0] is not completion:
            contents = list(self._held)
            for other in self._active:
                contents[other.slot] = _Held(other.adapter, other.tokens)
            # At least one token must be computed, else there are no logits to draw from.
            wanted = completion.prompt[:-1]
            self._compared = (
                completion,
                [
                    _common(wanted, held.tokens) if held.adapter is completion.adapter else 0
                    for held in contents
                ],
            )
        return self._compared[1]

    def _fits(self, completion: Completion, slot: int) -> bool:
        longest = max(c.longest for c in [*self._active, completion])
        return self._cache.size_with(slot + 1, longest) <= self._model.cache_tokens

    def _join(self, completion: Completion, place: _Place) -> None:
        completion.slot = place.slot
        self._cache.reserve(place.slot + 1, len(completion.prompt))
        if place.shared and place.source != place.slot:
            self._cache.copy_prefix(place.source, place.slot, place.shared)
        completion.computed = completion.reused = place.shared
        self._active.append(completion)
        if completion.grammar and not completion.tells_likelihoods:
            self._append(completion, completion.grammar.forced())

    def _step(self) -> None:
        """Run one batch, and draw a token for each completion whose tokens are all computed then."""
        parts = self._parts()
        segments = [
            Segment(c.slot, c.computed, c.tokens[c.computed : c.computed + size], c.adapter)
            for c, size in parts
        ]
        self._cache.reserve(max(s.slot for s in segments) + 1, max(s.end for s in segments))
        with self._metrics.step_seconds.time():
            logits = self._model.logits(self._model.batch(segments, self._cache))
        for completion, size in parts:
            completion.computed += size
        ready = [row for row, (c, _) in enumerate(parts) if c.computed == len(c.tokens)]
        if ready:
            self._draw([parts[row][0] for row in ready], logits[ready])

    def _parts(self) -> list[tuple[Completion, int]]:
        """Share the step's budget out: first those with few tokens to compute, then prompts as they came."""
        parts: list[tuple[Completion, int]] = []
        budget = max(_STEP_TOKENS, len(self._active))
        pending = [(c, len(c.tokens) - c.computed) for c in self._active]
        for completion, size in sorted(pending, key=lambda part: part[1] > _SHORT_TOKENS):
            if part := min(size, budget):
                parts.append((completion, part))
                budget -= part
        # Tokens of one adapter side by side are computed in one piece.
        return sorted(parts, key=lambda part: id(part[0].adapter) if part[0].adapter else 0)

    def _draw(self, completions: list[Completion], logits: torch.Tensor) -> None:
        telling = [row for row, c in enumerate(completions) if c.tells_likelihoods]
        untouched = logits[telling] if telling else logits
        now = time.monotonic()
        for row, completion in enumerate(completions):
            if not completion.generated:
                self._metrics.first_token_seconds.observe(now - completion.asked)
            if completion.params.moves_logits:
                said = completion.tokens[len(completion.prompt) :]
                adjust(logits[row], completion.params, completion.prompt, said)
            if completion.grammar:
                _forbid(completion.grammar, logits[row])
        tokens = sample(logits, [c.params for c in completions], [c.draws for c in completions])
        if telling:
            telling_tokens = [tokens[row] for row in telling]
            self._note(untouched, [completions[row] for row in telling], telling_tokens)
        for completion, token in zip(completions, tokens, strict=True):
            self._advance(completion, token)

    def _note(self, logits: torch.Tensor, completions: list[Completion], tokens: list[int]) -> None:
        """Tell completions how likely their tokens were; [completions, vocab_size] logits."""
        alternatives = [c.params.logprobs or 0 for c in completions]
        for completion, found in zip(completions, likelihoods(logits, tokens, alternatives), strict=True):
            # The token that ends an answer is no part of its text.
            if found.token not in self._model.eos_ids:
                completion.note(found)

    def _advance(self, completion: Completion, token: int) -> None:
        grammar = completion.grammar
        if grammar is None:
            self._append(completion, [token])
            return
        before = grammar.copy()
        grammar.accept(token)
        if completion.tells_likelihoods:
            self._append(completion, [token])
            return
        tokens = [token, *grammar.forced()]
        left = completion.budget - len(tokens)
        short = left < _CLOSING_TOKENS and not (grammar.complete and left >= 0)
        if short and grammar.closing(left) is None and (ending := before.closing(completion.budget)):
            # Going on would leave the text open when the budget ends: close it from where it was.
            self._append(completion, ending, cut=True)
        else:
            self._append(completion, tokens)

    def _append(self, completion: Completion, tokens: list[int], *, cut: bool = False) -> None:
        """Add tokens, pass their text on, and end the completion where it ends."""
        for token in tokens:
            if completion.budget == 0:
                break
            completion.tokens.append(token)
            if token in self._model.eos_ids:
                self._finish(completion, cut=False)
                return
            completion.say(completion.detokenizer.push(token))
            if completion.detokenizer.stopped:
                self._finish(completion, cut=False)
                return
        whole = completion.grammar is not None and completion.grammar.complete
        if cut or (completion.budget == 0 and not whole) or whole:
            self._finish(completion, cut=cut or not whole)

    def _finish(self, completion: Completion, *, cut: bool) -> None:
        self._release(completion)
        self._metrics.count_done(completion)
        completion.finish("length" if cut else "stop")


def _forbid(grammar: Grammar, logits: torch.Tensor) -> None:
    """Set the logits [vocab_size] of forbidden tokens to -inf."""
    words = torch.zeros(mask_words(len(logits)), dtype=torch.int32)
    grammar.fill_mask(words)
    logits.masked_fill_(~allowed_tokens(words)[: len(logits)].to(logits.device), -torch.inf)


def _common(left: list[int], right: list[int]) -> int:
    """Return the length of the common beginning."""
    limit = min(len(left), len(right))
    return next((at for at in range(limit) if left[at] != right[at]), limit)
