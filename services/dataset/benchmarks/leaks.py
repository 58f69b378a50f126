"""The leak guard: which texts that are trained on hold a question that they must not hold.

A text leaks a question when both share a run of 13 words (letters, in Chinese and its like), or when what it
asks is a near copy of the question, or means the same where that is compared. Instructions that many of the
questions share are left aside, and numbers are compared as digits, however they are written; marks of choices
at the beginning of a line do not count. What names other numbers or names is neither a near copy, nor does it
mean the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from services.dataset.benchmarks.meanings import Embed, MeaningItems
from services.dataset.copies.buckets import bands_for, hashed
from services.dataset.copies.differing import Named, are_different, named_in
from services.dataset.copies.grouping import leaked
from services.dataset.copies.instructions import Instructions
from services.dataset.copies.likeness import similarities
from services.dataset.copies.ngrams import NO_BLANKS, Runs, Shared, words_of
from services.dataset.copies.numbers import in_digits
from services.dataset.copies.sketches import Sketches, sketch

Indices: TypeAlias = npt.NDArray[np.intp]

BENCHMARK_LEAK = "BENCHMARK_LEAK"
"""Why an example is left out of train that holds a question of a benchmark."""
WORDS = 13
"""Words of a run that tells of a leak; of letters of Chinese and its like half as many again."""
THRESHOLD = 0.7
"""Jaccard similarity of character 3-grams from which two questions are near copies."""
CANDIDATES = 64
"""Questions of a bucket with which a text is compared."""
NEAREST = 16
"""Questions whose similarity to a text is worked out: their signatures agree most with its own."""
BLOCK = 1 << 14
FEW = 1 << 16
"""Pairs that are all compared."""
ROUNDING = 1e-6
SHARED_CHARACTERS = 500
MARK = re.compile(r"^[ \t]*(?:[(（]?(?:[A-Za-z]|\d{1,2})[)）.．:：、]|[①-⑳]\.?)[ \t]*", re.MULTILINE)
"""The mark of a choice, such as `A.`, `(2)` or `③`."""
SHARED_WORDS, NEAR_COPY, MEANING = "shared_words", "near_copy", "meaning"
"""Ways in which a leak is found."""
LETTER = re.compile(f"[{NO_BLANKS}]")


@dataclass(frozen=True)
class Leak:
    """A text that holds a question.

    Args:
        row: index of the text.
        item: index of the question.
        shared: the words that both have; empty where it is a near copy only.
        similarity: how like the question is what the text asks; 0 where it is no near copy.
        cosine: how like it that is in meaning; 0 where it does not mean the same, or that was not compared.
    """

    row: int
    item: int
    shared: str
    similarity: float
    cosine: float = 0.0

    @property
    def ways(self) -> list[str]:
        """How it was found."""
        known = {SHARED_WORDS: self.shared, NEAR_COPY: self.similarity, MEANING: self.cosine}
        return [way for way, found in known.items() if found]


class LeakGuard:
    """Knows the questions; looks at texts, some at a time, so that their number does not matter.

    Args:
        items: the questions.
        threshold: how alike near copies are.
        words: words of a run.
        forms: other forms in which some questions are asked, such as with their choices, each after the
            index of its question.
        told: what else nobody may say of some questions, such as their answers; runs of words are looked for.
        sketches: those that `sketches` of an equal guard were; otherwise they are made.
    """

    def __init__(
        self,
        items: Sequence[str],
        threshold: float = THRESHOLD,
        words: int = WORDS,
        forms: Sequence[tuple[int, str]] = (),
        told: Sequence[tuple[int, str]] = (),
        sketches: Sketches | None = None,
    ) -> None:
        forms_asked = [*items, *(text for _, text in forms)]
        asked = [compared(text) for text in forms_asked]
        owners = [*range(len(items)), *(item for item, _ in forms)]
        self._instructions = Instructions(whole_texts(asked, owners, len(items)))
        plain = self._instructions.without(asked)
        self._near_owners = owners
        self._asked = Asked(forms_asked, plain)
        self._near = NearItems(self._asked, threshold, sketches)
        self._meaning: MeaningItems | None = None
        # What is no question is no leak unless a whole run of it is there.
        long = [(item, text) for item, text in told if len(words_of(text)) >= words]
        runs = plain + self._instructions.without([compared(text) for _, text in long])
        self._run_owners = [*owners, *(item for item, _ in long)]
        self._runs = [SomeRuns(runs, words, letters=False), SomeRuns(runs, words * 3 // 2, letters=True)]

    @property
    def sketches(self) -> Sketches:
        """What near copies are told by."""
        return self._near.held

    def compare_meanings(self, embed: Embed, least: float) -> None:
        """Find from now on also what means the same.

        Args:
            embed: has texts embedded: the questions now, what is asked with every `find`.
            least: least cosine of two that mean the same, above 0, to 1.
        """
        self._meaning = MeaningItems(self._asked.said, embed, least)

    def find(self, asked: Sequence[str], said: Sequence[str]) -> list[Leak]:
        """Which of some texts hold a question, ascending.

        Args:
            asked: what each asks: it is compared with the questions.
            said: all that each says: runs of words are looked for in it.
        """
        plain = self._instructions.without([compared(text) for text in said])
        shared = {one.other: one for runs in self._runs for one in runs.shared_with(plain)}
        texts = Asked(asked, self._instructions.without([compared(text) for text in asked]))
        near = self._near.find(texts)
        meant = self._meant(texts)
        return [
            self._leak(row, shared.get(row), near.get(row), meant.get(row, {}))
            for row in sorted(shared.keys() | near.keys() | meant.keys())
        ]

    def _meant(self, texts: Asked) -> dict[int, dict[int, float]]:
        """By the index of a text the questions that it means, the nearest first, with their cosines."""
        found: dict[int, dict[int, float]] = {}
        for row, near in self._meaning.near(texts.said) if self._meaning else ():
            for place, cosine in near:
                if not are_different(texts.named(row), self._asked.named(place)):
                    found.setdefault(row, {}).setdefault(self._near_owners[place], cosine)
        return found

    def _leak(
        self, row: int, shared: Shared | None, near: tuple[int, float] | None, meant: dict[int, float]
    ) -> Leak:
        """A leak of the question that the text is a near copy of, or has words of, or else means."""
        similarity = 0.0
        if near:
            item, similarity = self._near_owners[near[0]], near[1]
        elif shared:
            item = self._run_owners[shared.kept]
        else:
            item = next(iter(meant))
        words = shared.words[:SHARED_CHARACTERS] if shared else ""
        return Leak(row, item, words, similarity, meant.get(item, 0.0))


class Asked:
    """What some texts ask, and what they name.

    Args:
        texts: as they were written.
        plain: as they are compared, without instructions.
    """

    def __init__(self, texts: Sequence[str], plain: Sequence[str]) -> None:
        self._texts = texts
        self.plain = plain
        self._named: dict[int, Named] = {}

    @property
    def said(self) -> list[str]:
        """The texts as they were written, but those that have instructions without these."""
        return [
            text if plain == compared(text) else plain
            for text, plain in zip(self._texts, self.plain, strict=True)
        ]

    def named(self, place: int) -> Named:
        """What one of them names."""
        if place not in self._named:
            self._named[place] = named_in(self._texts[place], self.plain[place])
        return self._named[place]


def compared(text: str) -> str:
    """The form in which texts are compared."""
    return in_digits(MARK.sub("", text))


def whole_texts(texts: Sequence[str], owners: Sequence[int], count: int) -> list[str]:
    """Of every question the longest form, so that it counts once."""
    found = [""] * count
    for owner, text in zip(owners, texts, strict=True):
        found[owner] = max(found[owner], text, key=len)
    return found


class SomeRuns:
    """The runs of words of those questions that are written in letters, or in words with blanks between.

    Args:
        items: the questions.
        words: words of a run.
        letters: which of them.
    """

    def __init__(self, items: Sequence[str], words: int, *, letters: bool) -> None:
        self._items = [at for at, item in enumerate(items) if mostly_letters(item) == letters]
        self._runs = Runs([items[at] for at in self._items], words)

    def shared_with(self, texts: Sequence[str]) -> Iterator[Shared]:
        """What each of some texts shares with one of the questions."""
        for one in self._runs.shared_with(texts) if self._items else ():
            yield Shared(one.other, self._items[one.kept], one.words)


def mostly_letters(text: str) -> bool:
    """Whether most words of a text are letters of a script without blanks."""
    return 2 * len(LETTER.findall(text)) > len(words_of(text))


class NearItems:
    """Finds the question that a text is a near copy of.

    Args:
        items: the questions; of each some 1 to 2 KB are held.
        threshold: how alike near copies are.
        held: sketches of the questions, where there are some already.
    """

    def __init__(self, items: Asked, threshold: float, held: Sketches | None = None) -> None:
        self._threshold = threshold
        self._items = items
        self.held = sketch(items.plain) if held is None else held
        self._by_name: dict[frozenset[str], list[int]] = {}
        rows = np.arange(len(items.plain), dtype=np.int32)
        self._bands: list[tuple[int, int, npt.NDArray[np.uint64], Indices]] = []
        bands, depth = bands_for(threshold)
        for start in range(0, bands * depth, depth):
            keys = hashed(self.held.signatures, rows, start, depth)
            order = np.argsort(keys, kind="stable")
            self._bands.append((start, depth, keys[order], order))

    def find(self, texts: Asked) -> dict[int, tuple[int, float]]:
        """By the index of a text the question that it is most like, and how much."""
        count = len(texts.plain)
        if not count or not len(self.held):
            return {}
        both = joined(sketch(texts.plain), self.held)
        rows = np.arange(len(both))
        leaking = rows[leaked(both, rows[count:], rows[:count], self._threshold)]
        if not len(leaking):
            return {}
        rows, items = likeliest(both, *self._candidates(both, texts, leaking), count)
        alike = similarities(both, rows, items + count)
        near = alike >= self._threshold - ROUNDING
        best = np.lexsort((items[near], -alike[near], rows[near]))
        found: dict[int, tuple[int, float]] = {}
        for row, item, similarity in zip(
            rows[near][best].tolist(), items[near][best].tolist(), alike[near][best].tolist(), strict=True
        ):
            if row not in found and not are_different(texts.named(row), self._items.named(item)):
                found[row] = item, similarity
        return found

    def _candidates(self, held: Sketches, texts: Asked, rows: Indices) -> tuple[Indices, Indices]:
        """Pairs of rows and questions that share a bucket, or are compared as there are few, each once."""
        count = len(self.held)
        if len(rows) * count <= FEW:
            return np.repeat(rows, count), np.tile(np.arange(count), len(rows))
        pairs = np.unique(np.concatenate([*self._in_buckets(held, rows), *self._of_names(texts, rows)]))
        return pairs // count, pairs % count

    def _of_names(self, texts: Asked, rows: Indices) -> Iterator[Indices]:
        """Pairs that name the same: of a template there may be more questions than a bucket gives."""
        if not self._by_name:
            for item in range(len(self.held)):
                if named := self._items.named(item).named:
                    self._by_name.setdefault(named, []).append(item)
        for row in rows.tolist():
            items = self._by_name.get(texts.named(row).named, [])[:CANDIDATES]
            yield row * len(self.held) + np.array(items, np.intp)

    def _in_buckets(self, held: Sketches, rows: Indices) -> Iterator[Indices]:
        for start, depth, keys, order in self._bands:
            wanted = hashed(held.signatures, rows.astype(np.int32), start, depth)
            first = np.searchsorted(keys, wanted, "left")
            counts = np.minimum(np.searchsorted(keys, wanted, "right") - first, CANDIDATES)
            owners = np.repeat(rows, counts)
            places = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
            yield owners * len(self.held) + order[places + np.repeat(first, counts)]


def likeliest(held: Sketches, rows: Indices, items: Indices, texts: int) -> tuple[Indices, Indices]:
    """Of each row those pairs whose signatures agree most: the nearest is among them.

    Args:
        held: sketches of texts, then of questions.
        rows: the text of each pair.
        items: its question.
        texts: how many texts there are.
    """
    equal = np.empty(len(rows), np.int16)
    for start in range(0, len(rows), BLOCK):
        part = slice(start, start + BLOCK)
        equal[part] = (held.signatures[rows[part]] == held.signatures[items[part] + texts]).sum(axis=1)
    order = np.lexsort((items, -equal, rows))
    firsts = np.searchsorted(rows[order], rows[order])
    kept = order[np.arange(len(order)) - firsts < NEAREST]
    return rows[kept], items[kept]


def joined(one: Sketches, other: Sketches) -> Sketches:
    """The sketches of both, the first ones first."""
    return Sketches(
        np.concatenate([one.signatures, other.signatures]),
        np.concatenate([one.grams, other.grams]),
        np.concatenate([one.starts, other.starts[1:] + one.starts[-1]]),
        np.concatenate([one.sizes, other.sizes]),
        np.concatenate([one.keys, other.keys]),
    )
