"""The hot loops, from `c/`; there is no such module where that was not compiled. `by_numpy` does the same.

Rows are given as columns: `values` (uint8, 256 a row), `grams` (uint32, ascending in each row; empty when
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
    """Of texts: grams (uint32), how many each has (int32) and had (int32), values (uint8), keys (uint64)."""

def keys(values: object, rows: object, start: int, depth: int, bands: int, /) -> bytes:
    """Of bands side by side a number (uint32) for the `depth` values of each of the rows (int32) in it."""

def band(
    values: object, rows: object, keys: object, start: int, depth: int, full: int, /
) -> tuple[bytes, bytes, bytes]:
    """The buckets of a band by its keys: `order`, `first` and `last` of the rows that share one.

    Those of a bucket are in the order of `rows`; in one of more than `full` rows, in the order of the next 16
    values, in which the most alike are neighbours.
    """

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
    """Mark in `marked` (uint8, a row each) rows whose `kept` (uint8) is 0 that are like one of 1."""
