"""Optical character recognition of pages, offline: the models of PP-OCR for Chinese and English.

This module is imported only when a page is recognised: the models and their engine take a second and half a
gigabyte.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import rapidocr
from numpy.typing import NDArray
from omegaconf import flag_override
from onnxruntime import InferenceSession, SessionOptions

from services.ingest.readers.pdf.layout import Run
from services.ingest.readers.pdf.text import fit

MODELS = Path(rapidocr.__file__).parent / "models"
THREADS = 2
FATAL = 4
BLANK = 32
"""A page whose shades of grey, from 0 to 255, differ by less is empty."""
USUAL = 0.75, 1.3
"""Heights of boxes within this share of the median are heights of one font."""
FONT_SIZE = 0.7
"""Font size, as a share of the height of a box."""
TALL = 1.5
AS_SURE = 0.9
"""A page that was turned must be read so surely, compared to as it was."""
SURELY_OVER = 0.9
"""The engine turns a line that it takes for upside down so surely."""
TURNED = 0.2
"""If the engine takes this share of the lines for upside down, the page may be, and the others misread."""
SURE = 0.8
"""Lines that are the right way up are recognised more surely than this."""
LOOKED_AT = 6
"""So many of the longest lines show which way up a page is."""
OUT_OF_MEMORY = re.compile(r"alloc|insufficient memory", re.IGNORECASE)
UNSURE = 0.5

WIDE_GAP = 120
"""Pixels of an empty strip between parts of a page that are looked at by themselves."""
MOST_BANDS = 6
LEAST_SIDE = 736
"""A smaller picture is enlarged by the model that finds lines."""
MARGIN = 40
"""Pixels around a part."""

Pixels = NDArray[np.uint8]


@dataclass
class Lines:
    """Recognised lines: corners in pixels, texts, and how sure they are from 0 to 1."""

    boxes: list[Any]
    texts: list[str]
    scores: list[float]
    crops: list[Pixels] = field(default_factory=list)
    """The picture of each line that was found, level: a line that runs up or down is turned to the left."""
    over: int = 0
    """How many of them were taken for upside down."""


class Engine(rapidocr.RapidOCR):
    """The engine of the library, which also tells what it looked at."""

    crops: list[Pixels]
    over: int

    def run_ocr_steps(self, *inputs: Any) -> Any:
        """The steps of recognition, as the library does them."""
        outcome = super().run_ocr_steps(*inputs)
        self.crops = outcome[3]
        kinds = outcome[1].cls_res or ()
        self.over = sum("180" in kind and score > SURELY_OVER for kind, score in kinds)
        return outcome

    def scores_of(self, crops: Sequence[Pixels]) -> list[float]:
        """How surely lines are recognised as they are, from 0 to 1."""
        return list(self.recognize_txt(list(crops)).scores)


class Recogniser:
    """Reads the text in pictures of pages. Makes its threads when first used, so make it after a fork."""

    def __init__(self) -> None:
        logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)
        self._engine = Engine(
            params={
                "Global.log_level": "critical",
                "Global.text_score": UNSURE,
                # One line at a time takes half the memory, and no longer.
                "Rec.rec_batch_num": 1,
            }
        )
        for task in ("Det", "Cls", "Rec"):
            options = self._engine.cfg[task]
            with flag_override(options, "allow_objects", True):
                # With a session given, the library fetches no model.
                options.session = session(task.lower())

    def runs(self, pixels: Pixels, scale: float) -> list[Run]:
        """The lines of text in a picture of a page.

        Args:
            pixels: height x width x 3, blue first.
            scale: pixels a point.
        """
        if is_blank(pixels):
            return []
        found = self._lines(pixels)
        turns = self._turns(found)
        if turns:
            turned = self._lines(np.ascontiguousarray(np.rot90(pixels, turns)))
            if confidence(turned) > AS_SURE * confidence(found):
                found = turned
        return runs_of(found, scale)

    def _turns(self, found: Lines) -> int:
        """By how many quarters to turn a page to the left so that its lines are the right way up."""
        quarters = 1 if sideways(found) else 0
        if quarters or suspect(found):
            longest = sorted(found.crops, key=lambda crop: crop.shape[1])[-LOOKED_AT:]
            ways = [longest, [np.rot90(crop, 2) for crop in longest]]
            upright, over = (sum(self._engine.scores_of(way)) for way in ways)
            quarters += 2 if over > upright else 0
        return quarters

    def _lines(self, pixels: Pixels) -> Lines:
        """The lines of a picture. A few words on a large page are found only from near."""
        found = Lines([], [], [])
        for top, bottom, left, right in bands(pixels):
            part = self._recognised(padded(pixels[top:bottom, left:right]))
            if part.boxes is not None:
                found.boxes += (np.asarray(part.boxes) + np.array([left, top])).tolist()
                found.texts += part.txts
                found.scores += part.scores
            found.crops += self._engine.crops
            found.over += self._engine.over
        return found

    def _recognised(self, pixels: Pixels) -> Any:
        try:
            return self._engine(pixels)
        except Exception as error:
            # The engine and OpenCV have errors of their own for memory that they do not get.
            if OUT_OF_MEMORY.search(str(error)):
                raise MemoryError from error
            raise


def session(task: str) -> InferenceSession:
    """The engine of a task, with the model that comes with the library."""
    options = SessionOptions()
    options.log_severity_level = FATAL
    options.enable_cpu_mem_arena = False
    options.intra_op_num_threads = min(THREADS, os.cpu_count() or 1)
    options.inter_op_num_threads = 1
    # Threads that wait busily take the processor from other documents.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    model = min(MODELS.glob(f"*_{task}_*.onnx"))
    return InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def is_blank(pixels: Pixels) -> bool:
    """Whether a picture shows one colour."""
    return pixels.size == 0 or int(pixels.max()) - int(pixels.min()) < BLANK


def bands(pixels: Pixels) -> list[tuple[int, int, int, int]]:
    """Top, bottom, left, right of the parts of a picture that hold something, apart by wide empty strips.

    A picture with many such parts is full enough to be looked at as a whole.
    """
    dark = int(pixels.max()) - pixels.min(axis=2) > BLANK
    rows = np.flatnonzero(dark.any(axis=1))
    gaps = np.flatnonzero(np.diff(rows) > WIDE_GAP)
    starts, ends = np.append(rows[:1], rows[gaps + 1]), np.append(rows[gaps], rows[-1:]) + 1
    if len(starts) > MOST_BANDS:
        starts, ends = starts[:1], ends[-1:]
    height, width = dark.shape
    found = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        columns = np.flatnonzero(dark[start:end].any(axis=0))
        found.append(
            (
                max(0, start - MARGIN),
                min(height, end + MARGIN),
                max(0, int(columns[0]) - MARGIN),
                min(width, int(columns[-1]) + 1 + MARGIN),
            )
        )
    return found


def padded(part: Pixels) -> Pixels:
    """A part with white on its right and below, so that it is not enlarged, which breaks letters."""
    height, width = part.shape[:2]
    below, beside = max(0, LEAST_SIDE - height), max(0, LEAST_SIDE - width)
    white: Pixels = np.pad(part, ((0, below), (0, beside), (0, 0)), constant_values=int(part.max()))
    return np.ascontiguousarray(white)


def confidence(found: Lines) -> float:
    """How sure the characters are, over all lines."""
    return float(sum(found.scores))


def sides(found: Lines) -> list[tuple[float, float, float, float]]:
    """Left, top, right, bottom of the lines, in pixels."""
    if not found.boxes:
        return []
    boxes = np.asarray(found.boxes)
    low, high = boxes.min(axis=1), boxes.max(axis=1)
    return [(*one, *other) for one, other in zip(low.tolist(), high.tolist(), strict=True)]


def suspect(found: Lines) -> bool:
    """Whether a page may be upside down: some of its lines look so, or few can be read."""
    least = SURE * len(found.crops)
    return found.over > TURNED * len(found.crops) or confidence(found) < least


def sideways(found: Lines) -> bool:
    """Whether most lines run up or down, as on a page that was laid askew on the scanner."""
    boxes = sides(found)
    tall = sum(bottom - top > TALL * (right - left) for left, top, right, bottom in boxes)
    return len(boxes) > 1 and tall * 2 > len(boxes)


def runs_of(found: Lines, scale: float) -> list[Run]:
    """The lines as runs in points."""
    boxes = sides(found)
    if not boxes:
        return []
    usual = median(bottom - top for _, top, _, bottom in boxes)
    runs = []
    for text, box in zip(found.texts, boxes, strict=True):
        left, top, right, bottom = (side / scale for side in box)
        height = bottom - top
        if USUAL[0] < height * scale / usual < USUAL[1]:
            height = usual / scale
        words = fit(text).strip()
        if words:
            runs.append(Run(words, left, top, right, bottom, FONT_SIZE * height))
    return runs
