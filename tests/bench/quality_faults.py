"""What the gates catch of faults that a scripted server plants, and what clean texts they reject.

`--facts` facts in English and as many in Chinese, two questions each; every second fact has a fault
(`tests/support/flawed_texts.py`). A judge is asked, too, by the same server. Prints one JSON object:

- `faults`: by fault how often it was `planted` and `caught`, and how many clean texts the gates that catch it
  rejected (`false_alarms`);
- `clean_texts`: questions with their answers in which nothing is planted;
- `planted_kept`: those that were missed;
- `faults_count_error`: by how many the questions and those that are told as missing are off facts times forms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

from sishu.generation.v1 import gates_pb2
from tests.integration.flawed_generations import flawed_project, measured
from tests.integration.stores import started_rooms, started_servers
from tests.support.flawed_llm import flawed_llm
from tests.support.flawed_texts import FAULTS, JUDGED, corpus

ROOM = {"SISHU_INGEST_CONCURRENCY": 1, "SISHU_LOG_LEVEL": "warning"}


async def main() -> None:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.quality_faults")
    parser.add_argument("--facts", type=int, default=680)
    facts = parser.parse_args().facts
    table: defaultdict[str, Counter[str]] = defaultdict(Counter)
    missed, error, clean = list[tuple[str, str]](), 0, 0
    with tempfile.TemporaryDirectory(prefix="sishu-bench-") as folder:
        async with (
            started_servers(Path(folder)) as servers,
            started_rooms(servers, "ingest", "generation", env=ROOM) as rooms,
        ):
            for language in ("en", "zh"):
                said = corpus(language, facts, (*FAULTS, *JUDGED))
                async with flawed_llm(said) as (base_url, _):
                    project = await flawed_project(rooms.client, said)
                    gates = gates_pb2.Gates(judge=gates_pb2.Judge())
                    found = await measured(rooms.client, project, said, base_url, gates=gates)
                for fault, counts in found.faults.items():
                    table[fault].update(counts)
                missed += found.missed
                stats = found.generation.stats
                error += abs(2 * facts - stats.questions - stats.missing)
                clean += 2 * facts - sum(bool(one.fault) for one in said)
    print(
        json.dumps(
            {
                "faults": table,
                "clean_texts": clean,
                "planted_kept": missed,
                "faults_count_error": error,
            },
            ensure_ascii=False,
        )
    )


if __name__ == "__main__":
    asyncio.run(main())
