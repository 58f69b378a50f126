"""A plain loop over the SDK and transport of the generation room: `bare_loop BASE_URL SLOTS`, until killed."""

from __future__ import annotations

import asyncio
import itertools
import sys
from typing import Any, cast

from openai import AsyncOpenAI, DefaultAioHttpClient

from services.generation.calls.modes import response_format
from services.generation.facts import Fact
from services.generation.prompts import render
from services.generation.writing import Passage, answer_schema


async def main(base_url: str, slots: int) -> None:
    """Keep so many calls going, each with a prompt of its own like those of the room."""
    client = AsyncOpenAI(
        base_url=base_url,
        api_key="none",
        max_retries=0,
        timeout=60,
        http_client=DefaultAioHttpClient(timeout=60),
    )
    numbers = itertools.count()

    async def loop() -> None:
        while True:
            number = next(numbers)
            text = f"The part number {number} of the Kestrel weighs {number} grams."
            prompt = render("answer", "en", passage=text, question=f"How heavy is the part number {number}?")
            schema = answer_schema(Passage(text, [Fact(0, len(text), text)]))
            await client.chat.completions.create(
                model="mock-model",
                messages=cast(Any, prompt.messages()),
                **response_format("json_schema", schema),
            )

    await asyncio.gather(*(loop() for _ in range(slots)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
