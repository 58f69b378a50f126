"""The text layer of a PDF page: words with their boxes, got with few calls to PDFium a page.

A call for each character would cost more than all else together. So the text comes by one call, and only
the first and the last character of a word are asked for their boxes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import repeat
from typing import Any

import numpy as np
import pypdfium2.raw as pdfium
from numpy.typing import NDArray

from services.ingest.readers.pdf.calls import (
    Answers,
    char_angle,
    char_box,
    char_code,
    chars_of,
    count_chars,
    count_rects,
    pointer,
    rect_of,
    render_mode,
    text_object,
)
from services.ingest.readers.pdf.layout import RIGHT_TO_LEFT, WIDE

Floats = NDArray[np.float32]
Codes = NDArray[np.uint16]
Flags = NDArray[np.bool_]

HYPHEN = "\ufffe"
"""What PDFium puts for a hyphen at the end of a line, in place of the hyphen and the line end."""
UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff\uffff]")
NO_TEXT = re.compile("[\ufffd\ue000-\uf8ff\x01-\x08\x0e-\x1b]")
LINE = re.compile(rf"{HYPHEN}|[^\s\x00](?:[^\n{HYPHEN}]*[^\s\x00])?")
WORD = re.compile(rf"[^\s\x00{HYPHEN}]+{HYPHEN}?|{HYPHEN}")
SPACE, DIGIT, WIDE_LETTER, SPECIAL, UNKNOWN = 1, 2, 3, 4, 5
MOST_DIGITS = 0.12
"""A line with a larger share of digits may be the row of a table."""
LOOSE = 0.52
"""Width of a character in heights of the line, above which there is white in the line."""
DENSER = 1.12
"""So much more than the usual width of a character a line may have; short lines may have more."""
WIDE_GAP = 0.9
"""A gap between two words of this many font sizes may separate columns."""
FEW_LETTERS = 40
"""A scan may bear a stamp of so many letters as text."""
FILLED = 0.15
"""Text that covers this share of a page is what stands on it; stamps and captions cover less."""
SLANT = 0.2
"""Radians by which the direction of a word may differ from that of the page."""


def kind_of(character: str) -> int:
    """What a character tells about its page."""
    if character == "\x00" or character.isspace():
        return SPACE
    if character.isdigit():
        return DIGIT
    if RIGHT_TO_LEFT.match(character) or "\ud800" <= character <= "\udfff":
        return SPECIAL
    if NO_TEXT.match(character):
        return UNKNOWN
    return WIDE_LETTER if WIDE.match(character) else 0


KINDS = np.array([kind_of(chr(code)) for code in range(0x10000)], np.uint8)
TWO_SPACES = bytes((SPACE, SPACE))
BOXES = Answers(np.float32, 4)
RECTS = Answers(np.float64, 4, apart=True)
IN_LOW = np.array((True, False, False, True))
"""Left and bottom are the least of their kind in PDF, top and right the greatest."""
DOWN = np.array((1, -1, 1, -1), np.float32)  # PDF counts from the bottom.


@dataclass(frozen=True)
class Layer:
    """The words of a page in the order of its content stream.

    Args:
        text: the page's text, one character for each that PDFium counts.
        starts: where each word starts in the text.
        ends: one past where it ends.
        boxes: left, top, right, bottom of each word in points, the page upright; shape (words, 4).
        turns: by how many quarters the page was turned for that, clockwise.
        aside: texts written in another direction than the page's.
        unknown: how many characters no font maps to a letter.
        inserts: marks of links and comments and the places in the text before which they stand, in order.
    """

    text: str
    starts: list[int]
    ends: list[int]
    boxes: Floats
    turns: int
    aside: list[str]
    unknown: int
    inserts: list[tuple[int, str]] = field(default_factory=list)

    @cached_property
    def letters(self) -> int:
        """Number of characters that are no space."""
        return sum(self.ends) - sum(self.starts) + sum(len("".join(text.split())) for text in self.aside)

    def usable(self) -> bool:
        """Whether the layer holds text, and not codes of a font that nobody can map to characters."""
        return self.letters > 0 and self.unknown * 4 < self.letters

    def tells_all(self, handle: Any, area: float) -> bool:
        """Whether the layer may be taken for all the text of a page that a picture covers.

        It may where programs that recognise text put it, unseen on the picture, and where it fills the page.

        Args:
            handle: PDFium's text page.
            area: of the page, in square points.
        """
        if self.letters < FEW_LETTERS:
            return False
        sides = self.boxes[:, 2:] - self.boxes[:, :2]
        return float(sides.prod(axis=1).sum()) >= FILLED * area or 2 * self.unseen(handle) >= self.letters

    def unseen(self, handle: Any) -> int:
        """Number of characters that are in the layer, but not painted on the page."""
        objects = map(text_object, repeat(handle), self.starts)
        return sum(
            end - start
            for start, end, one in zip(self.starts, self.ends, objects, strict=True)
            if one and render_mode(pointer(one)) == pdfium.FPDF_TEXTRENDERMODE_INVISIBLE
        )


NO_LAYER = Layer("", [], [], np.zeros((0, 4), np.float32), 0, [], 0)


def layer_of(
    handle: Any,
    bounds: tuple[float, float, float, float],
    by_word: bool = False,
    apart: Sequence[tuple[float, float, float, float]] = (),
) -> Layer:
    """The words of a page; a line without white in it is taken for one word, which saves most of the calls.

    Args:
        handle: PDFium's text page.
        bounds: left, bottom, right, top of the visible page in points.
        by_word: never take a line for a word.
        apart: left, bottom, right, top of what lies over words: no line there is taken for a word.
    """
    text, codes = characters(handle)
    kinds = KINDS[codes].tobytes()
    if not kinds.strip(TWO_SPACES):
        return NO_LAYER
    lines = None
    if not by_word and SPECIAL not in kinds:
        lines = lines_and_words(handle, text, kinds, bounds, apart)
    if lines:
        starts, ends, boxes = lines
        turns, slanted = 0, np.zeros(len(starts), np.bool_)
    else:
        starts, ends = words_of(text)
        boxes, turns, slanted = placed(handle, starts, ends, bounds)
    layer = Layer(text, starts, ends, boxes, turns, [], kinds.count(UNKNOWN))
    return seen(layer, slanted, bounds)


def lines_and_words(
    handle: Any,
    text: str,
    kinds: bytes,
    bounds: tuple[float, float, float, float],
    apart: Sequence[tuple[float, float, float, float]],
) -> tuple[list[int], list[int], Floats] | None:
    """Starts, ends and boxes of the lines without white, and of the words of the others, in their order.

    None for a page with words that are not level.
    """
    firsts, afters = lines_of(text)
    boxes, turns, slanted = placed(handle, firsts, afters, bounds)
    if turns or slanted.any():
        return None
    loose = loose_lines(kinds, firsts, afters, boxes) | gapped_lines(handle, boxes, bounds)
    loose |= touched(boxes, upright([*np.array(apart, np.float32).T], bounds, 0)) if apart else False
    if not loose.any():
        return firsts, afters, boxes
    starts, ends, whole = [], [], []
    for first, after, is_loose in zip(firsts, afters, loose.tolist(), strict=True):
        spans = [(first, after)]
        if is_loose:
            spans = [match.span() for match in WORD.finditer(text, first, after)]
        starts += [start for start, _ in spans]
        ends += [end for _, end in spans]
        whole += [not is_loose] * len(spans)
    lines = np.array(whole)
    sides = np.empty((len(starts), 4), np.float32)
    sides[lines] = boxes[~loose]
    words = np.flatnonzero(~lines).tolist()
    inks = inks_of(handle, [starts[at] for at in words], [ends[at] for at in words])
    sides[~lines] = boxes_of(*inks, bounds, turns)
    return starts, ends, sides


def placed(
    handle: Any, starts: list[int], ends: list[int], bounds: tuple[float, float, float, float]
) -> tuple[Floats, int, Flags]:
    """Boxes of stretches of text by their first and last characters, turns of the page, which are slanted."""
    first, last = inks_of(handle, starts, ends)
    turns, slanted = direction(handle, starts, first, last)
    return boxes_of(first, last, bounds, turns), turns, slanted


def inks_of(handle: Any, starts: list[int], ends: list[int]) -> tuple[Floats, Floats]:
    """Boxes of the first and the last characters of stretches of text: left, top, right, bottom of PDF."""
    places = starts + [end - 1 for end in ends]
    inks = BOXES.of(char_box, repeat(handle), places, count=len(places))
    return inks[: len(starts)], inks[len(starts) :]


def boxes_of(first: Floats, last: Floats, bounds: tuple[float, float, float, float], turns: int) -> Floats:
    """Boxes on the upright page of stretches that begin and end with two boxes."""
    low, high = np.minimum(first, last), np.maximum(first, last)
    if turns:
        return upright((low[:, 0], low[:, 3], high[:, 2], high[:, 1]), bounds, turns)
    left, _, _, top = bounds
    boxes: Floats = np.where(IN_LOW, low, high) * DOWN + np.array((-left, top, -left, top), np.float32)
    return boxes


def seen(layer: Layer, slanted: Flags, bounds: tuple[float, float, float, float]) -> Layer:
    """The layer without what lies outside of the visible page, slanted words aside."""
    width, height = bounds[2] - bounds[0], bounds[3] - bounds[1]
    if layer.turns % 2:
        width, height = height, width
    boxes = layer.boxes
    if not slanted.any():
        (left, top, _, _), (_, _, right, bottom) = boxes.max(axis=0).tolist(), boxes.min(axis=0).tolist()
        if right > 0 and left < width and bottom > 0 and top < height:
            return layer
    inside = (boxes[:, 2] > 0) & (boxes[:, 0] < width) & (boxes[:, 3] > 0) & (boxes[:, 1] < height)
    kept = inside & ~slanted
    indices = np.flatnonzero(kept).tolist()
    return replace(
        layer,
        starts=[layer.starts[at] for at in indices],
        ends=[layer.ends[at] for at in indices],
        boxes=boxes[kept],
        aside=asides(layer.text, layer.starts, layer.ends, inside & slanted) if slanted.any() else [],
    )


def loose_lines(kinds: bytes, firsts: list[int], afters: list[int], boxes: Floats) -> Flags:
    """Which lines may have white in them, as the rows of a table: they hold less text for their width.

    Rows of numbers and lines that spaces set are among them in any case.
    """
    lines = [kinds[first:after] for first, after in zip(firsts, afters, strict=True)]
    rows = [line.count(DIGIT) > MOST_DIGITS * len(line) or TWO_SPACES in line for line in lines]
    letters = np.array([len(line) + line.count(WIDE_LETTER) for line in lines])
    spread = (boxes[:, 2] - boxes[:, 0]) / (np.maximum(boxes[:, 3] - boxes[:, 1], 0.1) * letters)
    usual = np.sort(spread)[len(spread) // 2]
    loose: Flags = spread > np.minimum(usual * (DENSER + 3.0 / letters), LOOSE + 1.0 / letters)
    return loose | rows


def touched(boxes: Floats, others: Floats) -> Flags:
    """Which boxes share a place with any of others."""
    meet: Flags = (boxes[:, None, :2] < others[:, 2:]) & (others[:, :2] < boxes[:, None, 2:])
    found: Flags = np.logical_or.reduce(meet.all(axis=2), axis=1)
    return found


def gapped_lines(handle: Any, boxes: Floats, bounds: tuple[float, float, float, float]) -> Flags:
    """Which lines have white between two of the pieces of which they are drawn."""
    count = count_rects(handle, 0, -1)
    if count < 2 or count == len(boxes):
        # Each line is a piece, as a line that shows holds a piece at least.
        return np.zeros(len(boxes), np.bool_)
    left, top, right, bottom = RECTS.of(rect_of, repeat(handle), range(count), count=count).T
    shared = np.minimum(top[1:], top[:-1]) - np.maximum(bottom[1:], bottom[:-1])
    height = np.sort(boxes[:, 3] - boxes[:, 1])[len(boxes) // 2]
    white = np.maximum(left[1:] - right[:-1], left[:-1] - right[1:]) > WIDE_GAP * height
    before = np.flatnonzero(white & (shared > 0))
    middles = bounds[3] - (top[before] + bottom[before])[:, None] / 2
    gapped: Flags = ((boxes[:, 1] <= middles) & (middles <= boxes[:, 3])).any(axis=0)
    return gapped


def characters(handle: Any) -> tuple[str, Codes]:
    """The page's characters as PDFium counts them, and their codes; one beyond U+FFFF stays two halves."""
    count = count_chars(handle)
    if count <= 0:
        return "", np.zeros(0, np.uint16)
    codes = np.empty(count + 1, np.uint16)
    if chars_of(handle, 0, count, pointer(codes.ctypes.data)) != count + 1:
        # Some characters are in PDFium's list but not in its text.
        found = np.fromiter(map(char_code, repeat(handle), range(count)), np.uint32, count)
        codes = np.minimum(found, 0xFFFD).astype(np.uint16)
        codes[codes == 2] = ord(HYPHEN)
    codes = codes[:count]
    text = codes.tobytes().decode("utf-16-le", "surrogatepass")
    return (text if len(text) == count else "".join(map(chr, codes.tolist()))), codes


