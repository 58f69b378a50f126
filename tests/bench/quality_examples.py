"""What the built-in model writes about `examples/`, as `make demo` has it do, and what of that is kept.

Starts a whole stack in a folder of its own. Prints one JSON object:

- `kept_share`: share of the questions whose answer is kept; `rejected_by_reason` says why others are not;
- `quotes_found_share`: share of the kept quotes that stand at their offsets in the text that the ingest room has;
- `exact_count_error`: by which share the number of questions is off facts times forms;
- `duplicates_kept`: kept questions of a wording that another one has, but for case, signs and spaces;
- `leak_phrases_kept`: kept questions and answers with one of the words of `LEAKING`, a plain list beside the gate's;
- `forms_per_fact`: kept questions a fact that has some;
- `sections_covered_share`: share of the sections with a sentence to ask about that have a kept question;
- `questions`, `seconds`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from services.generation.generations.option_convert import options as options_of
from services.generation.questions.filling import planned_facts
from services.generation.questions.questions import text_key
from services.generation.sources.chunk_reader import ChunkReader
from services.local import stack
from sishu.cli.context import connected
from sishu.cli.settings import SETTINGS
from sishu.client import Client
from sishu.generation.v1 import generation_pb2, question_pb2
from sishu.learn.files import gather_files, upload_files
from sishu.learn.generations import begin, viewed
from sishu.learn.jobs import parse_documents, wait_for_success
from sishu.learn.options import LearnOptions
from sishu.learn.resources import project_named, provider_named
from tests.integration.documents import chunks_of, text_of
from tests.integration.generations import questions_of
from tests.integration.stores import ROOT

DOCUMENTS = ("company-profile.md", "support-handbook.txt", "product-datasheet.pdf", "annual-report.docx")
LEAKING = (
    "according to the",
    "the text",
    "the passage",
    "the excerpt",
    "this document",
    "this passage",
    "this section",
    "the author",
    "as mentioned",
    "mentioned above",
    "stated above",
    "上文",
    "文中",
    "本文",
    "原文",
    "上述材料",
    "根据材料",
    "这段话",
    "该文",
)


async def main() -> None:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.quality_examples")
    parser.add_argument("--documents", type=int, default=len(DOCUMENTS), help="the first so many")
    paths = [ROOT / "examples" / name for name in DOCUMENTS[: parser.parse_args().documents]]
    with tempfile.TemporaryDirectory(prefix="sishu-bench-") as folder:
        SETTINGS.home = Path(folder) / "home"
        try:
            await asyncio.to_thread(stack.up, SETTINGS.home, environ=os.environ)
            async with connected() as client:
                started = time.monotonic()
                generation = await generated(client, paths)
                seconds = round(time.monotonic() - started, 1)
                print(json.dumps(await figures(client, generation) | {"seconds": seconds}))
        finally:
            await asyncio.to_thread(stack.down, SETTINGS.home)


async def generated(client: Client, paths: Sequence[Path]) -> generation_pb2.Generation:
    """The generation that `sishu learn` makes of some files, ended."""
    options = LearnOptions(gather_files(paths, lambda path, why: None), "quality", Path("out"))
    project = await project_named(client, options.name)
    documents = await upload_files(client, project.id, options.files)
    await parse_documents(client, project.id, documents)
    provider = await provider_named(client, project, options, lambda job: None)
    wanted = generation_pb2.Generation(
        project_id=project.id, provider_id=provider.id, options=options.generation()
    )
    made = await begin(client, wanted)
    await wait_for_success(client, "generation", made.job)
    return await viewed(client, made.id)


async def figures(client: Client, generation: generation_pb2.Generation) -> dict[str, Any]:
    """All figures of a generation."""
    questions = await questions_of(client, generation)
    kept = [one for one in questions if one.state == question_pb2.QUESTION_STATE_ANSWERED]
    chunks, _ = await ChunkReader(client).page(generation.project_id, [], "")
    options = options_of(generation.options)
    plans = {chunk.id: sum(map(len, planned_facts(chunk, options))) for chunk in chunks}
    asked = sum(plans.values()) * options.forms_per_fact
    facts = Counter(one.fact_id for one in kept)
    return {
        "kept_share": share(len(kept), len(questions)),
        "quotes_found_share": await quotes_found(client, kept),
        "exact_count_error": round(abs(asked - len(questions)) / max(1, asked), 4),
        "duplicates_kept": len(kept) - len({text_key(one.text) for one in kept}),
        "leak_phrases_kept": sum(is_leaking(one.text) or is_leaking(one.answer.text) for one in kept),
        "forms_per_fact": round(len(kept) / max(1, len(facts)), 2),
        "sections_covered_share": await covered(client, generation.project_id, plans, kept),
        "rejected_by_reason": dict(generation.stats.rejected_by_reason),
        "missing_questions": generation.stats.missing,
        "questions": len(questions),
    }


async def quotes_found(client: Client, kept: Sequence[question_pb2.Question]) -> float:
    """The share of quotes that stand in the stored text where they say."""
    quotes = [quote for one in kept for quote in one.answer.quotes]
    versions = {(quote.document_id, quote.document_version) for quote in quotes}
    texts = {version: await text_of(client, *version) for version in versions}
    found = sum(
        texts[quote.document_id, quote.document_version][quote.span.start : quote.span.end] == quote.text
        for quote in quotes
    )
    without = sum(not one.answer.quotes for one in kept)
    return share(found, len(quotes) + without)


async def covered(
    client: Client, project_id: str, plans: Mapping[str, int], kept: Sequence[question_pb2.Question]
) -> float:
    """The share of the sections with facts that have a kept question."""
    sections = {one.id: (one.document_id, one.section_id) for one in await chunks_of(client, project_id)}
    wanted = {sections[chunk_id] for chunk_id, facts in plans.items() if facts}
    return share(len(wanted & {sections[one.chunk_ids[0]] for one in kept}), len(wanted))


def is_leaking(text: str) -> bool:
    """Whether a text holds one of the words of `LEAKING`."""
    return any(word in text.casefold() for word in LEAKING)


def share(part: int, whole: int) -> float:
    """A part of a whole, rounded; 0 of nothing."""
    return round(part / whole, 4) if whole else 0.0


if __name__ == "__main__":
    asyncio.run(main())
