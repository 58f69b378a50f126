"""Prompts: Jinja templates by name, language and version, filled in one pass.

A changed prompt is a new file with the next version: `answer.en@1.jinja` → `answer.en@2.jinja`. Every row
that a model wrote says which one made it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template

FOLDER = Path(__file__).parent
CURRENT = {"questions": 1, "answer": 1}
SEPARATOR = "\n=====\n"
"""Stands between the messages of a template: system, then user and assistant in turn, then user."""
MARK = re.compile(r"\{[{%#]")


@dataclass(frozen=True)
class Prompt:
    """A rendered prompt: the system message, then user and assistant in turn, the user last."""

    version: str
    texts: Sequence[str]

    def messages(self) -> list[dict[str, str]]:
        """As chat messages."""
        system, *turns = self.texts
        roles = ("user", "assistant")
        return [
            {"role": "system", "content": system},
            *({"role": roles[index % 2], "content": text} for index, text in enumerate(turns)),
        ]


def render(name: str, language: str, **values: object) -> Prompt:
    """Fill the current version of a prompt; text in the values is never read as template."""
    version = f"{name}.{language}@{CURRENT[name]}"
    parts = templates(version)
    return Prompt(version, [part if isinstance(part, str) else filled(part, values) for part in parts])


def filled(part: Template, values: Mapping[str, object]) -> str:
    """A message with the values in it."""
    return part.render(values).strip()


@cache
def templates(version: str) -> list[Template | str]:
    """The templates of a prompt version, one a message; a message without values, as an example, is text."""
    # The result goes to a model, not to a browser: escaping would spoil it.
    environment = Environment(undefined=StrictUndefined, autoescape=False, trim_blocks=True)  # noqa: S701
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    text = (FOLDER / f"{version}.jinja").read_text(encoding="utf-8")
    parts = text.split(SEPARATOR)
    return [environment.from_string(part) if MARK.search(part) else part.strip() for part in parts]
