"""The lines of a text as arrays, so that millions of them are looked at in a few passes."""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from services.ingest.outline.native import scan

Ints = NDArray[np.int32]
Flags = NDArray[np.bool_]
Numbers = NDArray[np.intp]
Codes = NDArray[np.unsignedinteger]

NEWLINE, TAB, SPACE = ord("\n"), ord("\t"), ord(" ")
NO_SIGN = 127
MOST_IN_LIST = 1 << 20
BLOCK = 1 << 18
"""Code points that are looked at together; they stay in the processor's cache."""
WINDOWS = 1 << 13
SPACES_AT_ONCE = 16
"""So many spaces are stepped over for all lines in one go."""
COLUMNS_BY_COLUMN = 32
"""So many columns of other indentation are stepped over for all lines at once; deeper ones line by line."""
BLANKS = re.compile(r"[ \t]*")
CODES = {1: np.uint8, 2: np.uint16, 4: np.uint32}
"""Types of code points by their bytes."""
COLUMNS = (np.int32, np.int32, np.int32, np.uint32, np.uint8, np.bool_)
"""Types of what `scan` finds."""


@dataclass(frozen=True)
class Lines:
    r"""The lines of a text that are not blank; lines end at `\\n`, blank ones hold only spaces and tabs.

    Args:
        text: the text.
        codes: its code points.
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

    def behind(self, chosen: Numbers, width: int) -> Codes:
        """For some lines the first code point and those behind it; line ends behind the end of the text.

        Returns:
            Shape [lines, width].
        """
        return windows(self.codes, self.firsts[chosen], width)


def sequence(numbers: NDArray[np.int32] | NDArray[np.uint32]) -> Sequence[int]:
    """Numbers that are read one by one: an array, which is small, or a list, which is fast.

    Most are read where nothing is compiled.
    """
    if scan is None and len(numbers) < MOST_IN_LIST:
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
    if scan is not None:
        data = np.frombuffer(scan.codes(text), np.uint8)  # type: ignore[call-overload]
        return data.view(CODES[len(data) // len(text)]) if text else data  # type: ignore[no-any-return]
    try:
        return np.frombuffer(text.encode("latin-1"), np.uint8)
    except UnicodeEncodeError:
        # Two bytes for each would be less memory, but take twice the time to make.
        return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def windows(codes: Codes, places: Ints, width: int) -> Codes:
    """The code points from some ascending places on, each so many; line ends behind the end of the text.

    Returns:
        Shape [places, width].
    """
    if not len(places) or places[-1] + width <= len(codes):
        return (
            sliding_window_view(codes, width)[places] if len(codes) >= width else codes[:0].reshape(0, width)
        )
    wanted = places[:, np.newaxis] + np.arange(width, dtype=np.int32)
    inside = codes[np.minimum(wanted, len(codes) - 1)]
    return np.where(wanted < len(codes), inside, np.array(NEWLINE, codes.dtype))


def lines_of(text: str) -> Lines:
    """Find the lines of a text that are not blank."""
    if scan is None:
        return lines_by_numpy(text)
    columns = zip(scan.lines(text), COLUMNS, strict=True)
    return Lines(text, code_points(text), *(np.frombuffer(column, kind) for column, kind in columns))


def lines_by_numpy(text: str) -> Lines:
    """The same where nothing is compiled."""
    codes = code_points(text)
    numbers, starts, heads = line_starts(codes)
    firsts, indents = starts.copy(), np.zeros_like(starts)
    opens = np.diff(numbers, prepend=np.int32(-2)) > 1
    indented = np.flatnonzero((heads == SPACE) | (heads == TAB))
    for first in range(0, len(indented), WINDOWS):
        indent(text, codes, indented[first : first + WINDOWS], (firsts, indents, heads))
    full = heads != NEWLINE
    if len(indented) and not full.all():
        numbers, starts, firsts = numbers[full], starts[full], firsts[full]
        indents, heads = indents[full], heads[full]
        opens = np.diff(numbers, prepend=np.int32(-2)) > 1
    if len(opens):
        opens[0] = True
    return Lines(
        text, codes, starts, firsts, indents, heads, np.minimum(heads, NO_SIGN).astype(np.uint8), opens
    )


def line_starts(codes: Codes) -> tuple[Ints, Ints, Codes]:
    """Number, first offset and first code point of each line that is not empty."""
    ends = newlines(codes)
    starts = np.concatenate([np.zeros(1, np.int32), ends + np.int32(1)])
    starts = starts[:-1] if starts[-1] == len(codes) else starts
    heads = codes[starts]
    kept = np.flatnonzero(heads != NEWLINE)
    return kept.astype(np.int32), starts[kept], heads[kept]


def indent(text: str, codes: Codes, lines: Numbers, found: tuple[Ints, Ints, Codes]) -> None:
    """Step over the spaces and tabs at the start of some lines: in their first places, indents and heads."""
    firsts, indents, heads = found
    near = windows(codes, firsts[lines], SPACES_AT_ONCE + 1)
    spaces = (near != SPACE).argmax(axis=1)
    following = near[np.arange(len(lines)), spaces]
    done = (following != SPACE) & (following != TAB)
    indents[lines] = np.where(done, spaces, 0)
    firsts[lines] += indents[lines]
    heads[lines] = following
    if not done.all():
        indent_far(text, codes, lines[~done], found)


def indent_far(text: str, codes: Codes, lines: Numbers, found: tuple[Ints, Ints, Codes]) -> None:
    """The same for lines with tabs or many spaces, none of which is stepped over yet."""
    firsts, indents, heads = found
    codes = windows(codes, firsts[lines], COLUMNS_BY_COLUMN + 1)
    left = np.arange(len(lines))
    for column in range(COLUMNS_BY_COLUMN):
        chosen = lines[left]
        indents[chosen] += np.where(codes[left, column] == TAB, 4 - indents[chosen] % 4, 1)
        firsts[chosen] += 1
        following = codes[left, column + 1]
        heads[chosen] = following
        left = left[(following == SPACE) | (following == TAB)]
        if not len(left):
            return
    for line in lines[left].tolist():
        match = BLANKS.match(text, firsts.item(line))
        assert match is not None  # noqa: S101  # it matches nothing, too
        indents[line] = len(text[firsts[line] - COLUMNS_BY_COLUMN : match.end()].expandtabs(4))
        firsts[line] = match.end()
        heads[line] = ord(text[match.end()]) if match.end() < len(text) else NEWLINE


def newlines(codes: Codes) -> Ints:
    """Offsets of all line ends."""
    found = [np.zeros(0, np.int32)]
    for start in range(0, len(codes), BLOCK):
        found.append((np.flatnonzero(codes[start : start + BLOCK] == NEWLINE) + start).astype(np.int32))
    return np.concatenate(found)
