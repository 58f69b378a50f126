"""How a text is to be split."""

from __future__ import annotations

from dataclasses import dataclass

from services.runtime.errors import InvalidArgument

DEFAULT_MIN = 800
DEFAULT_MAX = 1500
STRATEGIES = ("structure", "recursive", "token", "code", "separator", "custom", "page", "row")
UNITS = ("characters", "tokens")


@dataclass(frozen=True)
class SplitOptions:
    """How to split; what contradicts itself is refused.

    Args:
        strategy: one of `STRATEGIES`.
        unit: what sizes count, one of `UNITS`; `token` always counts tokens.
        min_size: a smaller chunk is joined with what follows, where `max_size` allows.
        max_size: no chunk is larger, except a single thing that is not to be cut.
        overlap: by so much a chunk repeats the end of the one before.
        tokenizer: hub id, folder or file `tokenizer.json`; empty for the built-in estimate.
        separators: for `separator` and `recursive`.
        cut_points: offsets at which `custom` cuts.

    Raises:
        InvalidArgument: an option is unknown, or contradicts another.
    """

    strategy: str = "structure"
    unit: str = "characters"
    min_size: int = DEFAULT_MIN
    max_size: int = DEFAULT_MAX
    overlap: int = 0
    tokenizer: str = ""
    separators: tuple[str, ...] = ()
    cut_points: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Make tuples of lists, as JSON brings them, and check."""
        object.__setattr__(self, "separators", tuple(self.separators))
        object.__setattr__(self, "cut_points", tuple(self.cut_points))
        check_names(self)
        check_sizes(self)
        check_separators(self)
        check_cut_points(self)


def check_names(options: SplitOptions) -> None:
    """Refuse unknown strategies and units."""
    if options.strategy not in STRATEGIES:
        raise invalid("strategy", f"strategy is {options.strategy!r}; use one of {', '.join(STRATEGIES)}")
    if options.unit not in UNITS:
        raise invalid("unit", f"unit is {options.unit!r}; use one of {', '.join(UNITS)}")


def check_sizes(options: SplitOptions) -> None:
    """Refuse sizes that contradict each other."""
    low, high, overlap = options.min_size, options.max_size, options.overlap
    if not 0 < low <= high:
        raise invalid("min_size", f"min_size ({low}) must be at least 1 and at most max_size ({high})")
    if not 0 <= overlap < low:
        raise invalid("overlap", f"overlap ({overlap}) must be at least 0 and less than min_size ({low})")


def check_separators(options: SplitOptions) -> None:
    """Refuse separators where none are used, none where some are needed, and empty ones."""
    if options.separators and options.strategy not in {"separator", "recursive"}:
        raise invalid("separators", f"strategy {options.strategy} takes no separators; leave them out")
    if options.strategy == "separator" and not options.separators:
        raise invalid("separators", "strategy separator needs separators; give at least one")
    if not all(options.separators):
        raise invalid("separators", "a separator is empty; leave it out")


def check_cut_points(options: SplitOptions) -> None:
    """Refuse cut points where none are used, and those out of order."""
    points = options.cut_points
    if points and options.strategy != "custom":
        raise invalid("cut_points", f"strategy {options.strategy} takes no cut points; leave them out")
    if any(after <= before for before, after in zip((0, *points), points, strict=False)):
        raise invalid("cut_points", "cut points must be above 0, each greater than the one before")


def invalid(field: str, message: str) -> InvalidArgument:
    """The error for an option at fault."""
    return InvalidArgument("SPLIT_OPTIONS_INVALID", message, f"split_options.{field}")
