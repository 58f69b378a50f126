"""Answers of models that were paid for: kept as objects of their document, so that none is paid twice."""

from __future__ import annotations

import hashlib
from typing import Protocol

from services.runtime.errors import NotFound
from services.runtime.storage import Storage


class Answers(Protocol):
    """Remembers answers by what was asked."""

    async def get(self, *question: str) -> str | None:
        """The answer to a question, if it was given before."""

    async def put(self, answer: str, *question: str) -> None:
        """Keep an answer."""


class Forgotten:
    """Remembers no answer."""

    async def get(self, *question: str) -> str | None:
        """Nothing."""

    async def put(self, answer: str, *question: str) -> None:
        """Nothing is kept."""


FORGOTTEN = Forgotten()


class PaidAnswers:
    """Answers about one document; they go with it.

    Args:
        storage: where they are kept.
        prefix: of the document's objects, with `/` at its end.
    """

    def __init__(self, storage: Storage, prefix: str) -> None:
        self._storage = storage
        self._prefix = f"{prefix}answers/"

    async def get(self, *question: str) -> str | None:
        """The answer to a question, if it was given before."""
        try:
            return (await self._storage.get_bytes(self._key(question))).decode()
        except NotFound:
            return None

    async def put(self, answer: str, *question: str) -> None:
        """Keep an answer."""
        await self._storage.put_bytes(self._key(question), answer.encode(), "text/markdown; charset=utf-8")

    def _key(self, question: tuple[str, ...]) -> str:
        digest = hashlib.sha256("\x1f".join(question).encode()).hexdigest()
        return f"{self._prefix}{digest}.md"
