"""The rule about words that a line end breaks."""

from __future__ import annotations

import bisect
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from services.ingest.cleaning.changes import Change
from services.ingest.cleaning.drafts import Draft

LATIN = "A-Za-z\u00c0-\u024f"
HYPHEN = re.compile(r"[-\u2010\u00ad][ \t]*(?:\n[ \t]*)+")
"""A hyphen at a line end, and the blank lines after it."""
LONGEST = 60
BEFORE = re.compile(rf"(?<![^\s(\[{{\"'“‘«„¿¡—–])[{LATIN}]+(?:-[{LATIN}]+)*$")
AFTER = re.compile(rf"[{LATIN}]+(?:-[{LATIN}]+)*")
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


@dataclass(frozen=True)
class Broken:
    """A broken word: what stands before the hyphen and on the next line, and the span between."""

    before: str
    after: str
    start: int
    end: int
    is_soft: bool


def hyphenation(draft: Draft) -> list[Change]:
    """Words broken by a hyphen at a line end, joined where the text itself shows that they are one word."""
    broken = list(broken_words(draft))
    if not broken:
        return []
    words = vocabulary(draft.text, broken)
    joints = ((one, joint(one, words)) for one in broken)
    return [Change(one.start, one.end, text, "hyphenation") for one, text in joints if text is not None]


def broken_words(draft: Draft) -> Iterator[Broken]:
    """The words of prose that a line end breaks; beyond blank lines they go on only on the next page."""
    starts = [line.start for line in draft.lines]
    pages = set(draft.page_starts)
    for match in HYPHEN.finditer(draft.text):
        start, end = match.span()
        before = BEFORE.search(draft.text[max(0, start - LONGEST) : start])
        after = AFTER.match(draft.text, end, end + LONGEST)
        if not before or not after:
            continue
        kinds = {draft.lines[bisect.bisect(starts, place) - 1].kind for place in (start, end)}
        is_near = match[0].count("\n") == 1 or any(at in pages for at in range(start, end + 1))
        if kinds == {"prose"} and is_near:
            yield Broken(before[0], after[0], start, end, match[0][0] == "\u00ad")


def vocabulary(text: str, broken: Sequence[Broken]) -> Mapping[str, int]:
    """How often each word and each compound stands in the text, broken ones left out."""
    bounds = [0]
    for one in broken:
        bounds += [one.start - len(one.before), one.end + len(one.after)]
    bounds.append(len(text))
    parts = (text[start:end] for start, end in zip(bounds[::2], bounds[1::2], strict=True))
    words = Counter(WORD.findall("\n".join(parts).casefold()))
    for compound in [word for word in words if "-" in word]:
        for part in compound.split("-"):
            words[part] += 0
    return words


def joint(broken: Broken, words: Mapping[str, int]) -> str | None:
    """What is to stand between the parts of a broken word; nothing if that is not sure."""
    before, after = broken.before, broken.after
    left, right = before.casefold(), after.casefold()
    # Of `state-of-` and `the-art` the parts at the line end.
    last, first = left.rpartition("-")[2], right.partition("-")[0]
    if first in SUSPENDED and right == first and f"{left}-{right}" not in words:
        return None
    if broken.is_soft or left + right in words or last + first in words:
        return ""
    if f"{left}-{right}" in words or is_compound(last, first, words) or is_proper(before, after):
        return "-"
    return None if is_word(last, words) and is_word(first, words) else ""


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
