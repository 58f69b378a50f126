"""What rows are like, told while they pass: counts, lengths, languages, doubles, columns.

It takes as much memory for a million rows as for ten, but for eight bytes a row by which doubles are found.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from numpy.typing import NDArray

from services.dataset.imports.rows import Fault, Imported, Stored
from services.dataset.imports.seen_columns import MOST_TOLD, SeenColumns

if TYPE_CHECKING:
    from tokenizers import Tokenizer

EXACT = 256
"""Lengths below are counted each for itself."""
STEPS = 128
"""Longer ones in so many steps to each doubling, so that a quantile is right to 1 %."""
DOUBLINGS = 40
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
WAITING = 4096
TOKENS_AT_ONCE = 256


@dataclass(frozen=True)
class Lengths:
    """How long things are.

    Args:
        count: how many there are.
        total: of their lengths.
        least: the shortest.
        most: the longest.
        quantiles: length by share, right to 1 %.
        bins: how many have a length from a power of two up to the next, by that power; 0 has its own.
    """

    count: int
    total: int
    least: int
    most: int
    quantiles: Mapping[float, int]
    bins: Mapping[int, int]


class Histogram:
    """Counts lengths in a fixed number of steps."""

    def __init__(self) -> None:
        self._counts = np.zeros(EXACT + STEPS * DOUBLINGS, np.int64)
        self._waiting = array("q")
        self._total = 0
        self._least, self._most = -1, 0

    def add(self, length: int) -> None:
        """Count a length."""
        self.add_all((length,))

    def add_all(self, lengths: Iterable[int]) -> None:
        """Count lengths."""
        self._waiting.extend(lengths)
        if len(self._waiting) >= WAITING:
            self._flush()

    def lengths(self) -> Lengths:
        """What was counted."""
        self._flush()
        count = int(self._counts.sum())
        if not count:
            return Lengths(0, 0, 0, 0, {}, {})
        sums = np.cumsum(self._counts)
        places = [int(np.searchsorted(sums, max(1, round(share * count)))) for share in QUANTILES]
        quantiles = {
            share: min(max(length_at(place), self._least), self._most)
            for share, place in zip(QUANTILES, places, strict=True)
        }
        return Lengths(count, self._total, self._least, self._most, quantiles, self._bins())

    def _bins(self) -> dict[int, int]:
        """Counts by powers of two."""
        found: Counter[int] = Counter()
        for place in np.flatnonzero(self._counts).tolist():
            length = length_at(place)
            found[1 << (length.bit_length() - 1) if length else 0] += int(self._counts[place])
        return dict(sorted(found.items()))

    def _flush(self) -> None:
        if not self._waiting:
            return
        lengths = np.frombuffer(self._waiting, np.int64)
        self._counts += np.bincount(places_of(lengths), minlength=len(self._counts))
        self._total += int(lengths.sum())
        least = int(lengths.min())
        self._least = least if self._least < 0 else min(self._least, least)
        self._most = max(self._most, int(lengths.max()))
        self._waiting = array("q")


def places_of(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """The steps of lengths."""
    mantissas, exponents = np.frexp(np.maximum(lengths, EXACT).astype(np.float64))
    steps = ((2 * mantissas - 1) * STEPS).astype(np.int64)
    # 256 is 0.5 * 2 ** 9.
    far = EXACT + (exponents.astype(np.int64) - 9) * STEPS + steps
    return np.where(lengths < EXACT, lengths, np.minimum(far, EXACT + STEPS * DOUBLINGS - 1))


def length_at(place: int) -> int:
    """The length in the middle of a step."""
    if place < EXACT:
        return place
    doubling, step = divmod(place - EXACT, STEPS)
    return int(EXACT * 2**doubling * (1 + (step + 0.5) / STEPS))


class Profile:
    """Looks at what becomes of rows as they pass.

    Args:
        tokenizer: counts tokens, too, if there is one.
    """

    def __init__(self, tokenizer: Tokenizer | None = None) -> None:
        self._tokenizer = tokenizer
        self._groups: Counter[tuple[str, str, int]] = Counter()
        self._characters = Histogram()
        self._tokens = Histogram()
        self._digests = array("q")
        self._faults: Counter[str] = Counter()
        self._empty: Counter[str] = Counter()
        self._unread: Counter[str] = Counter()
        self._columns = SeenColumns()

    def add_rows(self, rows: Sequence[Imported]) -> None:
        """Look at rows that became examples."""
        self._groups.update([(one.kind, one.language, one.turns) for one in rows])
        self._characters.add_all([one.characters for one in rows])
        contents = [one.content for one in rows]
        self._digests.extend(map(hash, contents))
        if self._tokenizer is not None:
            for at in range(0, len(contents), TOKENS_AT_ONCE):
                self._count_tokens(self._tokenizer, contents[at : at + TOKENS_AT_ONCE])

    def add_stored(self, rows: Iterable[Stored]) -> None:
        """Look at examples that are stored."""
        self.add_rows([imported_of(one) for one in rows])

    def add_fault(self, fault: Fault) -> None:
        """Count a fault."""
        self._faults[fault.reason] += 1

    def next_file(self) -> SeenColumns:
        """What looks at the columns of the next file."""
        self._empty += self._columns.empty
        self._unread += self._columns.unread
        self._columns = SeenColumns()
        return self._columns

    @property
    def unread_columns(self) -> dict[str, int]:
        """Rows with something in a column that no example was made of, by column, the most first."""
        return dict((self._unread + self._columns.unread).most_common(MOST_TOLD))

    def figures(self) -> dict[str, Any]:
        """All that was seen."""
        kinds, languages, turns = (self._by(place) for place in range(3))
        return {
            "examples": self._groups.total(),
            "kinds": dict(kinds),
            "languages": dict(languages),
            "turns": {str(number): count for number, count in sorted(turns.items())},
            "characters": self._characters.lengths(),
            "tokens": self._tokens.lengths() if self._tokenizer is not None else None,
            "duplicates": duplicates_in(self._digests),
            "empty_columns": dict(self._empty + self._columns.empty),
            "unread_columns": self.unread_columns,
            "faults": dict(self._faults),
        }

    def _by(self, place: int) -> Counter[Any]:
        """Counts by one of kind, language and turns."""
        found: Counter[Any] = Counter()
        for group, count in self._groups.items():
            found[group[place]] += count
        return found

    def as_json(self) -> dict[str, Any]:
        """All that was seen, as JSON values."""
        found = self.figures()
        for name in ("characters", "tokens"):
            found[name] = found[name] and as_json(found[name])
        return found

    def _count_tokens(self, tokenizer: Tokenizer, contents: Sequence[bytes]) -> None:
        encodings = tokenizer.encode_batch_fast([text_of(one) for one in contents], add_special_tokens=False)
        self._tokens.add_all([len(encoding.ids) for encoding in encodings])


def imported_of(stored: Stored) -> Imported:
    """An example that is stored, as if it was just read."""
    messages = orjson.loads(stored.content)["messages"]
    turns = len(messages) - (messages[0]["role"] == "system")
    about = (b"", stored.characters, turns, stored.language, None, (), b"")
    return Imported("", 0, stored.kind, stored.content, *about)


def as_json(lengths: Lengths) -> dict[str, Any]:
    """Lengths as JSON values."""
    return {
        "count": lengths.count,
        "total": lengths.total,
        "min": lengths.least,
        "max": lengths.most,
        "quantiles": [[share, length] for share, length in lengths.quantiles.items()],
        "bins": {str(power): count for power, count in lengths.bins.items()},
    }


def text_of(content: bytes) -> str:
    """All texts of a content, one after the other."""
    said: dict[str, Any] = orjson.loads(content)
    messages: Sequence[Mapping[str, str]] = [*said["messages"], *sides_of(said)]
    return "\n".join(text for one in messages for text in (one.get("reasoning", ""), one["content"]) if text)


def sides_of(content: Mapping[str, Any]) -> list[Mapping[str, str]]:
    """The answers of a preference."""
    preference = content.get("preference", {})
    return [preference[side] for side in ("chosen", "rejected") if side in preference]


def duplicates_in(digests: array[int]) -> int:
    """How many digests are those of others before them."""
    found = np.frombuffer(digests, np.int64) if digests else np.zeros(0, np.int64)
    return len(found) - len(np.unique(found))
