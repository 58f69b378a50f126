"""Calls of PDFium for single characters and objects, in bulk and as cheap as ctypes makes them.

PDFium has no call that gives the boxes of many characters. One call through the binding of pypdfium2 takes
a microsecond, most of it to check and turn its arguments. Here no types are declared: a plain `int` is passed
as a C `int`, and pointers are made beforehand. Never pass an address as an `int`: it would be cut short.
"""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Iterable
from typing import Any

import numpy as np
import pypdfium2.raw as pdfium
from numpy.typing import NDArray

pointer: Any = ctypes.c_void_p.from_param
"""An address as a pointer; None as NULL."""


def address_of(handle: Any) -> int:
    """Where a pointer of pypdfium2 points to."""
    return ctypes.cast(handle, ctypes.c_void_p).value or 0


def quick(function: Any, result: Any = ctypes.c_int) -> Any:
    """A function of PDFium that takes `int`s and pointers as they are."""
    return ctypes.PYFUNCTYPE(result)(address_of(function))


char_box = quick(pdfium.FPDFText_GetLooseCharBox)
char_angle = quick(pdfium.FPDFText_GetCharAngle, ctypes.c_float)
char_code = quick(pdfium.FPDFText_GetUnicode, ctypes.c_uint)
char_size = quick(pdfium.FPDFText_GetFontSize, ctypes.c_double)
char_matrix = quick(pdfium.FPDFText_GetMatrix)
char_font = quick(pdfium.FPDFText_GetFontInfo, ctypes.c_ulong)
count_chars = quick(pdfium.FPDFText_CountChars)
count_rects = quick(pdfium.FPDFText_CountRects)
chars_of = quick(pdfium.FPDFText_GetText)
rect_of = quick(pdfium.FPDFText_GetRect)
text_object = quick(pdfium.FPDFText_GetTextObject, ctypes.c_void_p)
render_mode = quick(pdfium.FPDFTextObj_GetTextRenderMode)
count_annotations = quick(pdfium.FPDFPage_GetAnnotCount)
page_annotation = quick(pdfium.FPDFPage_GetAnnot, ctypes.c_void_p)
annotation_type = quick(pdfium.FPDFAnnot_GetSubtype)
close_annotation = quick(pdfium.FPDFPage_CloseAnnot, None)
count_objects = quick(pdfium.FPDFPage_CountObjects)
page_object = quick(pdfium.FPDFPage_GetObject, ctypes.c_void_p)
count_form_objects = quick(pdfium.FPDFFormObj_CountObjects)
form_object = quick(pdfium.FPDFFormObj_GetObject, ctypes.c_void_p)
object_type = quick(pdfium.FPDFPageObj_GetType)
object_bounds = quick(pdfium.FPDFPageObj_GetBounds)
object_matrix = quick(pdfium.FPDFPageObj_GetMatrix)
draw_mode = quick(pdfium.FPDFPath_GetDrawMode)
count_segments = quick(pdfium.FPDFPath_CountSegments)
path_segment = quick(pdfium.FPDFPath_GetPathSegment, ctypes.c_void_p)
segment_point = quick(pdfium.FPDFPathSegment_GetPoint)
segment_type = quick(pdfium.FPDFPathSegment_GetType)
segment_close = quick(pdfium.FPDFPathSegment_GetClose)


class Answers:
    """Room for the numbers that calls of one function write, a row for each call.

    The pointers are kept from page to page, as to make one takes a third of the time of a call. PDFium serves
    one thread only, and so does this.

    Args:
        kind: type of the numbers.
        width: how many numbers a call writes.
        apart: whether the function takes a pointer for each number, not one for all.
    """

    def __init__(self, kind: Any, width: int, *, apart: bool = False) -> None:
        self._numbers: NDArray[Any] = np.zeros((0, width), kind)
        self._width = width
        self._apart = apart
        self._pointers: list[list[Any]] = []

    def of(self, function: Any, handles: Iterable[Any], *numbers: Iterable[int], count: int) -> NDArray[Any]:
        """What a function answers; shape (count, width).

        Args:
            function: to be called.
            handles: its first arguments.
            numbers: its arguments after that, before the pointers.
            count: how many calls.
        """
        if count > len(self._numbers):
            self._grow(max(count, 2 * len(self._numbers), 64))
        rows = self._numbers[:count]
        rows[:] = 0
        deque(map(function, handles, *numbers, *self._pointers), maxlen=0)
        return rows.copy()

    def _grow(self, count: int) -> None:
        self._numbers = np.zeros((count, self._width), self._numbers.dtype)
        start, size = self._numbers.ctypes.data, self._numbers.itemsize
        end = start + count * self._width * size
        firsts = [start + at * size for at in range(self._width if self._apart else 1)]
        self._pointers = [list(map(pointer, range(first, end, self._width * size))) for first in firsts]
