"""The hot loops, from `c/`; there is no such module where that was not compiled. `by_numpy` does the same.

Rows are given as columns: `values` (uint16, 256 a row), `grams` (uint32, ascending in each row; empty when
two rows are alike by their values alone), `starts` (int64, where the grams of each row start, and the end),
`sizes` (int32, how many grams each row had before those above a limit were left out).

Buckets are given as places: `order` (int32, the row at each place), `first` and `last` (int32, the places
[first, last) of the bucket that a place is in). In a bucket of more than `full` rows a row is compared with
`window` neighbours only.
"""

VERSION: int
"""Of what is called from Python."""

def sketch(
    texts: tuple[str, ...], factors: object, terms: object, limit: int, /
) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    """Of texts: grams (uint32), how many each has (int32) and had (int32), values (uint16), keys (uint64)."""

def join(
    values: object,
    grams: object,
    starts: object,
    sizes: object,
    threshold: float,
    least_equal: int,
    order: object,
    first: object,
    last: object,
    full: int,
    window: int,
    parents: object,
    /,
) -> None:
    """Join rows that are alike in `parents` (int32, a forest whose roots are the lowest of their trees)."""

def match(
    values: object,
    grams: object,
    starts: object,
    sizes: object,
    threshold: float,
    least_equal: int,
    order: object,
    first: object,
    last: object,
    full: int,
    window: int,
    kept: object,
    marked: object,
    /,
) -> None:
    """Mark in `marked` (uint8, a row each) those rows that are not `kept` (uint8) and like one that is."""
