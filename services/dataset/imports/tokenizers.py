"""Tokenizers by which imports count tokens."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from services.runtime.tokenizers import Naming, allowed_tokenizer, load_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

NAMING = Naming(
    "dataset", "SISHU_DATASET_TOKENIZER_FOLDER", "import.options.tokenizer", "lengths in characters alone"
)


class Tokenizers:
    """Tokenizers that imports may name.

    Args:
        folder: what names may name of this machine, beside those of the hub.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def allowed(self, name: str) -> str:
        """A tokenizer as it is loaded; empty for none.

        Raises:
            InvalidArgument: it may not be named.
        """
        return allowed_tokenizer(name, self._folder, NAMING)

    async def load(self, name: str) -> Tokenizer | None:
        """A tokenizer; nothing for none.

        Raises:
            InvalidArgument: it cannot be had.
        """
        if allowed := self.allowed(name):
            return await asyncio.to_thread(load_tokenizer, allowed, NAMING)
        return None
