"""One interface for all strategies: the module of a strategy is loaded when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, cast

from services.ingest.outline import Span
from services.ingest.readers.reading import Reading
from services.ingest.splitting.options import SplitOptions


class Strategy(Protocol):
    """A module of this package that bears the name of a strategy."""

    def spans(self, reading: Reading, options: SplitOptions) -> list[Span]:
        """Half-open spans of a document's text; they cover it without gap or overlap, and none is empty."""


def split(text: str, options: SplitOptions | None = None) -> list[Span]:
    """Half-open spans of a bare Markdown text, as `split_reading` gives them; for tests and measurements.

    Raises:
        InvalidArgument: the tokenizer cannot be had, or a cut point is behind the text's end.
    """
    return split_reading(Reading(text), options or SplitOptions())


def split_reading(reading: Reading, options: SplitOptions) -> list[Span]:
    """Half-open spans of a document's text; they cover it without gap or overlap, and none is empty.

    Raises:
        InvalidArgument: the tokenizer cannot be had, or a cut point is behind the text's end.
    """
    strategy = cast(Strategy, import_module(f"services.ingest.splitting.{options.strategy}"))
    return strategy.spans(reading, options)
