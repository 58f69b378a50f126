"""Where to cut between the sentences of a paragraph in the usual case: behind a full stop.

Of the sentences that are wholly in a window the one with the least hash ends the chunk. This is what the time
of splitting long paragraphs goes into, so nothing is made for each sentence but its hash.
"""

from __future__ import annotations

import re
from zlib import crc32

from services.ingest.splitting.breaks import (
    BLANK,
    CLOSERS,
    ENDINGS,
    STOPS,
    is_abbreviation,
    splits_character,
)

FULL_STOPS = (b".", "。".encode())
TRIES = 6
"""So many sentences are tried; after that the slower ways of `inner` find what there is."""
NO_HASH = 1 << 32
BEFORE_SENTENCE = re.compile(rf"{CLOSERS}*+{BLANK}*+(?!{STOPS})")


def best_sentence(text: str, least: int, most: int) -> int:
    """The place in a window behind the sentence with the least hash; 0 if there seems to be none.

    Args:
        text: the text.
        least: first place of the window, behind the start of the text.
        most: its last place, before the end of the text; no block starts between.
    """
    before = least - 1
    window = text[before:most].encode()
    for mark in FULL_STOPS:
        parts = window.split(mark)
        # The first and the last one are parted by the window.
        hashes = list(map(crc32, parts[1:-1]))
        for _ in hashes[:TRIES]:
            index = hashes.index(min(hashes))
            stop = len(mark.join(parts[: index + 2]))
            if len(window) > most - before:
                stop = len(window[:stop].decode())
            place = sentence_start(text, before + stop, most)
            if place:
                return place
            hashes[index] = NO_HASH
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
