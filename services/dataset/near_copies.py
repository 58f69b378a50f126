"""Near copies: questions whose sets of character 3-grams are alike.

Grouping is MinHash with locality-sensitive hashing (Broder 1997; Leskovec, Rajaraman, Ullman, "Mining of
Massive Datasets", 3.4), each found pair being checked by its true Jaccard similarity. LSH misses a pair at
the threshold once in a thousand; `leaks` misses none, and is what keeps two sides apart.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from datasketch import MinHash
from datasketch.hashfunc import sha1_hash32

Shingles: TypeAlias = frozenset[int]
Signatures: TypeAlias = npt.NDArray[np.uint32]
Indices: TypeAlias = npt.NDArray[np.intp]

GRAM = 3
PERMUTATIONS = 128
MISSED = 1e-3
"""Most pairs at the threshold that LSH may miss."""
SLACK = 0.16
"""Four standard deviations of a MinHash estimate at 128 permutations."""
BLOCK = 2048
BINS = (512, 4096)
"""Fewest and most columns in which 3-grams are counted; more for long texts."""


class Groups:
    """A partition of 0…n-1 that grows coarser (union-find); the smallest member stands for its group."""

    def __init__(self, size: int) -> None:
        self._parents = np.arange(size)

    def find(self, member: int) -> int:
        """The smallest member of a member's group."""
        while (parent := int(self._parents[member])) != member:
            self._parents[member] = self._parents[parent]
            member = parent
        return member

    def join(self, left: int, right: int) -> None:
        """Make two groups one."""
        low, high = sorted((self.find(left), self.find(right)))
        self._parents[high] = low

    def roots(self) -> Indices:
        """The smallest member of every member's group."""
        roots = self._parents
        while not np.array_equal(roots, above := roots[roots]):
            roots = above
        self._parents = roots.copy()
        return roots


