"""Attention over a flat batch: tokens of many sequences in one row, without padding.

A forward pass takes the next tokens of every active sequence, one for a decoding step, many for a prompt or
for tokens that a grammar forces, joined to one row of N tokens. The linear layers see N useful tokens; only
attention has to know which token belongs to which sequence. It replaces the model's own attention by way of
transformers' AttentionInterface (https://huggingface.co/docs/transformers/attention_interface), and keeps
keys and values itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch.nn import functional

from services.inference.engine.adapters import Adapter
from services.inference.engine.kv_cache import KvCache

NAME = "sishu_flat"


@dataclass(frozen=True, slots=True)
class Segment:
    """The next tokens of one sequence: they take positions `start`, `start + 1`, … of its slot."""

    slot: int
    start: int
    tokens: list[int]
    adapter: Adapter | None = None

    @property
    def end(self) -> int:
        """Number of positions in use after this segment."""
        return self.start + len(self.tokens)


class View(NamedTuple):
    """What a layer's queries see."""

    scale: float | None
    """Factor on the scores; None takes 1/sqrt(size)."""
    window: int
    """Positions that a token sees, its own included; 0 means all."""


@dataclass(frozen=True, slots=True)
class _Body:
    """All tokens of a segment but the last, attended one sequence at a time."""

    slot: int
    start: int
    begin: int
    size: int