def words_of(text: str) -> tuple[list[int], list[int]]:
    """Where words start and end; a hyphen at the end of a line ends a word."""
    return places_of(WORD, text)


def lines_of(text: str) -> tuple[list[int], list[int]]:
    """Where PDFium's lines start and end."""
    return places_of(LINE, text)


def places_of(pattern: re.Pattern[str], text: str) -> tuple[list[int], list[int]]:
    """Where what a pattern finds starts and ends."""
    spans = [match.span() for match in pattern.finditer(text)]
    return [start for start, _ in spans], [end for _, end in spans]


def direction(handle: Any, starts: list[int], first: Floats, last: Floats) -> tuple[int, Flags]:
    """By how many quarters to turn the page so that most words are level, and the words that are not then."""
    steps = np.abs(first[:, 1] + first[:, 3] - last[:, 1] - last[:, 3])
    level = steps <= 1.2 * np.abs(first[:, 1] - first[:, 3])
    if level.all() and char_angle(handle, starts[0]) == 0:
        return 0, ~level
    # PDFium gives the angle clockwise.
    angles = -np.fromiter(map(char_angle, repeat(handle), starts), np.float32, len(starts))
    quarters = np.round(angles / (np.pi / 2)).astype(int) % 4
    turns = int(np.bincount(quarters).argmax())
    off = (angles - turns * np.pi / 2 + np.pi) % (2 * np.pi) - np.pi
    return turns, np.abs(off) > SLANT


