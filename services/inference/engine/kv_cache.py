"""Keys and values of the sequences in flight."""

from __future__ import annotations

import torch

GRAIN = 256
"""Slabs grow by this many positions."""


class KvCache:
    """One slab per layer and kind, [slot, position, kv_head, head_dim]; a sequence owns one slot.

    The slabs grow with what is in use. Their content is always finite, so that masked positions, which
    are multiplied by zero, stay harmless.
    """

    def __init__(self) -> None:
        self.slots = 0
        self.length = 0
        self._layers: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    @property
    def bytes_per_token(self) -> int:
        """Bytes that one position of one slot takes over all layers; known after the first forward pass."""
        slabs = [slab for pair in self._layers.values() for slab in pair]
        return sum(slab.element_size() * slab.shape[2] * slab.shape[3] for slab in slabs)

    def size_with(self, slots: int, length: int) -> int:
        """Return how many positions the slabs would have after `reserve`."""
        return max(self.slots, slots) * max(self.length, -(-length // GRAIN) * GRAIN)

    def reserve(self, slots: int, length: int) -> None:
        """Make room for `slots` sequences of `length` tokens; what is there stays."""
        if slots <= self.slots and length <= self.length:
            return
        old_slots, old_length = self.slots, self.length
        self.slots = max(old_slots, slots)
        self.length = max(old_length, -(-length // GRAIN) * GRAIN)
        for index, pair in self._layers.items():
            grown = [slab.new_zeros(self.slots, self.length, *slab.shape[2:]) for slab in pair]
            for new, old in zip(grown, pair, strict=True):
                new[:old_slots, :old_length] = old
            self._layers[index] = (grown[0], grown[1])

    def layer(self, index: int, key: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the slabs of a layer; `key` and `value` show heads, size and dtype at first use."""
        if index not in self._layers:
            self._layers[index] = (self._slab(key), self._slab(value))
        return self._layers[index]

    def copy_prefix(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` positions of one slot to another."""
        for pair in self._layers.values():
            for slab in pair:
                slab[target, :length] = slab[source, :length]

    def clear(self) -> None:
        """Give all memory back."""
        self.slots = self.length = 0
        self._layers = {}

    def _slab(self, like: torch.Tensor) -> torch.Tensor:
        return like.new_zeros(self.slots, self.length, like.shape[1], like.shape[3])
