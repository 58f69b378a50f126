"""Runs of words that two sets of texts share: how a benchmark is found in what is trained on.

13 words as in Brown et al. 2020 ("Language Models are Few-Shot Learners", appendix C): case and signs left
aside, every letter of Chinese, Japanese, Thai and their like being a word. A kept text of fewer words, but
`SHORTEST` at least, is looked for as a whole.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from services.dataset.copies.texts import batched

Longs: TypeAlias = npt.NDArray[np.int64]
Hashes: TypeAlias = npt.NDArray[np.uint64]

SHORTEST = 8
"""Fewest words of a text that is looked for."""
NO_BLANKS = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
)
"""Letters of scripts that put no blanks between words, or few."""
WORD = re.compile(f"[{NO_BLANKS}]|[^\\W_{NO_BLANKS}]+")


@dataclass(frozen=True)
class Shared:
    """What a text shares with a kept one, the first such run of words.

    Args:
        other: index of the text.
        kept: index of the first kept text that has these words.
        words: the words, case folded, a space between them.
    """

    other: int
    kept: int
    words: str


def words_of(text: str) -> list[str]:
    """The words of a text, case folded."""
    return WORD.findall(as_words_see_it(text))


def as_words_see_it(text: str) -> str:
    """The form of a text in which its words are found: NFKC, case folded."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return text.casefold()


class Runs:
    """All runs of words of the kept texts, by their length.

    Args:
        kept: the texts, read once.
        n: words of a run.
    """

    def __init__(self, kept: Iterable[str], n: int) -> None:
        self._numbers: dict[str, int] = {}
        self._kept: dict[int, tuple[Hashes, Longs]] = {}
        found: dict[int, list[tuple[Hashes, Longs]]] = {}
        first = 0
        for batch in batched(kept):
            numbers, starts = self.numbered(batch, learn=True)
            lengths = np.diff(starts)
            for length in range(min(SHORTEST, n), n + 1):
                # A text shorter than a run is one run.
                wanted = lengths >= length if length == n else lengths == length
                hashes, places = runs(numbers, starts, length)
                texts = np.searchsorted(starts, places, side="right") - 1
                own = wanted[texts]
                found.setdefault(length, []).append((hashes[own], texts[own] + first))
            first += len(batch)
        for length, parts in found.items():
            hashes, texts = (np.concatenate(column) for column in zip(*parts, strict=True))
            known, firsts = np.unique(hashes, return_index=True)
            if known.size:
                self._kept[length] = known, texts[firsts]

    def shared_with(self, texts: Sequence[str]) -> Iterator[Shared]:
        """What each of some texts shares, in their order; a text that shares nothing is passed over."""
        numbers, starts = self.numbered(texts, learn=False)
        found: dict[int, tuple[int, int, int]] = {}
        for length, (known, owners) in self._kept.items():
            hashes, places = runs(numbers, starts, length)
            at = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
            hit = known[at] == hashes
            others = np.searchsorted(starts, places[hit], side="right") - 1
            for other, place, kept in zip(
                others.tolist(), places[hit].tolist(), owners[at[hit]].tolist(), strict=True
            ):
                found[other] = min(found.get(other, (place, -length, kept)), (place, -length, kept))
        for other, (place, length, kept) in sorted(found.items()):
            start = place - int(starts[other])
            yield Shared(other, kept, " ".join(words_of(texts[other])[start : start - length]))

    def numbered(self, texts: Sequence[str], *, learn: bool) -> tuple[Hashes, Longs]:
        """The words of texts as numbers, and where each text starts; 0 is a word that no kept text has."""
        numbers: list[int] = []
        starts = [0]
        for text in texts:
            words = words_of(text)
            if learn:
                numbers += [self._numbers.setdefault(word, len(self._numbers) + 1) for word in words]
            else:
                numbers += [self._numbers.get(word, 0) for word in words]
            starts.append(len(numbers))
        return np.array(numbers, np.uint64), np.array(starts)


def shared_ngrams(kept: Iterable[str], others: Iterable[str], n: int = 13) -> Iterator[Shared]:
    """Which of `others` share a run of `n` words with one of `kept`, ascending.

    Args:
        kept: the texts of a benchmark, or of an exam; read once, their runs of words are held (16 bytes
            each).
        others: texts to look at; read once, batch by batch.
        n: words of a run.

    Raises:
        ValueError: `n` is below 1.
    """
    if n < 1:
        raise ValueError(f"runs of {n} words; give one word at least")
    known = Runs(kept, n)
    first = 0
    for batch in batched(others):
        for one in known.shared_with(batch):
            yield Shared(first + one.other, one.kept, one.words)
        first += len(batch)


def runs(numbers: Hashes, starts: Longs, length: int) -> tuple[Hashes, Longs]:
    """A hash for each run of so many words within a text, and the place where it starts.

    Two different runs share a hash once in 2^64; what it says of them would be wrong then.
    """
    count = max(0, len(numbers) - length + 1)
    hashes = np.zeros(count, np.uint64)
    for step in range(length):
        hashes = (hashes ^ numbers[step : step + count]) * np.uint64(0x9E3779B97F4A7C15)
        hashes ^= hashes >> np.uint64(32)
    lefts = np.repeat(starts[1:], np.diff(starts))[:count] - np.arange(count)
    places = np.flatnonzero(lefts >= length)
    return hashes[places], places
