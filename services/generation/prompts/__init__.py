"""Prompts: Jinja templates by name, language and version, filled in one pass.

A changed prompt is a new file with the next version: `answer.en@1.jinja` → `answer.en@2.jinja`. Every row
that a model wrote says which one made it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template

FOLDER = Path(__file__).parent
CURRENT = {"questions": 1, "answer": 1}
SEPARATOR = "\n=====\n"
"""Stands between the system message and the user message of a template."""


@dataclass(frozen=True)
class Prompt:
    """A rendered prompt."""

    version: str
    system: str
    user: str

    def messages(self) -> list[dict[str, str]]:
        """As chat messages."""
        return [{"role": "system", "content": self.system}, {"role": "user", "content": self.user}]


def render(name: str, language: str, **values: object) -> Prompt:
    """Fill the current version of a prompt; text in the values is never read as template."""
    version = f"{name}.{language}@{CURRENT[name]}"
    system, user = (part.render(**values).strip() for part in template(version))
    return Prompt(version, system, user)


@cache
def template(version: str) -> tuple[Template, Template]:
    """The system and user templates of a prompt version."""
    # The result goes to a model, not to a browser: escaping would spoil it.
    environment = Environment(undefined=StrictUndefined, autoescape=False, trim_blocks=True)  # noqa: S701
    text = (FOLDER / f"{version}.jinja").read_text(encoding="utf-8")
    system, user = text.split(SEPARATOR)
    return environment.from_string(system), environment.from_string(user)
