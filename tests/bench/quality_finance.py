"""Real Chinese documents with the mock server: exact counts, a tree of two levels, voices on and off, Chinese prompts.

`--documents` is a folder of documents that the project does not hold; without it the part says so and measures nothing.
A domain tree, genre-audience pairs, and questions at three densities, with and without voices, each once. Prints one JSON object:

- `finance_questions`: by density (characters a fact) how many questions were asked for: facts times forms, and times pairs with voices;
- `finance_count_error`: by how many the questions and those that are told as missing are off, over all runs;
- `finance_tag_levels`: levels of the tree; `finance_tags`: tags of each level;
- `finance_chinese_prompts_share`: share of the calls whose instructions were Chinese;
- `finance_linked_share`: share of the questions that are linked to a tag.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from services.generation.generations.option_convert import options as options_of
from services.generation.questions.filling import planned_facts
from services.generation.sources.chunk_reader import ChunkReader
from sishu.client import Client
from sishu.common.v1 import job_pb2
from sishu.generation.v1 import generation_pb2, tag_pb2
from sishu.generation.v1.tag_service_pb2 import ListTagsRequest
from tests.integration.documents import parsed_project
from tests.integration.generations import generated, new_provider, questions_of, start_generation
from tests.integration.stores import ROOT, started_rooms, started_servers
from tests.support.mock_llm import MockServer, mock_llm

FOLDER = ROOT.parent / "shared" / "data" / "finance-2024q2"
ROOM = {"SISHU_LOG_LEVEL": "warning"}
DENSITIES = (120, 240, 480)
PAIRS = 2


async def main() -> None:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.quality_finance")
    parser.add_argument("--documents", type=Path, default=FOLDER, help="a folder of text files")
    files = {path.name: path.read_bytes() for path in sorted(parser.parse_args().documents.glob("*"))}
    if not files:
        print(json.dumps({"finance": "not measured: the folder of documents is not there"}))
        return
    with tempfile.TemporaryDirectory(prefix="sishu-bench-") as folder:
        async with (
            started_servers(Path(folder)) as servers,
            started_rooms(servers, "ingest", "generation", env=ROOM) as rooms,
            mock_llm() as mock,
        ):
            project = await parsed_project(rooms.client, files)
            print(json.dumps(await figures(rooms.client, project, mock), ensure_ascii=False))


async def figures(client: Client, project: str, mock: MockServer) -> dict[str, Any]:
    """All figures of a project."""
    provider = await new_provider(client, project, mock.base_url)
    tree = generation_pb2.TagOptions(levels=2)
    await run(client, project, provider, kind=generation_pb2.GENERATION_KIND_TAGS, tags=tree)
    pairs = generation_pb2.GenreAudienceOptions(pairs=PAIRS)
    kind = generation_pb2.GENERATION_KIND_GENRE_AUDIENCES
    await run(client, project, provider, kind=kind, genre_audience_pairs=pairs)
    levels = await tag_levels(client, project)
    asked, error, linked, total = dict[str, int](), 0, 0, 0
    for chars in DENSITIES:
        for voices in (False, True):
            done = await run(client, project, provider, chars_per_fact=chars, genre_audiences=voices)
            wanted = await planned(client, done) * (PAIRS if voices else 1)
            questions = await questions_of(client, done)
            asked[f"{chars}{' with voices' if voices else ''}"] = wanted
            error += abs(wanted - len(questions) - done.stats.missing)
            linked += sum(bool(one.tag_ids) for one in questions)
            total += len(questions)
    told = await mock.stats()
    return {
        "finance_questions": asked,
        "finance_count_error": error,
        "finance_tag_levels": len(levels),
        "finance_tags": levels,
        "finance_chinese_prompts_share": round(told["chinese_prompts"] / told["calls"], 4),
        "finance_linked_share": round(linked / total, 4),
    }


async def run(client: Client, project: str, provider: str, **options: Any) -> generation_pb2.Generation:
    """A generation that has ended well."""
    wanted = generation_pb2.GenerationOptions(**options)
    done = await generated(client, await start_generation(client, project, provider, wanted))
    if done.job.state != job_pb2.JOB_STATE_SUCCEEDED:
        raise RuntimeError(f"the generation did not succeed: {done.job}")
    return done


async def planned(client: Client, generation: generation_pb2.Generation) -> int:
    """How many questions a generation is to write, by its density alone."""
    options = options_of(generation.options)
    chunks, _ = await ChunkReader(client).page(generation.project_id, [], "")
    return (
        sum(len(facts) for chunk in chunks for facts in planned_facts(chunk, options))
        * options.forms_per_fact
    )


async def tag_levels(client: Client, project: str) -> list[int]:
    """Tags of each level of the tree, from the top."""
    tags = (await client.tags.ListTags(ListTagsRequest(project_id=project, page_size=1000))).tags
    above = {tag.id: tag for tag in tags}

    def depth(tag: tag_pb2.Tag) -> int:
        return 1 + depth(above[tag.parent_id]) if tag.parent_id else 0

    found = Counter(map(depth, tags))
    return [found[level] for level in sorted(found)]


if __name__ == "__main__":
    asyncio.run(main())
