"""Which examples are meant: by what, and in what order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import orjson

from services.dataset.examples.examples import Example
from services.runtime.errors import InvalidArgument

ORDERS = ("oldest", "newest", "lowest_score", "highest_score", "last_changed")
"""In which examples are listed."""
FACETS = (
    "state",
    "kind",
    "rejection_reason",
    "score",
    "label",
    "tag",
    "language",
    "generation",
    "document",
    "section",
    "question_type",
    "prompt_version",
    "model",
    "review_state",
)
"""By which examples are counted."""


MORE = ("source_gone", "deleted", "review_states", "import_ids")
"""What the SQL function `matches` takes by name, in one argument."""
APART = frozenset({*MORE, "text"})
TIMES = frozenset({"create_time_from", "create_time_before"})
NOTHING: tuple[Any, ...] = (None, (), [])
"""Values that leave all in."""


@dataclass(frozen=True)
class ExampleFilter:
    """What examples must be like; a field that is None or empty leaves all in, several hold together."""

    states: Sequence[str] = ()
    kinds: Sequence[str] = ()
    generation_ids: Sequence[str] = ()
    document_ids: Sequence[str] = ()
    heading_path: Sequence[str] = ()
    """First titles of the path to their section."""
    tag_ids: Sequence[str] = ()
    """One of these."""
    labels: Sequence[str] = ()
    """One of these."""
    min_score: float | None = None
    max_score: float | None = None
    rejection_reasons: Sequence[str] = ()
    languages: Sequence[str] = ()
    question_types: Sequence[str] = ()
    prompt_versions: Sequence[str] = ()
    models: Sequence[str] = ()
    min_characters: int | None = None
    max_characters: int | None = None
    create_time_from: datetime | None = None
    create_time_before: datetime | None = None
    source_gone: bool | None = None
    example_ids: Sequence[str] = ()
    text: str = ""
    """Stands in one of the turns, whatever the case."""
    deleted: bool = False
    """Only deleted ones; otherwise they are left out."""
    review_states: Sequence[str] = ()
    import_ids: Sequence[str] = ()

    @property
    def values(self) -> tuple[Any, ...]:
        """The arguments of the SQL function `matches`, in its order; what leaves all in is None."""
        more = {name: value for name in MORE if (value := getattr(self, name)) not in NOTHING}
        named = [getattr(self, field.name) for field in fields(self) if field.name not in APART]
        values = [None if value in NOTHING else value for value in named]
        return (*values[:-1], more or None, values[-1])

    @property
    def text_in_json(self) -> str:
        """The text in lower case, as it stands in JSON; what holds it there is still held against `says`."""
        return orjson.dumps(self.text.lower()).decode()[1:-1]

    def says(self, example: Example) -> bool:
        """Whether the text stands in one of the turns of an example."""
        wanted = self.text.lower()
        return not wanted or any(
            wanted in part.lower() for turn in example.said for part in (turn.content, turn.reasoning)
        )


def filter_json(wanted: ExampleFilter) -> dict[str, Any]:
    """A filter as a JSON value: the fields that say something, times as texts."""
    unset = ExampleFilter()
    named = {field.name: getattr(wanted, field.name) for field in fields(wanted)}
    said = {name: value for name, value in named.items() if value != getattr(unset, name) and value != []}
    return {name: value.isoformat() if name in TIMES else value for name, value in said.items()}


def filter_of(values: Mapping[str, Any]) -> ExampleFilter:
    """A filter from its JSON value."""
    times = {name: datetime.fromisoformat(values[name]) for name in TIMES & values.keys()}
    return ExampleFilter(**{**values, **times})


def countable(wanted: ExampleFilter) -> ExampleFilter:
    """A filter by which examples can be counted at once.

    Raises:
        InvalidArgument: it goes by text, for which every example would have to be read.
    """
    if wanted.text:
        message = "filter.text: examples are not counted by text; list them"
        raise InvalidArgument("FIELD_INVALID", message, "filter.text")
    return wanted
