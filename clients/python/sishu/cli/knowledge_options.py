"""The model that is to learn, asked first what it knows: options of questions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from sishu.cli.find import find_provider
from sishu.cli.texts import say
from sishu.client import Client
from sishu.errors import ApiError
from sishu.generation.v1.question_options_pb2 import KnowledgeOptions


@dataclass(frozen=True)
class KnowledgeWishes:
    """Who is asked what it knows; what is not said is left to the service."""

    knowledge: Annotated[str, typer.Option(metavar="PROVIDER", help=say("knowledge"))] = ""
    known_forms: Annotated[int, typer.Option(min=0, max=20, help=say("known_forms"))] = 0
    min_f1: Annotated[float, typer.Option(min=0, max=1, help=say("min_f1"))] = 0

    async def wanted_knowledge(self, client: Client, project_id: str) -> KnowledgeOptions | None:
        """What is wanted of a model of a project; nothing where none is to be asked.

        Raises:
            ApiError: the project has no such provider, or the others are given without it.
        """
        if self.knowledge:
            provider_id = await find_provider(client, project_id, self.knowledge)
            return KnowledgeOptions(
                provider_id=provider_id, forms_per_known_fact=self.known_forms, min_f1=self.min_f1
            )
        if self.known_forms or self.min_f1:
            name = "--known-forms" if self.known_forms else "--min-f1"
            raise ApiError("INVALID_ARGUMENT", "OPTION_MISSING", f"{name} needs --knowledge PROVIDER")
        return None
