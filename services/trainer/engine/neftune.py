"""Noise on the embeddings while training (NEFTune, Jain et al., arXiv 2310.05914).

Each number of a row's embeddings gets uniform noise of at most alpha / sqrt(tokens of the row * size). The
row is what counts, not the padding beside it nor the rows packed around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


class Noise:
    """Hooked to a model's input embeddings; adds nothing while the model is not in training.

    Args:
        causal: the transformers model.
        alpha: strength; the paper uses 5 to 15.
    """

    def __init__(self, causal: Any, alpha: float) -> None:
        self._alpha = alpha
        self._lengths: torch.Tensor | None = None
        causal.get_input_embeddings().register_forward_hook(self._add)

    def expect(self, lengths: Sequence[int], *, packed: bool, device: torch.device) -> None:
        """Say how many tokens the rows of the next micro batch have, before the model sees it."""
        rows = torch.tensor(lengths, dtype=torch.float32).to(device)
        self._lengths = rows.repeat_interleave(rows.long())[None] if packed else rows[:, None]

    def _add(self, module: Any, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
        if not module.training or self._lengths is None:
            return output
        # [rows or 1, tokens or 1, 1]
        most = self._alpha / (self._lengths * output.shape[-1]).sqrt()[..., None]
        noise = torch.rand_like(output, dtype=torch.float32) * 2 - 1
        return output + (noise * most).to(output.dtype)
