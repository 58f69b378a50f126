"""Tokens: how many a text has, by a named tokenizer or by estimate."""

from __future__ import annotations

import functools
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from services.ingest.outline.lines import Codes, Ints, code_points
from services.ingest.outline.native import scan
from services.runtime import tokenizers
from services.runtime.tokenizers import Naming

if TYPE_CHECKING:
    from tokenizers import Tokenizer

NAMING = Naming("ingest", "SISHU_INGEST_TOKENIZER_FOLDER", "split_options.tokenizer", "an estimate")

NOTHING, LETTER, DIGIT, SIGN, CJK = range(5)
CJK_RANGES = ((0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xAC00, 0xD7AF), (0xF900, 0xFAFF))
LONGEST_WORD = 12
"""A longer run of letters or digits counts as several words."""
TENTHS_OF_WORD, TENTHS_OF_CJK = 13, 10
"""A usual tokenizer makes one token of a CJK character and 1.3 of a word or sign."""
BLOCK = 1 << 16
BATCH = 256


@dataclass(frozen=True)
class Marks:
    """Where tokens start in a text.

    Args:
        places: their offsets, ascending.
        sums: tenths of tokens before each, and in all; one more than places.
    """

    places: array[int]
    sums: array[int]


def count_tokens(text: str, tokenizer: str = "") -> int:
    """Number of tokens of a text, at least 1; estimated where no tokenizer is named.

    Raises:
        InvalidArgument: the tokenizer cannot be had.
    """
    if tokenizer:
        return tokens_by(load_tokenizer(tokenizer), text)
    return max(1, (tenths_before(text, np.array([len(text)], np.int32)).item(0) + 5) // 10)


def tokens_by(tokenizer: Tokenizer, text: str) -> int:
    """Number of tokens of a text by a tokenizer, at least 1."""
    return max(1, len(tokenizer.encode(text, add_special_tokens=False).ids))


def token_counts(text: str, spans: Sequence[tuple[int, int]], tokenizer: str = "") -> list[int]:
    """Number of tokens of each part of a text, at least 1; a part of a word by estimate is a word.

    Raises:
        InvalidArgument: the tokenizer cannot be had.
    """
    if tokenizer:
        loaded = load_tokenizer(tokenizer)
        found: list[int] = []
        for first in range(0, len(spans), BATCH):
            texts = [text[start:end] for start, end in spans[first : first + BATCH]]
            encodings = loaded.encode_batch_fast(texts, add_special_tokens=False)
            found.extend(max(1, len(encoding.ids)) for encoding in encodings)
        return found
    places, numbers = np.unique(np.array(spans, np.int32).reshape(-1), return_inverse=True)
    tenths = tenths_before(text, places)[numbers].reshape(-1, 2)
    counts: list[int] = np.maximum(1, (tenths[:, 1] - tenths[:, 0] + 5) // 10).tolist()
    return counts


def tenths_before(text: str, places: Ints) -> NDArray[np.int64]:
    """Tenths of tokens that start before each of some ascending places, by estimate."""
    if scan is None:
        return tenths_by_numpy(text, places)
    return np.frombuffer(scan.tenths(text, kind_table(), places), np.int64)


def tenths_by_numpy(text: str, places: Ints) -> NDArray[np.int64]:
    """The same where nothing is compiled."""
    marks = estimate_marks(text)
    starts, sums = np.frombuffer(marks.places, np.int32), np.frombuffer(marks.sums, np.int32)
    return sums[np.searchsorted(starts, places)].astype(np.int64)


def marks_of(text: str, tokenizer: str = "") -> Marks:
    """Where tokens start in a text.

    Raises:
        InvalidArgument: the tokenizer cannot be had.
    """
    if not tokenizer:
        return estimate_marks(text)
    places = array("i")
    loaded = load_tokenizer(tokenizer)
    for start, end in parts(text):
        encoding = loaded.encode(text[start:end], add_special_tokens=False)
        places.extend(sorted(start + first for first, _ in encoding.offsets))
    return Marks(places, array("i", range(0, 10 * len(places) + 1, 10)))


def parts(text: str) -> list[tuple[int, int]]:
    """Parts of a long text that end with lines where possible; a tokenizer's answer is large."""
    found, start = [], 0
    while start < len(text):
        end = text.find("\n", start + BLOCK, start + 2 * BLOCK) + 1 or min(start + 2 * BLOCK, len(text))
        found.append((start, end))
        start = end
    return found


def estimate_marks(text: str) -> Marks:
    """Where tokens start by estimate: at CJK characters, signs, words, and every 12 characters in a word."""
    places, weights = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
    before, run = NOTHING, 0
    for start in range(0, len(text), BLOCK):
        kinds = kinds_of(code_points(text[start : start + BLOCK]))
        found, run = token_starts(kinds, before, run)
        before = int(kinds[-1])
        places.append((found + start).astype(np.int32))
        weights.append(np.where(kinds[found] == CJK, TENTHS_OF_CJK, TENTHS_OF_WORD).astype(np.int32))
    sums = np.concatenate([np.zeros(1, np.int32), np.cumsum(np.concatenate(weights), dtype=np.int32)])
    return Marks(array_of(np.concatenate(places)), array_of(sums))


def token_starts(kinds: NDArray[np.uint8], before: int, run: int) -> tuple[NDArray[np.intp], int]:
    """Where tokens start in a block, and how far the last run reaches.

    Args:
        kinds: kinds of its code points.
        before: kind of the one before the block.
        run: length of the run that ends there.
    """
    changes = np.flatnonzero(np.diff(kinds, prepend=np.uint8(before)))
    edges = np.concatenate([changes, [len(kinds)]])
    lengths = np.diff(edges)
    first = kinds[changes]
    single = (first == SIGN) | (first == CJK)
    starts = [changes[(first == LETTER) | (first == DIGIT)]]
    step = np.where(single, 1, LONGEST_WORD)
    more = np.flatnonzero((lengths > step) & (first != NOTHING))
    for index in more.tolist() if len(more) < 64 else []:
        starts.append(np.arange(changes[index] + step[index], edges[index + 1], step[index]))
    if len(more) >= 64:
        starts.append(repeated(changes[more], lengths[more], step[more]))
    starts.append(changes[single])
    head = int(edges[0])
    if before != NOTHING and head:
        size = 1 if before in {SIGN, CJK} else LONGEST_WORD
        starts.append(np.arange(-run % size, head, size))
    last = int(lengths[-1]) if len(changes) else run + head
    return np.sort(np.concatenate(starts)), last


def repeated(
    starts: NDArray[np.intp], lengths: NDArray[np.intp], steps: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Every `steps`-th place of runs, without the first."""
    counts = (lengths - 1) // steps
    ordinal = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    places: NDArray[np.intp] = np.repeat(starts, counts) + ordinal * np.repeat(steps, counts)
    return places


def kinds_of(codes: Codes) -> NDArray[np.uint8]:
    """The kind of each code point."""
    table = kind_table()
    if codes.dtype.itemsize < 4 or codes.max(initial=0) < len(table):
        return table[codes]
    low = table[np.minimum(codes, len(table) - 1)]
    ideographs = (codes >= 0x20000) & (codes < 0x40000)
    return np.where(codes < len(table), low, np.where(ideographs, CJK, SIGN)).astype(np.uint8)


@functools.cache
def kind_table() -> NDArray[np.uint8]:
    """The kinds of the first 65,536 code points."""
    kinds = np.full(0x10000, SIGN, np.uint8)
    for code in range(len(kinds)):
        sign = chr(code)
        if sign.isspace() or sign == "_":
            kinds[code] = NOTHING
        elif sign.isalnum():
            kinds[code] = DIGIT if sign.isdecimal() else LETTER
    for start, end in CJK_RANGES:
        kinds[start : end + 1] = CJK
    return kinds


def array_of(numbers: NDArray[np.int32]) -> array[int]:
    """An array whose items are read faster one by one."""
    found = array("i")
    found.frombytes(numbers.astype(np.int32, copy=False).tobytes())
    return found


def allowed_tokenizer(name: str, folder: str) -> str:
    """What `load_tokenizer` takes for the name that a request gives: a hub id, or what lies in a folder.

    Raises:
        InvalidArgument: it is neither.
    """
    return tokenizers.allowed_tokenizer(name, folder, NAMING)


def load_tokenizer(name: str) -> Tokenizer:
    """The tokenizer of a model: a hub id, or a path.

    Raises:
        InvalidArgument: it cannot be had.
    """
    return tokenizers.load_tokenizer(name, NAMING)
