"""What can be wished of an export."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

FILE_TYPES = ("json", "jsonl", "csv", "parquet")
COMPRESSIONS = ("gzip", "zstd")
REASONING = ("none", "tags", "field")
UNSAID: tuple[Any, ...] = (None, "", (), [])
"""Values of a filter that leave all in."""


@dataclass(frozen=True)
class Column:
    """A column of one's own: its name, and the Jinja template that fills it."""

    name: str
    template: str


@dataclass(frozen=True)
class ExportFilter:
    """What examples of a version must be like.

    A field that is None or empty leaves all in, several hold together; of several values one must fit.
    """

    document_ids: Sequence[str] = ()
    tag_ids: Sequence[str] = ()
    labels: Sequence[str] = ()
    min_score: float | None = None
    max_score: float | None = None
    languages: Sequence[str] = ()
    question_types: Sequence[str] = ()
    sources: Sequence[str] = ()
    """As the column `source` of shards has them."""
    review_states: Sequence[str] = ()
    text: str = ""
    """Stands in one of the turns, whatever the case."""

    @property
    def said(self) -> dict[str, Any]:
        """The fields that do not leave all in."""
        named = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in named.items() if value not in UNSAID}


LISTED = tuple(each.name for each in fields(ExportFilter) if each.default == ())
"""Fields of a filter that have several values; their order says nothing."""


@dataclass(frozen=True)
class ExportOptions:
    """How an export is made; a shape or a bundle is named, never both."""

    shape: str = ""
    """What a row looks like; see `shapes.SHAPES`."""
    bundle: str = ""
    """A folder for a program, with all that it needs; see `bundles.BUNDLES`."""
    file_type: str = ""
    """`json` (one array), `jsonl`, `csv` or `parquet`; empty for what the bundle's program reads best, for a
    shape `jsonl`."""
    compression: str = ""
    """`gzip` or `zstd`; empty for none. Parquet is compressed inside: by gzip if so said, else by zstd."""
    reasoning: str = ""
    """What becomes of the way to an answer: `none` leaves it out, `tags` puts it before the answer, `field`
    into a field of its own. Empty for what is usual with the shape."""
    reasoning_open: str = "<think>\n"
    """What stands before it, in `tags`."""
    reasoning_close: str = "\n</think>\n\n"
    """What stands between it and the answer, in `tags`."""
    reasoning_field: str = "reasoning_content"
    """The field's name, in `field`; shapes that have a name of their own keep it."""
    system_prompt: str = ""
    """System message of every conversation, before one that it has of its own."""
    replace_system: bool = False
    """The system prompt takes the place of the conversation's own, which goes even if there is no prompt."""
    splits: Sequence[str] = ()
    """Only these; empty for all."""
    kinds: Sequence[str] = ()
    """Only examples of these kinds; empty for all that the shape can carry."""
    max_per_tag: int = 0
    """At most so many examples of a split bear the same tag; 0 for no limit."""
    max_per_label: int = 0
    """The same of labels."""
    seed: int = 0
    """Decides which of too many stay."""
    columns: Sequence[Column] = ()
    """The columns of the shape `custom`."""
    filter: ExportFilter = field(default_factory=ExportFilter)
    """Only examples that fit."""

    @property
    def capped(self) -> bool:
        """Whether some of too many are to go."""
        return bool(self.max_per_tag or self.max_per_label)

    def wants_split(self, split: str) -> bool:
        """Whether a split is exported."""
        return not self.splits or split in self.splits

    def wants_kind(self, kind: str) -> bool:
        """Whether examples of a kind are exported."""
        return not self.kinds or kind in self.kinds
