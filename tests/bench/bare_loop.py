"""A plain loop over the SDK and transport of the generation room: `bare_loop BASE_URL SLOTS KIND`, until killed.

KIND is `sdk`, the call that the SDK documents (`chat.completions.create`), or `lean`, the room's own
(`Poster.post`), which leaves out what the SDK does with types: as fast as a loop on it can be. A call that is
refused for its rate rests as long as the server says.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Mapping
from contextlib import aclosing
from functools import partial
from typing import Any, cast

from openai import AsyncOpenAI, DefaultAioHttpClient, RateLimitError, Timeout

from services.generation.calls.modes import response_format
from services.generation.calls.posting import Poster
from services.generation.calls.transport import answer_of, kind_of
from services.generation.questions.facts import Fact
from services.generation.questions.writing import Passage, answer_schema
from tests.support.prompts import render

TIMEOUT = Timeout(60)


async def main(base_url: str, slots: int, kind: str) -> None:
    """Keep so many calls going, each with a prompt of its own like those of the room."""
    http = DefaultAioHttpClient(timeout=TIMEOUT)
    client = AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0, timeout=TIMEOUT, http_client=http)
    call = {"sdk": partial(documented, client), "lean": partial(lean, Poster(client, http))}[kind]
    numbers = itertools.count()

    async def loop() -> None:
        while True:
            try:
                await call(body_of(next(numbers)))
            except RateLimitError as error:
                await asyncio.sleep(float(error.response.headers.get("retry-after", 1)))

    await asyncio.gather(*(loop() for _ in range(slots)))


def body_of(number: int) -> dict[str, Any]:
    """The parameters of a call."""
    text = f"The part number {number} of the Kestrel weighs {number} grams."
    prompt = render("answer", "en", passage=text, question=f"How heavy is the part number {number}?")
    schema = answer_schema(Passage(text, [Fact(0, len(text), text)]), 1000)
    form = response_format("json_schema", schema)
    return {"model": "mock-model", "messages": prompt.messages(), **form}


async def documented(client: AsyncOpenAI, body: Mapping[str, Any]) -> None:
    """A call as the SDK documents it."""
    await cast(Any, client.chat.completions.create)(**body)


async def lean(poster: Poster, body: Mapping[str, Any]) -> None:
    """A call as the room makes it."""
    response = await poster.post(body, TIMEOUT)
    async with aclosing(response):
        await answer_of(response, kind_of(response))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
