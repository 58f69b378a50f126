"""Numbers, addresses and words: what is not cut where a text is cut between characters."""

from __future__ import annotations

from services.ingest.outline import Spans
from services.ingest.splitting.breaks import ATOM, LATIN
from services.ingest.splitting.measure import LONGEST_WHOLE, Ruler

LONGEST_ADDRESS = 132
"""So far behind a window addresses are looked for: a name, `@`, the first part of a host, a dot."""


def atoms_in(ruler: Ruler, giants: Spans, start: int, most: int) -> Spans:
    """The numbers, addresses and words from a place to another, to their ends.

    Args:
        ruler: measures the text.
        giants: those that were found so far to be too large to stay whole, lest they be read again and again.
        start: the place; it is in no number, address or word that stays whole.
        most: the other place.
    """
    text, found = ruler.text, Spans()
    near = min(len(text), most + LONGEST_ADDRESS)
    giant = giants.at(start)
    at = giant[1] if giant is not None else start
    if at >= near or not LATIN.search(text, at, near):
        return found
    for match in ATOM.finditer(text, at, near):
        first, end = match.span()
        if end > most:
            if giants.at(first + 1) is not None:
                break
            # The window may have ended inside of it.
            whole = ATOM.match(text, first)
            end = whole.end() if whole is not None else first
        if stays_whole(ruler, first, end):
            found.append(first, end)
        elif end > first + LONGEST_WHOLE:
            giants.append(first, end)
    return found


def stays_whole(ruler: Ruler, start: int, end: int) -> bool:
    """Whether a number, an address or a word is not to be cut.

    A word is cut if it is larger than a chunk, as it is no thing that loses its sense.
    """
    if ruler.text[start:end].isalpha():
        return ruler.fits(start, end)
    return ruler.whole(start, end)
