"""How a model picks its words: options that providers and generations share."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from sishu.cli.texts import say
from sishu.common.v1.message_pb2 import Sampling


def json_object(text: str) -> dict[str, Any]:
    """An object of JSON.

    Raises:
        BadParameter: it is none.
    """
    with contextlib.suppress(ValueError):
        value = json.loads(text)
        if isinstance(value, dict):
            return value
    raise typer.BadParameter(say("extra_body_invalid"))


@dataclass(frozen=True)
class SamplingOptions:
    """What is sent to the model's server; what is not said is not sent."""

    temperature: Annotated[float | None, typer.Option(min=0, max=2, help=say("temperature"))] = None
    top_p: Annotated[float | None, typer.Option(min=0, max=1, help=say("top_p"))] = None
    max_answer_tokens: Annotated[
        int | None, typer.Option(min=1, max=2**31 - 1, help=say("max_answer_tokens"))
    ] = None
    seed: Annotated[int | None, typer.Option(min=-(2**63), max=2**63 - 1, help=say("seed"))] = None
    extra_body: Annotated[
        dict[str, Any] | None, typer.Option(metavar="JSON", parser=json_object, help=say("extra_body"))
    ] = None

    def fill(self, sampling: Sampling) -> bool:
        """Put what was said into a sampling; whether anything was."""
        given = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_answer_tokens,
            "seed": self.seed,
        }
        for name, value in given.items():
            if value is not None:
                setattr(sampling, name, value)
        if self.extra_body is not None:
            sampling.extra_body.update(self.extra_body)
        return self.extra_body is not None or any(value is not None for value in given.values())
