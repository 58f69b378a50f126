"""What is kept of an error: of a job, of a document, of whatever failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.runtime.errors import SishuError


@dataclass(frozen=True)
class Failure:
    """The stored form of an error."""

    code: str
    reason: str
    message: str
    metadata: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, error: SishuError) -> Failure:
        """What an error says."""
        return cls(error.code, error.reason, error.message, error.metadata)

    @property
    def size(self) -> int:
        """About how many bytes it takes in an answer."""
        return sum(len(text.encode()) for text in (self.message, *self.metadata.values()))

    def as_json(self) -> dict[str, Any]:
        """As a jsonb value."""
        return {
            "code": self.code,
            "reason": self.reason,
            "message": self.message,
            "metadata": dict(self.metadata),
        }