def upright(sides: Sequence[Floats], bounds: tuple[float, float, float, float], turns: int) -> Floats:
    """Boxes as left, top, right, bottom of a page turned; shape (boxes, 4).

    Args:
        sides: left, bottom, right, top of the boxes, as PDF has them; each of shape (boxes,).
        bounds: left, bottom, right, top of the visible page in points.
        turns: by how many quarters to turn it clockwise.
    """
    x, y, to_x, to_y = sides
    left, bottom, right, top = bounds
    boxes = np.empty((len(x), 4), np.float32)
    match turns:
        case 0:
            columns = x - left, top - to_y, to_x - left, top - y
        case 1:
            columns = y - bottom, x - left, to_y - bottom, to_x - left
        case 2:
            columns = right - to_x, y - bottom, right - x, to_y - bottom
        case _:
            columns = top - to_y, right - to_x, top - y, right - x
    for at, column in enumerate(columns):
        boxes[:, at] = column
    return boxes


def asides(text: str, starts: list[int], ends: list[int], chosen: Flags) -> list[str]:
    """The texts of chosen words, one for each line."""
    found: list[str] = []
    before = -2
    for at in np.flatnonzero(chosen).tolist():
        word = fit(text[starts[at] : ends[at]])
        if at == before + 1 and "\n" not in text[ends[before] : starts[at]]:
            found[-1] += " " + word
        else:
            found.append(word)
        before = at
    return found


def fit(text: str) -> str:
    """A text without characters that no text has; two halves of a character become one."""
    if text.isascii() and text.isprintable():
        return text
    text = UNFIT.sub("", text.replace("\r", "").replace("\n", " "))
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
