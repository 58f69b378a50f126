"""A language model server that plants faults: it says what `flawed_texts` holds, over OpenAI's protocol.

It is told the corpus, finds in a prompt which fact or question it is about, and says what stands there. As a
judge it says of each planted fault what it is, and of all else that it is good. Its embeddings are bags of
words, so that texts of the same words are near each other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from aiohttp import web

from tests.support.flawed_texts import Said
from tests.support.llm_answers import Prompt, encode
from tests.support.llm_server import MODEL, Reply

FACT = re.compile(r"^(?:Fact|事实) (\d+)[:：] ?(.*)$", re.MULTILINE)
QUESTION = re.compile(r"^(?:Question|问题)[:：] ?(.*)$", re.MULTILINE)
GOOD = {"reason": "All is well.", "answerable": True, "faithful": True, "self_contained": True, "score": 5}
VERDICTS: Mapping[str, Mapping[str, Any]] = {
    "unfaithful": {"reason": "The neighbours stand nowhere.", "faithful": False, "score": 2},
    "unanswerable": {"reason": "Who paid stands nowhere.", "answerable": False, "score": 1},
    "poor": {"reason": "It says no number.", "score": 1.5},
}
DIMENSIONS = 256


@dataclass
class FlawedLlm:
    """The server.

    Args:
        said: what it says.
        embeds: whether it has embeddings.
        calls: how many calls of each kind it had.
    """

    said: Sequence[Said]
    embeds: bool = True
    calls: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._by_sentence = {one.sentence: one for one in self.said}
        self._by_question = {text: (one, at) for one in self.said for at, text in enumerate(one.questions)}

    async def complete(self, request: web.Request) -> web.Response:
        """Answer a call of chat completions."""
        body = await request.json()
        texts = [str(message["content"]) for message in body["messages"]]
        asked = body["response_format"]["json_schema"]["schema"]["properties"]
        kind = "questions" if "fact_1" in asked else "judge" if "score" in asked else "answer"
        self.calls[kind] += 1
        reply = {"questions": self._questions, "judge": self._judge, "answer": self._answer}[kind](
            texts, asked
        )
        prompt = Prompt.of(body["messages"])
        return web.json_response(Reply(MODEL, prompt, encode(reply), "stop").whole())

    async def embed(self, request: web.Request) -> web.Response:
        """Answer a call of embeddings."""
        if not self.embeds:
            return web.json_response({"error": {"message": "no such route"}}, status=404)
        self.calls["embeddings"] += 1
        texts = (await request.json())["input"]
        data = [
            {"object": "embedding", "index": index, "embedding": bag_of_words(text)}
            for index, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": sum(map(len, texts)) // 4, "total_tokens": sum(map(len, texts)) // 4}
        return web.json_response({"object": "list", "model": MODEL, "data": data, "usage": usage})

    def _questions(self, texts: Sequence[str], asked: Mapping[str, Any]) -> dict[str, Any]:
        facts = next(found for text in reversed(texts) if (found := dict(FACT.findall(text))))
        return {
            key: {"questions": list(self._by_sentence[facts[key.removeprefix("fact_")].strip()].questions)}
            for key in asked
        }

    def _answer(self, texts: Sequence[str], _: Mapping[str, Any]) -> dict[str, Any]:
        one, at = self._asked(texts)
        return {"quote": one.quotes[at], "answer": one.answers[at]}

    def _judge(self, texts: Sequence[str], _: Mapping[str, Any]) -> dict[str, Any]:
        one, at = self._asked(texts)
        return {**GOOD, **(VERDICTS.get(one.fault, {}) if at else {})}

    def _asked(self, texts: Sequence[str]) -> tuple[Said, int]:
        question = next(found[-1] for text in reversed(texts) if (found := QUESTION.findall(text)))
        return self._by_question[question.strip()]


def bag_of_words(text: str) -> list[float]:
    """An embedding: how often each word stands in a text, by its hash."""
    values = [0.0] * DIMENSIONS
    for word in re.findall(r"[\u4e00-\u9fff]|\w+", text.casefold()):
        values[int.from_bytes(blake2b(word.encode(), digest_size=2).digest()) % DIMENSIONS] += 1.0
    return values


@asynccontextmanager
async def flawed_llm(said: Sequence[Said], *, embeds: bool = True) -> AsyncIterator[tuple[str, FlawedLlm]]:
    """Serve a corpus on loopback for the time of the context; its address ends in /v1."""
    server = FlawedLlm(said, embeds)
    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.complete)
    app.router.add_post("/v1/embeddings", server.embed)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1", server
    finally:
        await runner.cleanup()
