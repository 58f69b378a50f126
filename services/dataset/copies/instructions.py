"""Runs of words that many of a set of texts share, as an instruction before each question.

They tell nothing of any of these, and are left out before texts are compared.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from services.dataset.copies.ngrams import WORD, Hashes, Longs, as_words_see_it, runs, words_of

LENGTH = 8
"""Words of a run."""
FEW, SHARE = 5, 0.01
"""Texts, and share of them, in which a run may be that is no instruction."""


class Instructions:
    """The instructions in some texts.

    Args:
        texts: the texts.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._numbers: dict[str, int] = {}
        numbers, starts = self._numbered([words_of(text) for text in texts], learn=True)
        hashes, places = runs(numbers, starts, LENGTH)
        owners = np.searchsorted(starts, places, side="right") - 1
        known, counts = texts_each(hashes, owners)
        self._known = known[counts > max(FEW, SHARE * len(texts))]

    def without(self, texts: Sequence[str]) -> list[str]:
        """Texts without the instructions in them; one that is nothing else stays."""
        if not len(self._known):
            return list(texts)
        words = [words_of(text) for text in texts]
        numbers, starts = self._numbered(words, learn=False)
        hashes, places = runs(numbers, starts, LENGTH)
        hit = np.isin(hashes, self._known)
        covered = np.zeros(len(numbers), bool)
        for step in range(LENGTH):
            covered[places[hit] + step] = True
        found = list(texts)
        for at in np.unique(np.searchsorted(starts, places[hit], side="right") - 1).tolist():
            found[at] = without_words(texts[at], covered[starts[at] : starts[at + 1]].tolist())
        return found

    def _numbered(self, texts: Sequence[list[str]], *, learn: bool) -> tuple[Hashes, Longs]:
        numbers: list[int] = []
        starts = [0]
        known = self._numbers
        for words in texts:
            if learn:
                numbers += [known.setdefault(word, len(known) + 1) for word in words]
            else:
                numbers += [known.get(word, 0) for word in words]
            starts.append(len(numbers))
        return np.array(numbers, np.uint64), np.array(starts)


def without_words(text: str, covered: Sequence[bool]) -> str:
    """A text, in the form in which its words are found, without some of them."""
    plain = as_words_see_it(text)
    places = [word.span() for word in WORD.finditer(plain)]
    kept, at, before = [], 0, False
    for (start, end), gone in zip(places, covered, strict=True):
        if gone:
            # What stands between two of them goes as well.
            kept.append("" if before else plain[at:start])
            at = end
        before = gone
    rest = "".join([*kept, plain[at:]]).strip()
    return rest if WORD.search(rest) else text


def texts_each(hashes: Hashes, texts: Longs) -> tuple[Hashes, Longs]:
    """The runs, ascending, and in how many texts each is."""
    order = np.lexsort([texts, hashes])
    hashes, texts = hashes[order], texts[order]
    first = np.ones(len(hashes), bool)
    first[1:] = (hashes[1:] != hashes[:-1]) | (texts[1:] != texts[:-1])
    return np.unique(hashes[first], return_counts=True)