class FlatBatch:
    """One forward pass over segments of different slots; `cache` must have room for them.

    The last token of every segment is attended in one call for all slots from the lowest to the highest
    in use, which makes pure decoding one call per layer. Longer segments add one call each for the rest.

    Attributes:
        ids: token ids, [1, N].
        positions: position of each token in its sequence, [1, N].
        last: index in N of each segment's last token, [segments].
        parts: the tokens of each adapter; those of the base are in none.
    """

    def __init__(
        self, segments: list[Segment], cache: KvCache, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.cache = cache
        self._dtype, self._device = dtype, device
        self._low = min(segment.slot for segment in segments)
        self._high = max(segment.slot for segment in segments) + 1
        self._reach = max(segment.end for segment in segments)
        self._masks: dict[Any, torch.Tensor | None] = {}
        self._lay_out(segments)

    def _lay_out(self, segments: list[Segment]) -> None:
        ids: list[int] = []
        positions: list[int] = []
        rows: list[int] = []
        last: list[int] = []
        self.parts: list[tuple[Adapter, slice]] = []
        self._bodies: list[_Body] = []
        for segment in segments:
            if len(segment.tokens) > 1:
                self._bodies.append(_Body(segment.slot, segment.start, len(ids), len(segment.tokens) - 1))
            self._assign(segment, len(ids))
            ids += segment.tokens
            positions += range(segment.start, segment.end)
            first_row = segment.slot * self.cache.length
            rows += range(first_row + segment.start, first_row + segment.end)
            last.append(len(ids) - 1)
        self.ids = self._indices(ids)[None]
        self.positions = self._indices(positions)[None]
        self.last = self._indices(last)
        self._rows = self._indices(rows)
        # A slot in range without a segment borrows the first token and sees position 0; nobody reads that.
        of_slot = {segment.slot: (at, segment.end) for segment, at in zip(segments, last, strict=True)}
        in_range = [of_slot.get(slot, (0, 1)) for slot in range(self._low, self._high)]
        self._tail = self._indices([at for at, _ in in_range])
        self._ends = self._indices([end for _, end in in_range])
        self._tail_slots = self._indices([segment.slot - self._low for segment in segments])

    def _assign(self, segment: Segment, begin: int) -> None:
        """Note whose tokens begin here; neighbours of one adapter are one part."""
        if segment.adapter is None:
            return
        end = begin + len(segment.tokens)
        if self.parts and self.parts[-1][0] is segment.adapter and self.parts[-1][1].stop == begin:
            begin = self.parts.pop()[1].start
        self.parts.append((segment.adapter, slice(begin, end)))

    def _indices(self, numbers: list[int]) -> torch.Tensor:
        return torch.tensor(numbers, dtype=torch.long, device=self._device)

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, view: View
    ) -> torch.Tensor:
        """Store the new keys and values, and mix what each query sees.

        Args:
            layer: index of the layer in the cache.
            query: rotated already, [1, heads, N, size].
            key: rotated already, [1, kv_heads, N, size].
            value: [1, kv_heads, N, size].
            view: what a query sees, and how scores are scaled.

        Returns:
            Mixed values, [1, N, heads, size].
        """
        keys, values = self.cache.layer(layer, key, value)
        keys.flatten(0, 1).index_copy_(0, self._rows, key[0].transpose(0, 1))
        values.flatten(0, 1).index_copy_(0, self._rows, value[0].transpose(0, 1))
        mixed = query.new_empty(query.shape[2], query.shape[1], value.shape[3])
        for body in self._bodies:
            mixed[body.begin : body.begin + body.size] = self._attend_body(body, query, keys, values, view)
        mixed[self.last] = self._attend_tails(query, keys, values, view)
        return mixed[None]

    def _attend_tails(
        self, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, view: View
    ) -> torch.Tensor:
        # The query heads that share a key head are laid out as its queries, so no key is repeated in memory.
        tails = query[0].index_select(1, self._tail).transpose(0, 1)
        mixed = functional.scaled_dot_product_attention(
            tails.reshape(len(self._tail), keys.shape[2], -1, query.shape[3]),
            keys[self._low : self._high, : self._reach].transpose(1, 2),
            values[self._low : self._high, : self._reach].transpose(1, 2),
            attn_mask=self._tail_mask(view.window),
            scale=view.scale,
        )
        return mixed.flatten(1, 2)[self._tail_slots]

    def _attend_body(
        self, body: _Body, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, view: View
    ) -> torch.Tensor:
        sharing = query.shape[1] // keys.shape[2]
        end = body.start + body.size
        mask = self._body_mask(body, view.window)
        mixed = functional.scaled_dot_product_attention(
            query[:, :, body.begin : body.begin + body.size],
            keys[body.slot, :end].transpose(0, 1).repeat_interleave(sharing, 0)[None],
            values[body.slot, :end].transpose(0, 1).repeat_interleave(sharing, 0)[None],
            attn_mask=mask,
            is_causal=mask is None,
            scale=view.scale,
        )
        return mixed[0].transpose(0, 1)

    def _tail_mask(self, window: int) -> torch.Tensor | None:
        """Additive mask [slots, 1, 1, reach]: each slot's last token sees what precedes it in its slot."""
        if window not in self._masks:
            at = torch.arange(self._reach, device=self._device)
            seen = at < self._ends[:, None]
            if window:
                seen &= at >= self._ends[:, None] - window
            mask = torch.zeros(seen.shape, dtype=self._dtype, device=self._device)
            self._masks[window] = mask.masked_fill_(~seen, -torch.inf)[:, None, None]
        return self._masks[window]

    def _body_mask(self, body: _Body, window: int) -> torch.Tensor | None:
        """Additive causal mask [size, start + size], or None where SDPA's own causal mask is the same."""
        end = body.start + body.size
        if body.start == 0 and not 0 < window < end:
            return None
        if (body, window) not in self._masks:
            unseen = torch.full((body.size, end), -torch.inf, dtype=self._dtype, device=self._device)
            mask = unseen.triu(body.start + 1)
            if 0 < window < end:
                mask += unseen.tril(body.start - window)
            self._masks[body, window] = mask
        return self._masks[body, window]


def flat_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,  # noqa: ARG001 - the batch knows who sees whom
    *,
    flat: FlatBatch,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: torch.Tensor | None = None,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """Attend as transformers asks; refuses score caps and sinks, which SDPA cannot do."""
    if softcap is not None or s_aux is not None:
        raise NotImplementedError("attention with a score cap or with sinks")
    layer = module.layer_idx
    assert isinstance(layer, int)  # noqa: S101 - nn.Module types attributes loosely
    return flat.attend(layer, query, key, value, View(scaling, sliding_window or 0)), None
