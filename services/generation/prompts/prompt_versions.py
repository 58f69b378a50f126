"""Versions of prompts: those that are built in, and those of projects."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from services.generation.prompts.built_in import BUILTIN, LANGUAGES, Variable, builtin_text, builtin_version
from services.runtime.errors import NotFound

NAMED = re.compile(r"([a-z_]+)\.([a-z]+)@(project-)?([1-9][0-9]{0,8})")


@dataclass(frozen=True)
class PromptName:
    """Name and language of a prompt."""

    name: str
    language: str

    def __str__(self) -> str:
        """As people write it: `questions.en`."""
        return f"{self.name}.{self.language}"

    @property
    def builtin(self) -> str:
        """The version that is built in."""
        return builtin_version(self.name, self.language)

    @property
    def variables(self) -> tuple[Variable, ...]:
        """What its templates are filled with."""
        return BUILTIN[self.name].variables


@dataclass(frozen=True)
class PromptVersion:
    """A version of a prompt; it never changes but in whether it is current.

    Args:
        project_id: UUID of the project.
        prompt: which prompt.
        number: which version of it, from 1.
        template: its text.
        own: whether it was made in the project, and is not built in.
        current: whether generations that start now go by it.
        create_time: when it was made; nothing for one that is built in.
    """

    project_id: str
    prompt: PromptName
    number: int
    template: str
    own: bool
    current: bool
    create_time: datetime | None = None

    @property
    def version(self) -> str:
        """Its name, under which texts say that it made them."""
        return f"{self.prompt}@{'project-' if self.own else ''}{self.number}"

    @property
    def size_bytes(self) -> int:
        """About how large it is in an answer."""
        return len(self.template.encode())


ALL = [PromptName(name, language) for name in sorted(BUILTIN) for language in LANGUAGES]


def prompt_named(name: str, language: str) -> PromptName:
    """A prompt.

    Raises:
        NotFound: there is none.
    """
    found = PromptName(name, language)
    if found not in ALL:
        raise prompt_not_found(str(found))
    return found


def parsed_version(version: str) -> tuple[PromptName, int, bool]:
    """The prompt of a version, its number, and whether it is a project's own.

    Raises:
        NotFound: it can be none.
    """
    match = NAMED.fullmatch(version)
    if match is None:
        raise prompt_not_found(version)
    name, language, own, number = match.groups()
    return prompt_named(name, language), int(number), bool(own)


def builtin(project_id: str, version: str, *, current: bool) -> PromptVersion:
    """A version that is built in, as a project sees it.

    Raises:
        NotFound: there is none.
    """
    prompt, number, own = parsed_version(version)
    template = None if own else builtin_text(version)
    if template is None:
        raise prompt_not_found(version)
    return PromptVersion(project_id, prompt, number, template, False, current)


def prompt_not_found(version: str) -> NotFound:
    """The error for a prompt, or a version, that is not there."""
    prompts = [str(one) for one in ALL]
    name = version.partition("@")[0].partition(".")[0]
    names = ", ".join([one for one in prompts if one.partition(".")[0] == name] or prompts)
    return NotFound(
        "PROMPT_NOT_FOUND",
        f"the project has no prompt {version}; there are {names}, each with its versions",
        version=version,
        names=names,
    )
