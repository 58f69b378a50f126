"""Generations: runs over a project's chunks that write questions and answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.runtime.jobs import Job


@dataclass(frozen=True)
class GenerationOptions:
    """What to write; see `sishu.generation.v1.GenerationOptions`."""

    chars_per_fact: int = 240
    forms_per_fact: int = 2
    facts_per_call: int = 8
    context_chars: int = 0
    language: str = ""
    sampling: Mapping[str, Any] = field(default_factory=dict)
    document_ids: Sequence[str] = ()


@dataclass(frozen=True)
class Generation:
    """A generation; its state is that of its job."""

    id: str
    project_id: str
    provider_id: str
    options: GenerationOptions
    create_time: datetime


@dataclass(frozen=True)
class GenerationStats:
    """What a generation made so far."""

    questions: int
    answered: int
    rejected: int
    rejected_by_reason: Mapping[str, int]
    prompt_tokens: int
    completion_tokens: int
    calls: int


@dataclass(frozen=True)
class GenerationView:
    """A generation with its job and what it made."""

    generation: Generation
    job: Job
    stats: GenerationStats
