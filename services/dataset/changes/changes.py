"""Changes of many examples at once: which, and what they become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from services.dataset.changes.replacing import TextReplacement
from services.dataset.examples.examples import Example
from services.dataset.examples.filters import ExampleFilter, filter_json, filter_of
from services.dataset.examples.rules import is_sound
from services.runtime.errors import InvalidArgument
from services.runtime.jobs import Job


@dataclass(frozen=True)
class Become:
    """What examples become; what is empty or None stays."""

    state: str | None = None
    rejection: Mapping[str, Any] | None = None
    score: float | None = None
    add_labels: Sequence[str] = ()
    remove_labels: Sequence[str] = ()
    add_tag_ids: Sequence[str] = ()
    remove_tag_ids: Sequence[str] = ()
    replace_texts: Sequence[TextReplacement] = ()

    def check(self) -> None:
        """Demand that something changes.

        Raises:
            InvalidArgument: nothing does, a rejection stands without the state, or texts are not all.
        """
        if self.rejection and self.state != "rejected":
            message = "rejection: only with state REJECTED"
            raise InvalidArgument("FIELD_INVALID", message, "rejection")
        said = [name for name, value in asdict(self).items() if value not in (None, (), [])]
        if not said:
            message = "state: say what changes: a state, a score, labels, tags or texts"
            raise InvalidArgument("FIELD_INVALID", message, "state")
        if "replace_texts" in said and len(said) > 1:
            others = " and ".join(name for name in said if name != "replace_texts")
            message = f"replace_texts: stands alone; change {others} by a request of its own"
            raise InvalidArgument("FIELD_INVALID", message, "replace_texts")

    def suits(self, example: Example) -> bool:
        """Whether an example may become so: one that is kept obeys the rules of its kind."""
        return self.state != "kept" or example.state == "kept" or is_sound(example)


@dataclass(frozen=True)
class Wanted:
    """Which examples change, and what they become; both are empty where a change is undone."""

    examples: ExampleFilter = field(default_factory=ExampleFilter)
    become: Become = field(default_factory=Become)

    def as_json(self) -> dict[str, Any]:
        """As a jsonb value."""
        return {"examples": filter_json(self.examples), "become": asdict(self.become)}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Wanted:
        """From its jsonb value."""
        become = dict(values["become"])
        texts = [TextReplacement(**one) for one in become.pop("replace_texts", ())]
        return cls(filter_of(values["examples"]), Become(**become, replace_texts=texts))


@dataclass(frozen=True)
class Change:
    """A change of many examples, and how far it has got; `kind` is update, delete, undo, restore or apply."""

    id: str
    kind: str
    author: str
    undone_change_id: str
    changed: int
    skipped: int
    create_time: datetime
    job: Job
    counts: Mapping[str, int] = field(default_factory=dict)
    """Of a restore: examples by what became of them."""
    generation_id: str = ""