def normalise(text: str) -> str:
    """The form in which questions are compared: NFKC, case folded, runs of blanks made one space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def similarity(left: str, right: str) -> float:
    """Jaccard similarity of the character 3-grams of two texts, 0 to 1."""
    one, other = shingles([left, right])
    return jaccard(one, other)


def group_near_copies(texts: Sequence[str], threshold: float) -> list[int]:
    """A group number for each text; texts at least `threshold` alike share one, and so do all their likes."""
    forms = [normalise(text) for text in texts]
    numbers = {form: number for number, form in enumerate(dict.fromkeys(forms))}
    rows = shingles(list(numbers))
    groups = Groups(len(rows))
    for left, right in candidates(rows, threshold, groups):
        if groups.find(left) != groups.find(right) and jaccard(rows[left], rows[right]) >= threshold:
            groups.join(left, right)
    return [groups.find(numbers[form]) for form in forms]


def leaks(kept: Sequence[str], others: Sequence[str], threshold: float) -> list[int]:
    """Which of `others` are at least `threshold` like one of `kept`; exact, in time |kept|·|others|.

    A product of matrices in which 3-grams are counted in hashed columns can only overstate an overlap, so
    it rules out nearly all pairs, and never a wrong one; the rest are compared exactly.
    """
    rows = shingles([normalise(text) for text in [*kept, *others]])
    width = bins_of(rows)
    mine = np.arange(len(kept))
    found: list[int] = []
    for start in range(len(kept), len(rows), BLOCK):
        theirs = np.arange(start, min(start + BLOCK, len(rows)))
        alike = np.zeros(len(theirs), dtype=bool)
        for block in np.array_split(mine, range(BLOCK, len(mine), BLOCK)):
            for left, right in overlapping(rows, block, theirs[~alike], width, threshold):
                if not alike[right - start] and jaccard(rows[left], rows[right]) >= threshold:
                    alike[right - start] = True
        found += (theirs[alike] - len(kept)).tolist()
    return found


def shingles(texts: Iterable[str]) -> list[Shingles]:
    """The 3-grams of each text as numbers of one vocabulary; a shorter text is its own only 3-gram."""
    vocabulary: dict[str, int] = {}
    return [
        frozenset(
            vocabulary.setdefault(text[start : start + GRAM], len(vocabulary))
            for start in range(max(1, len(text) - GRAM + 1))
        )
        for text in texts
    ]


def jaccard(left: Shingles, right: Shingles) -> float:
    """Share of the 3-grams of either text that are in both."""
    both = len(left & right)
    return both / (len(left) + len(right) - both)


def candidates(rows: Sequence[Shingles], threshold: float, groups: Groups) -> Iterator[tuple[int, int]]:
    """Pairs of different groups that are perhaps `threshold` alike, some of them more than once."""
    signatures = signatures_of(rows)
    bands, depth = bands_for(threshold)
    for band in range(bands):
        keys = band_keys(signatures[:, band * depth : (band + 1) * depth])
        order = np.argsort(keys, kind="stable")
        for left, right in neighbours(keys[order]):
            ones, others = order[left], order[right]
            roots = groups.roots()
            apart = roots[ones] != roots[others]
            ones, others = ones[apart], others[apart]
            near = (signatures[ones] == signatures[others]).mean(axis=1) >= threshold - SLACK
            yield from zip(ones[near].tolist(), others[near].tolist(), strict=True)


def signatures_of(rows: Sequence[Shingles]) -> Signatures:
    """MinHash signatures, one row a text."""
    words = 1 + max(map(max, rows), default=-1)
    hashes = [sha1_hash32(number.to_bytes(4, "little")) for number in range(words)]
    minhashes = MinHash.generator(
        ([hashes[number] for number in row] for row in rows), num_perm=PERMUTATIONS, hashfunc=int
    )
    values = [minhash.hashvalues for minhash in minhashes]
    return np.array(values, dtype=np.uint32).reshape(len(rows), PERMUTATIONS)


def bands_for(threshold: float) -> tuple[int, int]:
    """Number and depth of LSH bands: as deep as can be while a pair at the threshold is hardly missed."""
    shapes = ((PERMUTATIONS // depth, depth) for depth in range(PERMUTATIONS, 0, -1))
    return next(
        (shape for shape in shapes if (1 - threshold ** shape[1]) ** shape[0] <= MISSED), (PERMUTATIONS, 1)
    )


def band_keys(band: Signatures) -> npt.NDArray[np.uint64]:
    """One number for each row of a band; equal rows get equal numbers."""
    keys = np.zeros(len(band), dtype=np.uint64)
    for column in band.T:
        # Knuth's 64-bit multiplier (MMIX); a chance collision costs one comparison and no more.
        keys = keys * np.uint64(6364136223846793005) + column.astype(np.uint64) + np.uint64(1)
    return keys


def neighbours(keys: npt.NDArray[np.uint64]) -> Iterator[tuple[Indices, Indices]]:
    """All pairs of places with equal keys, in blocks; `keys` are sorted."""
    left, step = np.arange(len(keys)), 1
    while True:
        left = left[left + step < len(keys)]
        left = left[keys[left] == keys[left + step]]
        if not left.size:
            return
        for block in np.array_split(left, range(BLOCK, left.size, BLOCK)):
            yield block, block + step
        step += 1


def overlapping(
    rows: Sequence[Shingles], left: Indices, right: Indices, width: int, threshold: float
) -> Iterator[tuple[int, int]]:
    """All pairs whose Jaccard similarity can reach the threshold, going by an upper bound of the overlap."""
    if not left.size or not right.size:
        return
    most = counted(rows, left, width) @ counted(rows, right, width).T
    sizes = np.add.outer([len(rows[at]) for at in left], [len(rows[at]) for at in right])
    # |A∩B| / |A∪B| >= t  <=>  |A∩B| >= t/(1+t) · (|A|+|B|); the slack is for the rounding of float32.
    ones, others = np.nonzero(most >= threshold / (1 + threshold) * sizes - 1e-3)
    yield from zip(left[ones].tolist(), right[others].tolist(), strict=True)


def counted(rows: Sequence[Shingles], which: Indices, width: int) -> npt.NDArray[np.float32]:
    """How many 3-grams of each row fall in each of `width` columns."""
    counts = [np.bincount(np.fromiter(rows[at], np.intp) % width, minlength=width) for at in which]
    return np.array(counts, dtype=np.float32)


def bins_of(rows: Sequence[Shingles]) -> int:
    """Columns enough that the 3-grams of a usual text rarely share one."""
    low, high = BINS
    mean = sum(len(row) for row in rows) / max(1, len(rows))
    return int(np.clip(8 * mean, low, high))
