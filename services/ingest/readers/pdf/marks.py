"""Links and comments in the text of a page: marks hold their places until the text is put together.

The marks are characters for private use. They stand within the text that they belong to, after its first
character or before its last, so that its ends still tell how lines go on.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace
from operator import itemgetter

import numpy as np

from services.ingest.readers.pdf.annotations import Annotations, Comment
from services.ingest.readers.pdf.layout import Run
from services.ingest.readers.pdf.objects import turned
from services.ingest.readers.pdf.paths import Box
from services.ingest.readers.pdf.text import Flags, Floats, Layer, fit
from services.ingest.readers.shared import markdown

OPEN, CLOSE, NOTE = "\U0010fffb", "\U0010fffc", "\U0010fffd"
FIRST = 0x100000
"""The number of a link or comment is a character from here on."""
MOST = 0xFFF0
ADJACENT = re.compile(f"{CLOSE}(.)((?:{NOTE}.)*\\S\\s+\\S){OPEN}\\1")
LINKED = re.compile(f"(\\S){OPEN}(.)([^{OPEN}{CLOSE}]*){CLOSE}\\2((?:{NOTE}.)*\\S)", re.DOTALL)
NOTED = re.compile(f"{NOTE}(.)(\\S)")
ANY = re.compile(f"[{OPEN}{CLOSE}{NOTE}](.)")
HALF = re.compile("[\ud800-\udfff]")
NEXT_WORD = 1.0
"""Words of a line are at most so many of its heights apart."""
BOX_SIZE, BOX_PITCH = 10.0, 12.0
"""Font size of text boxes that tell none, and the distance of their lines."""
UNSAFE = {" ": "%20", "|": "%7C", "<": "%3C", ">": "%3E", "\n": "", "\r": "", "\t": ""}


class Marks:
    """The links and comments of a document, by the marks that stand for them."""

    def __init__(self) -> None:
        self._values: list[str] = []
        self._marks: dict[str, str] = {}

    def mark(self, value: str) -> str:
        """The character that stands for an address or a comment; empty if there are too many."""
        if value not in self._marks and len(self._values) < MOST:
            self._marks[value] = chr(FIRST + len(self._values))
            self._values.append(value)
        return self._marks.get(value, "")

    def resolved(self, text: str) -> str:
        """A text with links and comments in place of their marks."""
        if not self._values or not ANY.search(text):
            return text
        text = LINKED.sub(self._link, ADJACENT.sub(r"\2", text))
        return ANY.sub("", NOTED.sub(self._note, text))

    def _value(self, mark: str) -> str:
        place = ord(mark) - FIRST
        return self._values[place] if 0 <= place < len(self._values) else ""

    def _link(self, match: re.Match[str]) -> str:
        first, mark, middle, last = match.groups()
        marked = first + middle + last
        notes = "".join(f" {self._value(one)}" for one in ANY.findall(marked))
        inner = ANY.sub("", marked)
        return (markdown.link(inner, self._value(mark)) if "\n" not in inner else inner) + notes

    def _note(self, match: re.Match[str]) -> str:
        return f"{match[2]} {self._value(match[1])}".rstrip()


def without_marks(text: str) -> str:
    """A text without links and comments, as code is."""
    return ANY.sub("", text)


def note_of(comment: Comment) -> str:
    """A comment as it stands in the text."""
    return markdown.comment(comment.author, comment.text)


def marked(layer: Layer, over: Annotations, bounds: Box, marks: Marks) -> tuple[Layer, list[str]]:
    """A layer with the marks of what lies over it, and the comments that belong to no word."""
    inserts: dict[int, str] = {}

    def insert(at: int, mark: str) -> None:
        inserts[at] = inserts.get(at, "") + mark

    for link in over.links:
        address = "".join(UNSAFE.get(letter, letter) for letter in link.address)
        number = marks.mark(address)
        if number:
            for start, end in stretches(layer, inside(layer, link.boxes, bounds)):
                if end - start > 1 and not HALF.search(layer.text[start] + layer.text[end - 1]):
                    insert(start + 1, OPEN + number)
                    insert(end - 1, CLOSE + number)
    loose = []
    for comment in over.comments:
        covered = np.flatnonzero(inside(layer, comment.boxes, bounds)).tolist() if comment.covers else []
        words = " ".join(layer.text[layer.starts[at] : layer.ends[at]] for at in covered)
        if words and words == " ".join(comment.text.split()):
            continue
        at = covered[-1] if covered else beside(layer, turned(comment.boxes, bounds, layer.turns)[0])
        number = marks.mark(note_of(comment)) if at is not None else ""
        if at is None or not number or HALF.search(layer.text[layer.ends[at] - 1]):
            loose.append(note_of(comment))
        else:
            insert(layer.ends[at] - 1, NOTE + number)
    return replace(layer, inserts=sorted(inserts.items())), loose


def inside(layer: Layer, boxes: Sequence[Box], bounds: Box) -> Flags:
    """Which words stand in boxes."""
    x, y = ((layer.boxes[:, side] + layer.boxes[:, side + 2]) / 2 for side in (0, 1))
    found: Flags = np.zeros(len(layer.starts), np.bool_)
    for left, top, right, bottom in turned(list(boxes), bounds, layer.turns):
        found |= (left <= x) & (x <= right) & (top <= y) & (y <= bottom)
    return found


def stretches(layer: Layer, chosen: Flags) -> Iterator[tuple[int, int]]:
    """Where stretches of chosen words on one line start and end in the text."""
    before = -2
    start = 0
    for at in [*np.flatnonzero(chosen).tolist(), -1]:
        if at != before + 1 or not follows(layer.boxes, before):
            if before >= 0:
                yield start, layer.ends[before]
            start = layer.starts[at]
        before = at


def follows(boxes: Floats, at: int) -> bool:
    """Whether the next word stands on the line of a word, and near to it."""
    if at < 0:
        return False
    (_, top, right, bottom), (left, high, _, low) = boxes[at].tolist(), boxes[at + 1].tolist()
    shared = float(min(bottom, low) - max(top, high))
    near = abs(left - right) < NEXT_WORD * (bottom - top)
    return bool(near and shared > 0.5 * min(bottom - top, low - high))


def beside(layer: Layer, box: Sequence[float]) -> int | None:
    """The last word of the line that is nearest to a box."""
    if not layer.starts:
        return None
    left, top, right, bottom = box
    boxes = layer.boxes
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    above = np.abs(y - (top + bottom) / 2)
    near = above <= above.min() + 0.5 * (boxes[int(above.argmin()), 3] - boxes[int(above.argmin()), 1])
    at = int(np.where(near, np.abs(x - (left + right) / 2), np.inf).argmin())
    while at + 1 < len(boxes) and follows(boxes, at):
        at += 1
    return at


def with_marks(layer: Layer, start: int, end: int) -> str:
    """The text of a stretch, with its marks."""
    text, done = "", start
    for at, mark in layer.inserts[bisect_left(layer.inserts, start, key=itemgetter(0)) :]:
        if at >= end:
            break
        text += layer.text[done:at] + mark
        done = at
    return text + layer.text[done:end]


def boxed(over: Annotations, bounds: Box, turns: int) -> list[Run]:
    """The lines of text boxes that are not drawn on the page."""
    runs = []
    for text, box in over.boxes:
        ((left, top, right, _),) = turned([box], bounds, turns)
        for at, line in enumerate(line for line in text.split("\n") if line.strip()):
            low = top + BOX_PITCH * at
            runs.append(Run(fit(line).strip(), left, low, right, low + BOX_SIZE, BOX_SIZE))
    return runs


def level_with_labels(layer: Layer, fields: Sequence[Box], bounds: Box) -> Layer:
    """A layer where the value of a form field stands on the line of its label."""
    boxes = layer.boxes.copy()
    in_fields = inside(layer, fields, bounds)
    for box in fields:
        within = inside(layer, [box], bounds)
        ((left, top, right, bottom),) = turned([box], bounds, layer.turns)
        middles = (layer.boxes[:, 1] + layer.boxes[:, 3]) / 2
        heights = layer.boxes[:, 3] - layer.boxes[:, 1]
        if not within.any() or np.ptp(middles[within]) > 0.5 * heights[within].max():
            continue
        # A label stands at the left of its field, or at its right.
        gaps = np.maximum(left - layer.boxes[:, 2], layer.boxes[:, 0] - right)
        labels = ~in_fields & (top <= middles) & (middles <= bottom) & (gaps >= -1)
        if labels.any():
            boxes[within, 1::2] = layer.boxes[int(np.where(labels, gaps, np.inf).argmin()), 1::2]
    return replace(layer, boxes=boxes)
