"""A language model server that plants faults: it says what `flawed_texts` or `flawed_kinds` hold, over OpenAI's protocol.

It is told the corpus, finds in a prompt which fact or question it is about, and says what stands there. As a
judge it says of each planted fault what it is, and of all else that it is good. Its embeddings are bags of
words, so that texts of the same words are near each other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from hashlib import blake2b
from typing import Any

from aiohttp import web

from tests.support.flawed_kinds import Posed
from tests.support.flawed_texts import Said
from tests.support.llm_answers import Prompt, encode
from tests.support.llm_server import MODEL, Reply

FACT = re.compile(r"^(?:Fact|事实) (\d+)[:：] ?(.*)$", re.MULTILINE)
QUESTION = re.compile(r"^(?:Question|问题)[:：] ?(.*)$", re.MULTILINE)
GOOD = {
    "reason": "All is well.",
    "answerable": True,
    "faithful": True,
    "self_contained": True,
    "worse": True,
    "score": 5,
}
VERDICTS: Mapping[str, Mapping[str, Any]] = {
    "unfaithful": {"reason": "The neighbours stand nowhere.", "faithful": False, "score": 2},
    "unanswerable": {"reason": "Who paid stands nowhere.", "answerable": False, "score": 1},
    "poor": {"reason": "It says no number.", "score": 1.5},
}
DIMENSIONS = 256


class ScriptedLlm:
    """A server that says what it was told to.

    Args:
        embeds: whether it has embeddings.
    """

    def __init__(self, *, embeds: bool = False) -> None:
        self.embeds = embeds
        self.calls = Counter[str]()
        """How many calls of each kind it had."""

    def reply(self, kind: str, texts: Sequence[str], asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """What is said, by the members that are asked for.

        Args:
            kind: `questions`, `judge` or `answer`.
            texts: the messages.
            asked: the members.
        """
        raise NotImplementedError

    async def complete(self, request: web.Request) -> web.Response:
        """Answer a call of chat completions."""
        body = await request.json()
        texts = [str(message["content"]) for message in body["messages"]]
        asked = body["response_format"]["json_schema"]["schema"]["properties"]
        kind = "questions" if "fact_1" in asked else "judge" if "score" in asked else "answer"
        self.calls[kind] += 1
        prompt = Prompt.of(body["messages"])
        said = encode(self.reply(kind, texts, asked))
        return web.json_response(Reply(MODEL, prompt, said, "stop").whole())

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


class FlawedLlm(ScriptedLlm):
    """Says a corpus of facts, each with two questions."""

    def __init__(self, said: Sequence[Said], *, embeds: bool = True) -> None:
        super().__init__(embeds=embeds)
        self._by_sentence = {one.sentence: one for one in said}
        self._by_question = {text: (one, at) for one in said for at, text in enumerate(one.questions)}

    def reply(self, kind: str, texts: Sequence[str], asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the corpus has there."""
        if kind == "questions":
            facts = facts_in(texts)
            return {key: {"questions": list(self._by_sentence[facts[key]].questions)} for key in asked}
        one, at = self._by_question[question_in(texts)]
        if kind == "judge":
            return {**GOOD, **(VERDICTS.get(one.fault, {}) if at else {})}
        return {"quote": one.quotes[at], "answer": one.answers[at]}


class PosedLlm(ScriptedLlm):
    """Says texts of one kind."""

    def __init__(self, posed: Sequence[Posed]) -> None:
        super().__init__()
        self._by_sentence = {one.sentence: one for one in posed}
        self._by_question: dict[str, list[Posed]] = {}
        for one in posed:
            self._by_question.setdefault(one.question, []).append(one)

    def reply(self, kind: str, texts: Sequence[str], asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """What is said about the fact, or to the question about the fact, that stands in a prompt."""
        if kind == "questions":
            facts = facts_in(texts)
            return {
                key: {"fits": True, "questions": [self._by_sentence[facts[key]].question]} for key in asked
            }
        shown = "\n".join(texts)
        # That of a template is asked about every fact.
        offered = self._by_question[question_in(texts)]
        one = next(one for one in offered if len(offered) == 1 or one.sentence in shown)
        return {**GOOD, **one.verdict} if kind == "judge" else one.reply


def facts_in(texts: Sequence[str]) -> dict[str, str]:
    """The facts that the last message with some counts, by the member that is wanted for each."""
    found = next(found for text in reversed(texts) if (found := FACT.findall(text)))
    return {f"fact_{number}": fact.strip() for number, fact in found}


def question_in(texts: Sequence[str]) -> str:
    """The question of the last message with one."""
    return str(next(found[-1] for text in reversed(texts) if (found := QUESTION.findall(text)))).strip()


def bag_of_words(text: str) -> list[float]:
    """An embedding: how often each word stands in a text, by its hash."""
    values = [0.0] * DIMENSIONS
    for word in re.findall(r"[\u4e00-\u9fff]|\w+", text.casefold()):
        values[int.from_bytes(blake2b(word.encode(), digest_size=2).digest()) % DIMENSIONS] += 1.0
    return values


@asynccontextmanager
async def flawed_llm(said: Sequence[Said], *, embeds: bool = True) -> AsyncIterator[tuple[str, FlawedLlm]]:
    """Serve a corpus on loopback for the time of the context; its address ends in /v1."""
    server = FlawedLlm(said, embeds=embeds)
    async with served(server) as base_url:
        yield base_url, server


@asynccontextmanager
async def served(server: ScriptedLlm) -> AsyncIterator[str]:
    """Serve on loopback for the time of the context; the address ends in /v1."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.complete)
    app.router.add_post("/v1/embeddings", server.embed)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()
