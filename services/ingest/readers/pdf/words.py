"""Words that a line end on a page breaks: joined where that is certain, and with their hyphen elsewhere.

What is not certain stays broken, so that nothing is lost and cleaning can mend it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

from services.ingest.cleaning.words import COMMON, is_compound
from services.ingest.readers.pdf.lines import Block
from services.ingest.readers.pdf.text import HYPHEN

AFTER = re.compile(f"{HYPHEN}+\\s*([^\\W\\d_]*)")
WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
ENDING = re.compile(
    r"(?!(?:[mn]o|na|sta|ra|ac|op|sec)tions?$)[a-z]{0,3}[st]ions?|m[ae]nt(?:s|al|ally)?|ness(?:es)?"
    r"|[bcdglmnprtv]?it(?:y|ies)|[bfglmntvz]?ings?|[cdgst]?ed|[bcdlt]ly"
)
"""What words end with and no word is."""
VOWEL = re.compile("[aeiouy\u00e0-\u024f]")
TENS = {"twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"}


def unbroken(text: str, mend: Callable[[str, str], str]) -> str:
    """A text with broken words as a function makes them of their halves, which may be empty.

    A pattern that begins with the letters before the mark would look at every word of the text.
    """
    done, end = "", 0
    for match in AFTER.finditer(text):
        start = mark = match.start()
        while start > end and (text[start - 1] == "-" or text[start - 1].isalpha()):
            start -= 1
        done += text[end:start] + mend(text[start:mark], match[1])
        end = match.end()
    return done + text[end:]


class Words:
    """Puts words together that were broken at the end of a line, as the rest of the document has them.

    Args:
        pages: all blocks.
    """

    def __init__(self, pages: Sequence[Sequence[Block]]) -> None:
        self._pages = pages
        self._known: Counter[str] | None = None

    def mended(self, text: str, *, lines: bool) -> str:
        """The text without marks of broken words; `lines` if a line may end in it."""
        if HYPHEN not in text:
            return text

        def mend(before: str, after: str) -> str:
            between = self._between(before, after)
            return before + (between if between is not None else "-\n" if lines else "-") + after

        return unbroken(text, mend)

    def _between(self, before: str, after: str) -> str | None:
        """What stands between the halves of a word; None if that is not certain."""
        if not before or not after:
            return "-"
        known = self._vocabulary()
        begun, second = before.casefold(), after.casefold()
        first = begun.rpartition("-")[2]
        whole = known[first + second] or known[begun + second]
        hyphenated = known[f"{first}-{second}"] or known[f"{begun}-{second}"]
        if whole or hyphenated:
            return "" if whole >= hyphenated else "-"
        if not after[0].islower() or before.isupper() or "-" in begun:
            return "-"
        if (known[first] and known[second]) or first in TENS or is_compound(first, second, known):
            return "-"
        if first + second in COMMON or ENDING.fullmatch(second) or not VOWEL.search(first):
            return ""
        return None if VOWEL.search(second) else ""

    def _vocabulary(self) -> Counter[str]:
        if self._known is None:
            written = Counter[str]()
            for blocks in self._pages:
                # No word goes on in another block.
                text = " . ".join([block.text for block in blocks])
                written.update(unbroken(text, lambda *_: " ").split())
            self._known = Counter()
            for token, count in written.items():
                for word in WORD.findall(token):
                    self._known[word.casefold()] += count
        return self._known
