"""What must be passed to be kept: options that generations share, and the list of all gates."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated

import typer

from services.generation.gates.gate_list import GATES
from sishu.cli.find import find_provider
from sishu.cli.output import show_fields
from sishu.cli.settings import SETTINGS
from sishu.cli.texts import LANGUAGE, say
from sishu.client import Client
from sishu.errors import ApiError
from sishu.generation.v1.gates_pb2 import Gates


@dataclass(frozen=True)
class GateOptions:
    """The gates; what is not said is left to the service."""

    gate_off: Annotated[list[str] | None, typer.Option(metavar="NAME", help=say("gate_off"))] = None
    min_answer_chars: Annotated[int, typer.Option(min=0, max=100_000, help=say("min_answer_chars"))] = 0
    max_answer_chars: Annotated[int, typer.Option(min=0, max=100_000, help=say("max_answer_chars"))] = 0
    near_copy_similarity: Annotated[float, typer.Option(min=0, max=1, help=say("near_copy_similarity"))] = 0
    embedding_provider: Annotated[str, typer.Option(metavar="PROVIDER", help=say("embedding_provider"))] = ""
    meaning_similarity: Annotated[float, typer.Option(min=0, max=1, help=say("meaning_similarity"))] = 0
    judge: Annotated[str, typer.Option(metavar="PROVIDER", help=say("judge"))] = ""
    judge_min_score: Annotated[float | None, typer.Option(min=0, max=5, help=say("judge_min_score"))] = None

    async def gates(self, client: Client, project_id: str) -> Gates:
        """The gates that are wanted, of a project.

        Raises:
            ApiError: the project has no such provider, or a score is wanted of no judge.
        """
        gates = Gates(
            off=[name.upper().replace("-", "_") for name in self.gate_off or []],
            min_answer_chars=self.min_answer_chars,
            max_answer_chars=self.max_answer_chars,
            near_copy_similarity=self.near_copy_similarity,
            meaning_similarity=self.meaning_similarity,
        )
        if self.embedding_provider:
            gates.embedding_provider_id = await find_provider(client, project_id, self.embedding_provider)
        if self.judge:
            gates.judge.provider_id = await find_provider(client, project_id, self.judge)
            gates.judge.min_score = self.judge_min_score or 0
        elif self.judge_min_score is not None:
            raise ApiError("INVALID_ARGUMENT", "OPTION_MISSING", "--judge-min-score needs --judge PROVIDER")
        return gates


def list_gates() -> None:
    """`sishu generation gates`: print each gate and what it rejects."""
    if SETTINGS.json:
        for gate in GATES.values():
            line = {"name": gate.name, "of": gate.of, "en": gate.en, "zh": gate.zh}
            print(json.dumps(line, ensure_ascii=False))
        return
    show_fields((gate.name, gate.zh if LANGUAGE == "zh" else gate.en) for gate in GATES.values())
