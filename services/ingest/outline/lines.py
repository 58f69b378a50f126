"""The lines of a text as arrays, so that millions of them are looked at in a few passes."""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Flags = NDArray[np.bool_]
Numbers = NDArray[np.intp]
Codes = NDArray[np.unsignedinteger]

NEWLINE, TAB, SPACE = ord("\n"), ord("\t"), ord(" ")
NO_SIGN = 127
MOST_IN_LIST = 1 << 20
BLOCK = 1 << 18
"""Code points that are looked at together; they stay in the processor's cache."""
COLUMNS_BY_COLUMN = 32
"""So many columns of indentation are stepped over for all lines at once; deeper ones line by line."""
BLANKS = re.compile(r"[ \t]*")


@dataclass(frozen=True)
class Lines:
    r"""The lines of a text that are not blank; lines end at `\\n`, blank ones hold only spaces and tabs.

    Args:
        text: the text.
        codes: its code points; as narrow as they allow.
        starts: offset of each line's first character.
        firsts: offset of its first character that is no space or tab.
        indents: columns before that one; a tab goes to the next multiple of 4.
        heads: the code point at `firsts`.
        signs: the same, with 127 for all that is not ASCII.
        opens: whether the line before it is blank, or there is none.
    """

    text: str
    codes: Codes
    starts: Ints
    firsts: Ints
    indents: Ints
    heads: Codes
    signs: NDArray[np.uint8]
    opens: Flags

    def __len__(self) -> int:
        """How many lines are not blank."""
        return len(self.starts)

    def end(self, line: int) -> int:
        """Offset of the line end of a line, or the end of the text."""
        found = self.text.find("\n", self.firsts.item(line))
        return len(self.text) if found < 0 else found

    def after(self, line: int) -> int:
        """Offset of what follows the line: the start of the next line, blank or not."""
        return min(self.end(line) + 1, len(self.text))

    def at(self, offset: int) -> int:
        """Number of the first line that starts at an offset or behind it."""
        return int(self.starts.searchsorted(np.int32(offset)))

    def behind(self, chosen: Numbers, distance: int) -> Codes:
        """For some lines, the code point so far behind the first one; a line end behind the text's end."""
        return taken(self.codes, self.firsts[chosen] + distance)


def sequence(numbers: NDArray[np.int32] | NDArray[np.uint32]) -> Sequence[int]:
    """Numbers that are read one by one: a list, which is fast, or an array, which is small."""
    if len(numbers) < MOST_IN_LIST:
        listed: list[int] = numbers.tolist()
        return listed
    found = array("i" if numbers.dtype == np.int32 else "I")
    found.frombytes(numbers.tobytes())
    return found


def one_of(signs: str) -> Flags:
    """A table that says for each ASCII character whether it is one of some."""
    table = np.zeros(NO_SIGN + 1, bool)
    table[[ord(sign) for sign in signs]] = True
    return table


def code_points(text: str) -> Codes:
    """The code points of a text, one item each, of 1, 2 or 4 bytes."""
    try:
        return np.frombuffer(text.encode("latin-1"), np.uint8)
    except UnicodeEncodeError:
        pair = text.encode("utf-16-le", "surrogatepass")
    if len(pair) == 2 * len(text):
        return np.frombuffer(pair, np.uint16)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def taken(codes: Codes, places: Ints) -> Codes:
    """The code points at places; line ends outside the text."""
    if not len(places) or (places[0] >= 0 and places[-1] < len(codes)):
        return codes[places]
    inside = codes[np.clip(places, 0, max(0, len(codes) - 1))] if len(codes) else np.zeros_like(places)
    return np.where((places >= 0) & (places < len(codes)), inside, NEWLINE).astype(codes.dtype)


def lines_of(text: str) -> Lines:
    """Find the lines of a text that are not blank."""
    codes = code_points(text)
    ends = np.concatenate([newlines(codes), np.array([len(codes)], np.int32)])
    starts = np.concatenate([np.zeros(1, np.int32), ends[:-1] + 1])
    kept = np.flatnonzero(ends > starts)
    starts, ends = starts[kept], ends[kept]
    opens = np.diff(kept, prepend=-2) > 1
    firsts, indents = indentation(text, codes, starts)
    heads = taken(codes, firsts)
    if (heads == NEWLINE).any() or (len(firsts) and firsts[-1] >= len(codes)):
        full = np.flatnonzero(firsts < ends)
        opens = np.diff(kept[full], prepend=-2) > 1
        starts, firsts, indents, heads = starts[full], firsts[full], indents[full], heads[full]
    if len(opens):
        opens[0] = True
    signs = np.minimum(heads, NO_SIGN).astype(np.uint8)
    return Lines(text, codes, starts, firsts, indents, heads, signs, opens)


def newlines(codes: Codes) -> Ints:
    """Offsets of all line ends."""
    found = [
        (np.flatnonzero(codes[start : start + BLOCK] == NEWLINE) + start).astype(np.int32)
        for start in range(0, len(codes), BLOCK)
    ]
    return np.concatenate(found) if found else np.zeros(0, np.int32)


def indentation(text: str, codes: Codes, starts: Ints) -> tuple[Ints, Ints]:
    """Offset of each line's first character that is no space or tab, and the columns before it."""
    firsts, indents = starts.copy(), np.zeros_like(starts)
    heads = codes[starts]
    left = np.flatnonzero((heads == SPACE) | (heads == TAB))
    for _ in range(COLUMNS_BY_COLUMN):
        if not len(left):
            return firsts, indents
        tabs = taken(codes, firsts[left]) == TAB
        indents[left] += np.where(tabs, 4 - indents[left] % 4, 1)
        firsts[left] += 1
        heads = taken(codes, firsts[left])
        left = left[(heads == SPACE) | (heads == TAB)]
    for line in left.tolist():
        match = BLANKS.match(text, int(firsts[line]))
        assert match is not None  # noqa: S101  # it matches nothing, too
        indents[line] += match.end() - firsts[line]
        firsts[line] = match.end()
    return firsts, indents
