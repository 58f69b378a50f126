"""A plain loop over the call that the generation room makes: `bare_loop BASE_URL SLOTS`, until killed.

It is the room's own lean call (`transport.posted`) on the SDK's client, so that what the room is measured
against is as fast as can be.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from contextlib import aclosing

from openai import AsyncOpenAI, DefaultAioHttpClient, Timeout

from services.generation.calls.modes import response_format
from services.generation.calls.transport import answer_of, posted
from services.generation.facts import Fact
from services.generation.prompts import render
from services.generation.writing import Passage, answer_schema

TIMEOUT = Timeout(60)


async def main(base_url: str, slots: int) -> None:
    """Keep so many calls going, each with a prompt of its own like those of the room."""
    client = AsyncOpenAI(
        base_url=base_url,
        api_key="none",
        max_retries=0,
        timeout=TIMEOUT,
        http_client=DefaultAioHttpClient(timeout=TIMEOUT),
    )
    numbers = itertools.count()

    async def loop() -> None:
        while True:
            number = next(numbers)
            text = f"The part number {number} of the Kestrel weighs {number} grams."
            prompt = render("answer", "en", passage=text, question=f"How heavy is the part number {number}?")
            schema = answer_schema(Passage(text, [Fact(0, len(text), text)]))
            body = {"model": "mock-model", "messages": prompt.messages()}
            response = await posted(client, {**body, **response_format("json_schema", schema)}, TIMEOUT)
            async with aclosing(response):
                await answer_of(response)

    await asyncio.gather(*(loop() for _ in range(slots)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
