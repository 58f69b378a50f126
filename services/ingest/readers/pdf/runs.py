"""Words of a PDF page become runs: stretches of a line without a wide gap, with their size and font."""

from __future__ import annotations

import ctypes
import re
from functools import lru_cache
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.ingest.readers.pdf.calls import (
    Answers,
    char_font,
    char_matrix,
    char_size,
)
from services.ingest.readers.pdf.layout import Run
from services.ingest.readers.pdf.marks import with_marks
from services.ingest.readers.pdf.text import (
    UNFIT,
    WIDE_GAP,
    Flags,
    Floats,
    Layer,
    fit,
)

SPACES = re.compile(r"\s+")
STRANGE = re.compile(UNFIT.pattern + "|[\ud800-\udfff]")
BOLD_NAME = re.compile(r"bold|black|heavy|demi|cmbx|sfbx|-medi(?:ital)?$", re.IGNORECASE)
MONO_NAME = re.compile(r"courier|mono|nimbusmon|consol|menlo|typewriter|cmtt|sftt", re.IGNORECASE)
FIXED_PITCH, FORCE_BOLD = 1, 1 << 18
NAME_BYTES = 128
MATRICES = Answers(np.float32, 6)


def runs_of(handle: Any, layer: Layer, free: Flags | None = None) -> list[Run]:
    """The words as runs: words on a line without a wide gap.

    Args:
        handle: PDFium's text page.
        layer: its words.
        free: which words to take; all if None.
    """
    firsts, afters, sides = stretches(layer, free)
    if not firsts:
        return []
    styles = zip(*looks(handle, firsts, middles_of(layer.text, firsts, afters), afters), strict=True)
    sizes, bolds, monos = map(list, styles)
    if layer.inserts:
        texts = [with_marks(layer, first, after) for first, after in zip(firsts, afters, strict=True)]
    else:
        texts = [layer.text[first:after] for first, after in zip(firsts, afters, strict=True)]
    if STRANGE.search(layer.text):
        texts = [fit(text) for text in texts]
    if not all(monos):
        texts = [text if mono else evenly(text) for text, mono in zip(texts, monos, strict=True)]
    columns = sides.T.tolist()
    if not all(sizes):
        sizes = [
            size or bottom - top for size, top, bottom in zip(sizes, columns[1], columns[3], strict=True)
        ]
    return list(map(Run._make, zip(texts, *columns, sizes, bolds, monos, strict=True)))


def stretches(layer: Layer, free: Flags | None) -> tuple[list[int], list[int], Floats]:
    """The starts, ends and boxes of what stands on a line without a wide gap."""
    starts, ends, boxes = layer.starts, layer.ends, layer.boxes
    jumps = np.zeros(0, np.int64)
    if free is not None and not free.all():
        indices = np.flatnonzero(free)
        jumps = np.flatnonzero(np.diff(indices) > 1) + 1
        starts, ends = [starts[at] for at in indices.tolist()], [ends[at] for at in indices.tolist()]
        boxes = boxes[free]
    if len(starts) < 2:
        return starts, ends, boxes
    heads = np.concatenate(([0], breaks_of(boxes)))
    heads = np.union1d(heads, jumps) if jumps.size else heads
    if len(heads) == len(starts):
        return starts, ends, boxes
    low, high = np.minimum.reduceat(boxes, heads, axis=0), np.maximum.reduceat(boxes, heads, axis=0)
    sides = np.concatenate((low[:, :2], high[:, 2:]), axis=1)
    places = heads.tolist()
    return [starts[at] for at in places], [*(ends[at - 1] for at in places[1:]), ends[-1]], sides


def evenly(text: str) -> str:
    """A text with one space between its words."""
    return SPACES.sub(" ", text) if "  " in text or "\n" in text or "\t" in text else text


def middles_of(text: str, firsts: list[int], afters: list[int]) -> list[int]:
    """A character in the middle of each stretch that is no space."""
    middles = [(first + after) // 2 for first, after in zip(firsts, afters, strict=True)]
    for at in range(len(middles)):
        while text[middles[at]].isspace():
            middles[at] += 1
    return middles


def breaks_of(boxes: Floats) -> NDArray[np.int64]:
    """Indices of the words that begin a new run."""
    before, after = boxes[:-1], boxes[1:]
    heights = np.minimum(before[:, 3] - before[:, 1], after[:, 3] - after[:, 1])
    shared = np.minimum(before[:, 3], after[:, 3]) - np.maximum(before[:, 1], after[:, 1])
    # In a script that runs from the right, the next word is on the left.
    gaps = np.maximum(after[:, 0] - before[:, 2], before[:, 0] - after[:, 2])
    return np.flatnonzero((shared < 0.5 * heights) | (gaps > WIDE_GAP * heights)) + 1


def looks(
    handle: Any, firsts: list[int], middles: list[int], afters: list[int]
) -> list[tuple[float, bool, bool]]:
    """How stretches of text look: font size in points, whether both ends are bold, and of a typewriter.

    Args:
        handle: PDFium's text page.
        firsts: first character of each stretch.
        middles: one in its middle; marks of list items and words of code may differ in size.
        afters: one past its last.
    """
    matrices = MATRICES.of(char_matrix, repeat(handle), middles, count=len(middles))
    scales = np.sqrt(np.abs(matrices[:, 0] * matrices[:, 3] - matrices[:, 1] * matrices[:, 2])).tolist()
    name, flags = ctypes.create_string_buffer(NAME_BYTES), ctypes.c_int()
    to_name, to_flags = ctypes.byref(name), ctypes.byref(flags)
    sizes = map(char_size, repeat(handle), firsts)
    halves = map(char_size, repeat(handle), middles)
    found = []
    for first, after, begun, half, scale in zip(firsts, afters, sizes, halves, scales, strict=True):
        size = begun if begun == half else sorted((begun, half, char_size(handle, after - 1)))[1]
        char_font(handle, first, to_name, NAME_BYTES, to_flags)
        bold, mono = style(name.value, flags.value)
        if bold or mono:
            char_font(handle, after - 1, to_name, NAME_BYTES, to_flags)
            last_bold, last_mono = style(name.value, flags.value)
            bold, mono = bold and last_bold, mono and last_mono
        found.append((size * scale, bold, mono))
    return found


@lru_cache(maxsize=4096)
def style(name: bytes, flags: int) -> tuple[bool, bool]:
    """Whether a font is bold, and whether all its characters have one width."""
    words = name.decode("utf-8", "replace")
    bold = bool(BOLD_NAME.search(words)) or bool(flags & FORCE_BOLD)
    return bold, bool(MONO_NAME.search(words)) or bool(flags & FIXED_PITCH)
