"""What becomes of broken model output: every kind of it once, from a mock server through the room's calls.

Each kind comes once, and good answers after it. Prints one JSON object:

- `outputs`: {kind: "salvaged" | "re-asked" | "rejected"};
- `outputs_salvaged_share`, `outputs_reasked_share`, `outputs_rejected_share`;
- `outputs_unvalidated`: answers that came out without being what was asked for.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter

from services.generation.calls.llm import Completion, Llm
from services.generation.calls.transport import Transport
from services.generation.providers.providers import Endpoint
from services.generation.questions.writing import questions_parser, questions_schema
from services.runtime.errors import SishuError
from tests.support.alone import llm_alone
from tests.support.llm_broken import BROKEN
from tests.support.mock_llm import MockServer, mock_llm
from tests.support.prompts import render

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
    return await llm.ask([endpoint], prompt, schema, questions_parser(len(FACTS), FORMS), {})


async def outcome(llm: Llm, mock: MockServer, kind: str) -> str:
    """What becomes of one answer of a kind, where the next ones are good."""
    await mock.control(next_faults=[f"broken:{kind}"])
    try:
        completion = await ask_questions(llm, mock.base_url)
    except SishuError:
        return "rejected"
    if not is_valid(completion.value):
        return "unvalidated"
    return "salvaged" if completion.usage.calls == 1 else "re-asked"


def is_valid(value: Questions) -> bool:
    """Whether it is what was asked for: so many questions about each fact."""
    return len(value) == len(FACTS) and all(
        len(texts) == FORMS and all(isinstance(text, str) and text.strip() for text in texts)
        for texts in value
    )


async def outcomes(mock: MockServer) -> dict[str, str]:
    """What becomes of an answer of each kind."""
    llm = llm_alone(Transport(60))
    try:
        return {kind: await outcome(llm, mock, kind) for kind in BROKEN}
    finally:
        await llm.transport.close()


async def main() -> None:
    """Print the figures."""
    async with mock_llm() as mock:
        found = await outcomes(mock)
    counts = Counter(found.values())
    print(
        json.dumps(
            {
                "outputs": found,
                "outputs_salvaged_share": round(counts["salvaged"] / len(found), 3),
                "outputs_reasked_share": round(counts["re-asked"] / len(found), 3),
                "outputs_rejected_share": round(counts["rejected"] / len(found), 3),
                "outputs_unvalidated": counts["unvalidated"],
            }
        )
    )


if __name__ == "__main__":
    asyncio.run(main())
