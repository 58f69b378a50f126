"""Built-in prompts, filled without a database."""

from __future__ import annotations

from functools import cache

from services.generation.prompts.built_in import BUILTIN, Prompt, builtin_text, builtin_version
from services.generation.prompts.prompt_templates import PromptTemplate, parsed


def render(name: str, language: str, **values: object) -> Prompt:
    """A built-in prompt with values in it, without a genre-audience pair and what is there already unless given."""
    version = builtin_version(name, language)
    usual = {"genre": "", "audience": "", "instruction": "", "existing": []}
    return Prompt(version, template(version).fill({**usual, **values}))


@cache
def template(version: str) -> PromptTemplate:
    """A built-in template."""
    text = builtin_text(version)
    assert text is not None, version
    return parsed(text, BUILTIN[version.partition(".")[0]].variables)
