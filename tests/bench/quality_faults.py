"""What the gates catch of faults that a scripted server plants, and what clean texts they reject.

`--facts` facts in English and as many in Chinese, two questions each; every second fact has a fault
(`tests/support/flawed_texts.py`). A judge is asked, too, by the same server. What else is written (questions over
two chunks and such without an answer, answers by labels, preference pairs) is about a quarter as many pumps, in
each kind one clean text and one with a fault (`tests/support/flawed_kinds.py`). Prints one JSON object:

- `faults`: by fault how often it was `planted` and `caught`, and how many clean texts the gates that catch it
  rejected (`false_alarms`);
- `clean_texts`: questions with their answers, and what is written of other kinds, in which nothing is planted;
- `clean_rejected`: those of them that were rejected, with the reasons;
- `planted_kept`: those that were missed;
- `faults_count_error`: by how many the questions about one fact and those that are told as missing are off facts
  times forms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from sishu.client import Client
from sishu.generation.v1 import gates_pb2
from tests.integration.flawed_generations import Measured, flawed_project, measured
from tests.integration.flawed_kinds import KindMeasured, measured_kind, pumps_project
from tests.integration.stores import started_rooms, started_servers
from tests.support.flawed_kinds import KINDS, pumps
from tests.support.flawed_llm import flawed_llm
from tests.support.flawed_texts import FAULTS, JUDGED, corpus

ROOM = {"SISHU_INGEST_CONCURRENCY": 1, "SISHU_LOG_LEVEL": "warning"}
LONGEST_JOB_SECONDS = 3600.0


@dataclass
class Figures:
    """What was found in all languages together."""

    faults: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    missed: list[tuple[str, str]] = field(default_factory=list)
    wrong: list[tuple[str, str]] = field(default_factory=list)
    clean: int = 0
    count_error: int = 0

    def add(self, found: Measured | KindMeasured) -> None:
        """Take in what was found of some texts."""
        for fault, counts in found.faults.items():
            self.faults[fault].update(counts)
        self.missed += found.missed
        self.wrong += found.wrong


async def main() -> None:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.quality_faults")
    parser.add_argument("--facts", type=int, default=680)
    facts, figures = parser.parse_args().facts, Figures()
    with tempfile.TemporaryDirectory(prefix="sishu-bench-") as folder:
        async with (
            started_servers(Path(folder)) as servers,
            started_rooms(servers, "ingest", "generation", env=ROOM) as rooms,
        ):
            for language in ("en", "zh"):
                await plant_in_questions(rooms.client, language, facts, figures)
                await plant_in_kinds(rooms.client, language, facts // 4, figures)
    print(
        json.dumps(
            {
                "faults": figures.faults,
                "clean_texts": figures.clean,
                "clean_rejected": figures.wrong,
                "planted_kept": figures.missed,
                "faults_count_error": figures.count_error,
            },
            ensure_ascii=False,
        )
    )


async def plant_in_questions(client: Client, language: str, facts: int, figures: Figures) -> None:
    """Questions about so many facts, and their answers."""
    said = corpus(language, facts, (*FAULTS, *JUDGED))
    async with flawed_llm(said) as (base_url, _):
        project = await flawed_project(client, said)
        gates = gates_pb2.Gates(judge=gates_pb2.Judge())
        found = await measured(client, project, said, base_url, LONGEST_JOB_SECONDS, gates=gates)
    figures.add(found)
    stats = found.generation.stats
    figures.count_error += abs(2 * facts - stats.questions - stats.missing)
    figures.clean += 2 * facts - sum(bool(one.fault) for one in said)


async def plant_in_kinds(client: Client, language: str, count: int, figures: Figures) -> None:
    """What else is written, about so many pumps."""
    about = pumps(language, count)
    project = await pumps_project(client, about)
    for kind in KINDS:
        found = await measured_kind(client, project, kind, about, LONGEST_JOB_SECONDS)
        figures.add(found)
        figures.clean += found.clean


if __name__ == "__main__":
    asyncio.run(main())
