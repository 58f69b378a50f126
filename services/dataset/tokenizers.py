"""Tokenizers by which imports and statistics count tokens."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from services.runtime.tokenizers import Naming, allowed_tokenizer, load_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

FIELD = "options.tokenizer"
NAMING = Naming("dataset", "SISHU_DATASET_TOKENIZER_FOLDER", FIELD, "lengths in characters alone")


class Tokenizers:
    """Tokenizers that requests may name.

    Args:
        folder: what names may name of this machine, beside those of the hub.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def allowed(self, name: str, field: str = FIELD) -> str:
        """A tokenizer as it is loaded; empty for none.

        Args:
            name: that it was given.
            field: where it was given.

        Raises:
            InvalidArgument: it may not be named.
        """
        return allowed_tokenizer(name, self._folder, replace(NAMING, field=field))

    async def load(self, name: str) -> Tokenizer | None:
        """A tokenizer; nothing for none.

        Raises:
            InvalidArgument: it cannot be had.
        """
        if allowed := self.allowed(name):
            return await asyncio.to_thread(load_tokenizer, allowed, NAMING)
        return None
