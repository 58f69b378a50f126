"""What becomes of broken model output: every kind of it once, from a mock server through the room's calls.

`python -m tests.bench.broken_outputs` prints one JSON object: {kind: "salvaged" | "re-asked" | "rejected"}.
"""

from __future__ import annotations

import asyncio
import json

from prometheus_client import CollectorRegistry

from services.generation.calls.llm import Completion, Llm
from services.generation.calls.transport import Transport
from services.generation.metrics import GenerationMetrics
from services.generation.prompts import render
from services.generation.providers import Endpoint
from services.generation.writing import questions_parser, questions_schema
from services.runtime.errors import SishuError
from tests.support.llm_broken import BROKEN
from tests.support.mock_llm import MockServer, mock_llm

FACTS = [
    "The Harlow Bridge in Penwick was opened in 1931.",
    "The bakery Tilda's uses 40 kilograms of rye a day.",
]
FORMS = 3

Questions = list[list[str]]


async def ask_questions(llm: Llm, base_url: str) -> Completion[Questions]:
    """Questions about two facts."""
    prompt = render("questions", "en", passage=" ".join(FACTS), facts=FACTS, forms=FORMS)
    schema = questions_schema(len(FACTS), FORMS, "en")
    endpoint = Endpoint(base_url, "mock-model")
    return await llm.ask(endpoint, prompt, schema, questions_parser(len(FACTS), FORMS), {})


async def outcome(llm: Llm, mock: MockServer, kind: str) -> str:
    """What becomes of one answer of a kind, where the next ones are good."""
    await mock.control(next_faults=[f"broken:{kind}"])
    try:
        completion = await ask_questions(llm, mock.base_url)
    except SishuError:
        return "rejected"
    return "salvaged" if completion.usage.calls == 1 else "re-asked"


async def outcomes(mock: MockServer) -> dict[str, str]:
    """What becomes of an answer of each kind."""
    llm = Llm(Transport(60), GenerationMetrics(CollectorRegistry()))
    try:
        return {kind: await outcome(llm, mock, kind) for kind in BROKEN}
    finally:
        await llm.transport.close()


async def main() -> None:
    """Print the outcomes."""
    async with mock_llm() as mock:
        print(json.dumps(await outcomes(mock)))


if __name__ == "__main__":
    asyncio.run(main())
