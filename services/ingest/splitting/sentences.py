"""Where to cut between the sentences of a paragraph in the usual case: behind a full stop.

Of the full stops in a window the one with the least rank is taken, which is made of the characters around it.
So the cut depends on what is written there and not on how far the start is.
"""

from __future__ import annotations

import re

from services.ingest.outline.native import scan
from services.ingest.splitting.breaks import (
    BLANK,
    CLOSERS,
    ENDINGS,
    STOPS,
    is_abbreviation,
    ranks,
    splits_character,
)

TRIES = 6
"""So many sentences are tried; after that the slower ways of `inner` find what there is."""
LAST = 1 << 32
"""Behind all ranks."""
BEFORE_SENTENCE = re.compile(rf"{CLOSERS}*+{BLANK}*+(?!{STOPS})")


def best_sentence(text: str, least: int, most: int) -> int:
    """The place in a window behind the full stop with the least rank; 0 if there seems to be none.

    Args:
        text: the text.
        least: first place of the window, behind the start of the text.
        most: its last place, before the end of the text; no block starts between.
    """
    return behind_least(text, ".", least - 1, most) or behind_least(text, "。", least - 1, most)


def behind_least(text: str, mark: str, before: int, most: int) -> int:
    """The place behind the mark with the least rank between two places; 0 if there seems to be none."""
    if scan is None:
        return behind_least_by_python(text, mark, before, most)
    stop, tries = scan.least_sign(text, mark, before, most, -1), TRIES
    while stop >= 0 and tries:
        place = sentence_start(text, stop, most)
        if place:
            return place
        stop, tries = scan.least_sign(text, mark, before, most, stop), tries - 1
    return 0


def behind_least_by_python(text: str, mark: str, before: int, most: int) -> int:
    """The same where nothing is compiled."""
    stops = [match.start() for match in re.compile(re.escape(mark)).finditer(text, before, most)]
    found = ranks(text, stops)
    for _ in found[:TRIES]:
        index = found.index(min(found))
        place = sentence_start(text, stops[index], most)
        if place:
            return place
        found[index] = LAST
    return 0


def sentence_start(text: str, stop: int, most: int) -> int:
    """Where the sentence behind a full stop starts; 0 if none does, or none up to a place."""
    place, ending = stop + 1, text[stop - 3 : stop]
    if text[place] in " \n" and place < most and text[place + 1].isupper():
        place += 1
        # No abbreviation ends so: this is the usual case.
        if ending.isalpha() and ending.lower() not in ENDINGS:
            return place
    else:
        match = BEFORE_SENTENCE.match(text, place)
        place = most + 1 if match is None else match.end()
    if place > most or splits_character(text, place, stop):
        return 0
    if text[stop] == "." and (not text[place - 1].isspace() or is_abbreviation(text, stop, place)):
        return 0
    return place
