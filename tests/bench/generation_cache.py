"""What a second run pays: nothing where nothing changed, and little where little did.

A project of `--pages` documents is generated, generated again, and once more after 1 % of the documents changed.
Prints one JSON object:

- `second_run_calls`: calls of the second run;
- `one_percent_calls_share`: calls of the third run as a share of those of the first;
- `first_run_calls`.
"""

from __future__ import annotations

import asyncio
import json

from sishu.generation.v1 import generation_pb2
from tests.bench.generation_lab import Lab, lab, parser_of
from tests.integration.documents import parse, parsed_project, upload
from tests.integration.generations import generated, new_provider, start_generation

SENTENCES = 6


async def main() -> None:
    """Measure and print the figures."""
    parser = parser_of("generation_cache")
    parser.add_argument("--pages", type=int, default=300)
    pages = parser.parse_args().pages
    async with lab({"latency_ms": 20}) as here:
        project = await parsed_project(
            here.client, {name(page): text(page, "grams") for page in range(pages)}
        )
        provider = await new_provider(here.client, project, here.mock.base_url)
        first = await calls(here, project, provider)
        second = await calls(here, project, provider)
        changed = {name(page): text(page, "ounces") for page in range(0, pages, 100)}
        for document, data in changed.items():
            await upload(here.client, project, document, data)
        await parse(here.client, project)
        third = await calls(here, project, provider)
    print(
        json.dumps(
            {
                "second_run_calls": second,
                "one_percent_calls_share": round(third / first, 4),
                "first_run_calls": first,
            }
        )
    )


async def calls(here: Lab, project: str, provider: str) -> int:
    """Calls that a generation makes."""
    await here.mock.reset()
    options = generation_pb2.GenerationOptions(facts_per_call=1)
    await generated(here.client, await start_generation(here.client, project, provider, options))
    return int((await here.mock.stats())["calls"])


def name(page: int) -> str:
    """Of a document."""
    return f"page-{page}.md"


def text(page: int, unit: str) -> bytes:
    """A page, of which one sentence tells a weight."""
    sentences = [f"The part number {page}-{one} of the Kestrel is made of brass." for one in range(SENTENCES)]
    return f"# Page {page}\n\n{' '.join(sentences)} It weighs {page + 1} {unit}.\n".encode()


if __name__ == "__main__":
    asyncio.run(main())
