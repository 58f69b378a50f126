"""Loss scaling for fp16 (Micikevicius et al., arXiv 1710.03740).

A gradient below 6e-8 is nothing in fp16, one above 65,504 infinite. So the loss is multiplied by a factor
that grows while all is well and is halved where a gradient overflows. A step that overflowed is done again
with the smaller factor: no row is passed over, as it is where steps are skipped.
"""

from __future__ import annotations

import torch

FIRST = 2.0**16
SMALLEST = 2.0**-6
"""Where even this overflows, it is not fp16's range that is at fault."""
LARGEST = 2.0**24
GROWS_AFTER = 1000
"""Steps in a row without an overflow."""


class ScaleSpentError(Exception):
    """The gradient is not finite however small the loss is made."""


class LossScale:
    """The factor of the loss; 1 unless it is on."""

    def __init__(self, is_on: bool) -> None:
        self.is_on = is_on
        self.factor = FIRST if is_on else 1.0
        self._good = 0

    def shrinks(self, is_finite: bool) -> bool:
        """Halve the factor where the gradient is not finite; returns whether it did.

        Raises:
            ScaleSpentError: it is as small as it may be.
        """
        if is_finite:
            return False
        self.factor /= 2
        self._good = 0
        if self.factor < SMALLEST:
            raise ScaleSpentError
        return True

    def stepped(self) -> None:
        """Count a good step."""
        if not self.is_on:
            return
        self._good += 1
        if self._good >= GROWS_AFTER and self.factor < LARGEST:
            self.factor *= 2
            self._good = 0

    def state(self) -> dict[str, torch.Tensor]:
        """What a resume needs; nothing where it is off."""
        return {"loss_scale": torch.tensor([self.factor, self._good])} if self.is_on else {}

    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Continue from what `state()` gave; a checkpoint of another precision has none."""
        if self.is_on and "loss_scale" in state:
            factor, good = state["loss_scale"].tolist()
            self.factor, self._good = factor, int(good)
