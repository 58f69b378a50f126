"""Scores of answers: token F1 against a reference.

The metric is SQuAD's (Rajpurkar et al. 2016, "SQuAD: 100,000+ Questions for Machine Comprehension of Text",
section 6.1), widened to Chinese, Japanese and Korean, where one character counts as one token.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter

CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003347f"
TOKEN = re.compile(rf"[{CJK}]|[^\s{CJK}]+")
FULL_WIDTH_NUMBER = re.compile("[０-９]+(?:[．，][０-９]+)*")
GROUPED_NUMBER = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?!\d)")
LISTED_NUMBER = re.compile(r"(?<=\d),(?=\d)")
ARTICLE = re.compile(rf"(?<![^\W{CJK}])(?:a|an|the)(?![^\W{CJK}])")
"""A whole word; a CJK character beside it is a word of its own."""
PUNCTUATION = re.compile(rf"(?!(?<=\d)\.(?=\d))[{re.escape(string.punctuation)}]")
"""Every ASCII sign, but not the decimal point of a number."""

APOSTROPHES = {ord(sign): "'" for sign in "‘’ʼ＇"}


class Signs(dict[int, str]):
    """A table for `str.translate`, filled as characters come: to look at all of Unicode takes half a second.

    A sign such as `，` or `—` parts two words; an ASCII one is dropped, as SQuAD does (`U.S.` is `us`).
    """

    def __missing__(self, code: int) -> str:
        """The character, or a space in place of a sign."""
        is_sign = code > 127 and unicodedata.category(chr(code)).startswith("P") and code not in APOSTROPHES
        self[code] = " " if is_sign else chr(code)
        return self[code]


SIGNS_TO_SPACE = Signs()


def token_f1(answer: str, reference: str) -> float:
    """How much two texts share, 0 to 1, the same both ways round.

    F1 = 2 P R / (P + R) with P = shared / tokens of the answer, R = shared / tokens of the reference, where
    shared counts tokens with their multiplicity. A text without tokens scores 1 against another such, else 0.
    """
    given, wanted = tokens(answer), tokens(reference)
    if not given or not wanted:
        return float(given == wanted)
    shared = (Counter(given) & Counter(wanted)).total()
    # Equal to 2 P R / (P + R), with one rounding only.
    return 2 * shared / (len(given) + len(wanted))


def tokens(text: str) -> list[str]:
    """The normalised tokens of a text: words, numbers, and single CJK characters."""
    return TOKEN.findall(normalise(text))


def normalise(text: str) -> str:
    """Text without case, articles, punctuation, full-width forms and thousands separators.

    As SQuAD's `normalize_answer` (lower case; ASCII punctuation dropped; a, an, the dropped), and besides:
    compatibility forms are unified (NFKC: full-width letters and digits, half-width kana), signs outside
    ASCII part words, `1,234` is `1234` but `1,2` two numbers, and a decimal point stays: 3.5 is not 35.
    """
    text = FULL_WIDTH_NUMBER.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
    text = text.translate(APOSTROPHES).translate(SIGNS_TO_SPACE)
    text = unicodedata.normalize("NFKC", text).lower()
    text = GROUPED_NUMBER.sub(lambda found: found[0].replace(",", ""), text)
    text = LISTED_NUMBER.sub(" ", text)
    return " ".join(ARTICLE.sub(" ", PUNCTUATION.sub("", text)).split())
