"""A server of the model that is to learn: it knows the answers to some questions, and is asked in words."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.support.web_server import served


@dataclass
class Learner:
    """The server.

    Args:
        answer: what it says to questions that it knows.
        share: of how many 256ths of all questions it knows the answer.
        refuses: whether it refuses the others for good; else it says that it does not know.
        bodies: the calls that it had.
    """

    answer: str
    share: int = 128
    refuses: bool = False
    bodies: list[dict[str, Any]] = field(default_factory=list)

    def knows(self, question: str) -> bool:
        """Whether it knows the answer to a question, which is drawn from its words."""
        return hashlib.blake2b(question.encode(), digest_size=1).digest()[0] < self.share

    async def complete(self, request: web.Request) -> web.Response:
        """Answer a call of chat completions, and nothing else."""
        if not request.path.endswith("/chat/completions"):
            return web.json_response({"error": {"message": "no such route"}}, status=404)
        self.bodies.append(await request.json())
        known = self.knows(self.bodies[-1]["messages"][-1]["content"])
        if self.refuses and not known:
            return web.json_response({"error": {"message": "this is refused"}}, status=400)
        message = {"role": "assistant", "content": self.answer if known else "Nobody knows."}
        usage = {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        return web.json_response(
            {"object": "chat.completion", "model": "learner", "choices": [choice], "usage": usage}
        )


@asynccontextmanager
async def learner_llm(answer: str, **options: Any) -> AsyncIterator[tuple[str, Learner]]:
    """Serve a learner on loopback for the time of the context; its address ends in /v1."""
    server = Learner(answer, **options)
    async with served(server.complete) as base_url:
        yield base_url, server
