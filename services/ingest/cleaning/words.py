"""The rule about words that a line end breaks."""

from __future__ import annotations

import bisect
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from services.ingest.cleaning.drafts import Draft
from services.ingest.cleaning.edits import Edit

LATIN = "A-Za-z\u00c0-\u024f"
BROKEN = re.compile(
    rf"(?<![^\s(\[{{\"'“‘«„¿¡—–])([{LATIN}]+(?:-[{LATIN}]+)*)([-\u2010\u00ad])"
    rf"[ \t]*(\n[ \t]*)(\n[ \t]*)*([{LATIN}]+(?:-[{LATIN}]+)*)"
)
"""A hyphen at a line end: what stands before, the hyphen, the line end, blank lines, what goes on."""
WORD = re.compile(rf"[{LATIN}]+(?:-[{LATIN}]+)*")


def words_of(text: str) -> frozenset[str]:
    """A set of words."""
    return frozenset(text.split())


SUSPENDED = words_of("and or to und oder bzw bis et ou y o e en of")
"""Words that follow a hyphen which stands for a word: `pre- and post-war`."""
FIRST_PARTS = words_of("cross half quasi self vice well")
"""What compounds begin with with a hyphen; parts that are also syllables are not among them."""
SHORTEST_SECOND = 5
"""Shorter ends of words are endings: `cross-ing`, `self-ish`."""
SECOND_PARTS = words_of(
    "aware based class day defined dependent driven efficient end free friendly generated house "
    "independent intensive known led level like made making off old only oriented owned powered proof "
    "quality ready related rich saving scale sensitive side sized specific style term time type up wide "
    "wise year"
)
"""What compounds end with that begin with any word: `water-proof`, `long-term`."""
COMMON = words_of(
    "a about after again all also an and any are as at back be because been before being but by can come "
    "could day did do does each end even first for from get give go good great had has have he her here "
    "him his how i if in into is it its just know last life like line little long made make man many may "
    "me men more most much must my new no not now of off on one only or other our out over own part "
    "people place read right said same see set she should side so some such take than that the their them "
    "then there these they thing think this those time to too two under up us use very was way we well "
    "were what when where which while who will with word work would year you your"
)
"""English words that may stand in a text only here."""


def hyphenation(draft: Draft) -> list[Edit]:
    """Words broken by a hyphen at a line end, joined where the text itself shows that they are one word."""
    words = vocabulary(draft.text)
    return [
        Edit(start, end, text, "hyphenation")
        for match in broken_words(draft)
        for start, end, text in joint(match, words)
    ]


def broken_words(draft: Draft) -> Iterator[re.Match[str]]:
    """The hyphens at ends of prose lines; beyond blank lines the word goes on only on the next page."""
    starts = [line.start for line in draft.lines]
    pages = set(draft.page_starts)
    for match in BROKEN.finditer(draft.text):
        kinds = {draft.lines[bisect.bisect(starts, match.start(group)) - 1].kind for group in (1, 5)}
        is_near = match[4] is None or any(at in pages for at in range(match.start(3), match.start(5) + 1))
        if kinds == {"prose"} and is_near:
            yield match


def vocabulary(text: str) -> Mapping[str, int]:
    """How often each word and each compound stands in the text, those broken by a line end left out."""
    whole = BROKEN.sub(" ", text)
    words = Counter(match[0].casefold() for match in WORD.finditer(whole))
    for compound in [word for word in words if "-" in word]:
        for part in compound.split("-"):
            words[part] += 0
    return words


def joint(match: re.Match[str], words: Mapping[str, int]) -> Iterator[tuple[int, int, str]]:
    """The edit that mends a broken word, if it is sure how."""
    before, hyphen, after = match[1], match[2], match[5]
    left, right = before.casefold(), after.casefold()
    # Of `state-of-` and `the-art` the parts at the line end.
    last, first = left.rpartition("-")[2], right.partition("-")[0]
    if first in SUSPENDED and right == first and f"{left}-{right}" not in words:
        return
    line_end = (match.start(2), match.start(5))
    if hyphen == "\u00ad" or {left + right, last + first} & words.keys():
        yield *line_end, ""
    elif f"{left}-{right}" in words or is_compound(last, first, words) or is_proper(before, after):
        yield *line_end, "-"
    elif not (is_word(last, words) and is_word(first, words)):
        yield *line_end, ""


def is_compound(last: str, first: str, words: Mapping[str, int]) -> bool:
    """Whether the hyphen belongs to the word whatever the line: `self-employed`, `long-term`."""
    begins_so = last in FIRST_PARTS and (len(first) >= SHORTEST_SECOND or is_word(first, words))
    return begins_so or (first in SECOND_PARTS and is_word(last, words))


def is_proper(before: str, after: str) -> bool:
    """Whether the word goes on with a capital letter: `Franco-Prussian`."""
    return after[0].isupper() and not before.isupper()


def is_word(part: str, words: Mapping[str, int]) -> bool:
    """Whether a part is a word of its own: it stands alone elsewhere in the text, or is a common one."""
    return part in COMMON or part in words
