"""PDF: the text layer where a page has one, character recognition or a transcript elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from statistics import median
from typing import Any

import numpy as np
import pypdfium2

from services.ingest.readers.pdf.annotations import Annotations
from services.ingest.readers.pdf.assembly import assembled
from services.ingest.readers.pdf.blocks import laid_out, ruled_tables
from services.ingest.readers.pdf.layout import Placed, Run
from services.ingest.readers.pdf.lines import Block, title_key
from services.ingest.readers.pdf.marks import Marks, boxed, level_with_labels, marked, note_of
from services.ingest.readers.pdf.objects import Drawn, drawn_on, things_on
from services.ingest.readers.pdf.open import annotated_page, damaged_page, opened, page_of, text_of
from services.ingest.readers.pdf.paths import Box
from services.ingest.readers.pdf.pictures import BACKGROUND, Pictures, cover
from services.ingest.readers.pdf.render import scale_of
from services.ingest.readers.pdf.runs import runs_of
from services.ingest.readers.pdf.text import FEW_LETTERS, NO_LAYER, Layer, layer_of
from services.ingest.readers.pdf.transcripts import transcript
from services.ingest.readers.reading import Reading, Source, checked, text_too_long
from services.ingest.readers.shared.images import Images
from services.runtime.errors import InvalidArgument, SishuError

OCR = "services.ingest.readers.pdf.ocr"
OCR_BYTES = 512 << 20
"""Recognition of a page takes more than this."""
TRANSCRIBERS = {"vision", "mineru"}
SCANNED = 0.5
"""Pictures that cover this share of a page are what the page is about, unless its text tells all: a scan."""
UNSTEADY = 1.15
"""Heights of recognised lines vary so much, beyond what makes a heading."""
MOST_BOOKMARKS = 20_000


def read(source: Source) -> Reading:
    """Read every page; a blank page has no text but counts.

    Raises:
        InvalidArgument: the file or a page is damaged or encrypted, holds no text, or too much.
        FailedPrecondition: a page has no transcript that was to have one.
    """
    images = Images(source.folder)
    with opened(source) as pdf:
        reader = PageReader(source, pdf, images)
        pages: list[list[Block]] = []
        chars = 0
        for number in range(1, len(pdf) + 1):
            blocks = reader.blocks(number)
            chars += sum(len(block.text) for block in blocks)
            if chars > source.most_chars:
                raise text_too_long(source.name, chars, source.most_chars)
            pages.append(blocks)
            source.alive()
    if not any(block.kind != "image" and block.text.strip() for blocks in pages for block in blocks):
        raise without_text(source)
    text, starts = assembled(pages, reader.marks.resolved)
    return checked(Reading(text, tuple(starts), images=images.placed(text)), source.name)


def without_text(source: Source) -> InvalidArgument:
    """The error for a PDF of which no page gives text."""
    how = (
        "no page of the PDF has a text layer; read its pages by OCR (page reader `auto` or `ocr`)"
        if source.options.page_reader == "text"
        else "no page of the PDF has a text layer, and OCR finds no text either; if there is some, read its "
        "pages by `vision`"
    )
    return InvalidArgument("PDF_WITHOUT_TEXT", f"{source.name}: {how}", name=source.name)


class PageReader:
    """Reads the pages of one PDF.

    Args:
        source: the file.
        pdf: it, open.
        images: keeps its pictures.
    """

    def __init__(self, source: Source, pdf: pypdfium2.PdfDocument, images: Images) -> None:
        self._source = source
        self._pdf = pdf
        self._images = images
        self._pictures = Pictures(pdf, images)
        self._titles = titles_of(pdf)
        self._recogniser: Any = None
        self.marks = Marks()

    def blocks(self, number: int) -> list[Block]:
        """The blocks of a page, by the reader that is chosen for it.

        Raises:
            InvalidArgument: the page is damaged.
            FailedPrecondition: it has no transcript that was to have one.
        """
        options, name = self._source.options, self._source.name
        choice = options.page_readers.get(number, options.page_reader)
        if choice in TRANSCRIBERS:
            return self._transcribed(number, choice)
        page, over = annotated_page(self._pdf, number, name)
        try:
            with text_of(page) as textpage:
                return self._page(page, textpage, over, choice, self._titles.get(number, {}))
        except pypdfium2.PdfiumError as error:
            raise damaged_page(name, number, error) from error
        except (MemoryError, SishuError):
            raise
        except Exception as error:
            # The engines of recognition and of pictures throw whatever they like.
            raise InvalidArgument(
                "PAGE_UNREADABLE",
                f"{name}: page {number} cannot be read ({type(error).__name__}: {error}); try another page "
                "reader",
                name=name,
                page=str(number),
            ) from error
        finally:
            page.close()

    def _transcribed(self, number: int, choice: str) -> list[Block]:
        """The transcript of a page; a vision model gives no pictures, so the page's own follow."""
        text = transcript(self._source, number, choice, self._images)
        blocks = [Block("transcript", text)] if text else []
        if choice != "vision":
            return blocks
        page = page_of(self._pdf, number, self._source.name)
        bounds = page.get_bbox()
        drawn = drawn_on(things_on(page), bounds, 0)
        if not text or cover(drawn.pictures, bounds[2] - bounds[0], bounds[3] - bounds[1]) < BACKGROUND:
            blocks += [Block(one.kind, one.text) for one in self._pictures.keep(page, drawn.pictures)]
        page.close()
        return blocks

    def _page(
        self, page: pypdfium2.PdfPage, textpage: Any, over: Annotations, choice: str, titles: dict[str, int]
    ) -> list[Block]:
        bounds = page.get_bbox()
        things = things_on(page)
        by_word = len(things.lines) > 1
        layer = layer_of(textpage, bounds, by_word, over.on_words) if choice != "ocr" else NO_LAYER
        drawn = drawn_on(things, bounds, layer.turns)
        width, height = bounds[2] - bounds[0], bounds[3] - bounds[1]
        covered = cover(drawn.pictures, width, height)
        scanned = not layer.usable() or (covered > SCANNED and not layer.tells_all(textpage, width * height))
        runs: list[Run] = []
        if choice == "ocr" or (
            choice == "auto" and scanned and (drawn.pictures or drawn.paths or layer.letters)
        ):
            runs = self._recognised(page)
        blocks: list[Block] = []
        loose = [note_of(comment) for comment in over.comments]
        if letters_of(runs) <= layer.letters > 0 and (layer.usable() or choice == "text"):
            in_front = covered < BACKGROUND
            placed = self._pictures.keep(page, drawn.pictures, plain=in_front) if scanned or in_front else []
            layer, loose = self._marked(layer, over, bounds)
            runs = boxed(over, bounds, layer.turns)
            blocks = written(textpage, layer, runs, drawn, placed, titles)
        elif runs:
            # Beside a text of its own, a picture that leaves a margin shows more than words.
            is_shown = covered < (SCANNED if layer.letters < FEW_LETTERS else BACKGROUND)
            placed = self._pictures.keep(page, drawn.pictures) if is_shown else []
            blocks = recognised(runs + boxed(over, bounds, 0), drawn, placed, titles)
        blocks += [Block("note", text) for text in loose]
        if not blocks:
            blocks = [Block("image", placed.text) for placed in self._pictures.keep(page, drawn.pictures)]
        return blocks

    def _marked(self, layer: Layer, over: Annotations, bounds: Box) -> tuple[Layer, list[str]]:
        """A layer with what lies over it, and the comments that belong to none of its words."""
        if not over.on_words and not over.comments:
            return layer, []
        if over.fields:
            layer = level_with_labels(layer, over.fields, bounds)
        return marked(layer, over, bounds, self.marks)

    def _recognised(self, page: pypdfium2.PdfPage) -> list[Run]:
        """What recognition finds in the picture of a page."""
        if self._source.memory_bytes < OCR_BYTES:
            # With too little the engines fail late, and in ways of their own.
            raise MemoryError
        if self._recogniser is None:
            self._recogniser = import_module(OCR).Recogniser()
        scale = scale_of(page)
        bitmap = page.render(scale=scale, rev_byteorder=False, may_draw_forms=False)
        runs: list[Run] = self._recogniser.runs(np.ascontiguousarray(bitmap.to_numpy()[:, :, :3]), scale)
        return runs


def written(
    textpage: Any,
    layer: Layer,
    boxes: list[Run],
    drawn: Drawn,
    pictures: list[Placed],
    titles: dict[str, int],
) -> list[Block]:
    """The blocks of a page by its text layer, and by text boxes over it."""
    tables, free = ruled_tables(layer, drawn)
    blocks = laid_out(runs_of(textpage, layer, free) + boxes, tables + pictures, titles, drawn.level)
    return blocks + [Block("text", text) for text in layer.aside]


def recognised(runs: list[Run], drawn: Drawn, pictures: list[Placed], titles: dict[str, int]) -> list[Block]:
    """The blocks of a page by recognition of its picture."""
    body = UNSTEADY * median(run.size for run in runs)
    return [block._replace(body=body) for block in laid_out(runs, pictures, titles, drawn.level)]


def letters_of(runs: Sequence[Run]) -> int:
    """Number of characters that are no space."""
    return sum(len("".join(run.text.split())) for run in runs)


def titles_of(pdf: pypdfium2.PdfDocument) -> dict[int, dict[str, int]]:
    """Levels of the headings that the bookmarks name, by page and title."""
    found: dict[int, dict[str, int]] = {}
    for at, bookmark in enumerate(pdf.get_toc()):
        if at >= MOST_BOOKMARKS:
            break
        target = bookmark.get_dest()
        index = target.get_index() if target else None
        key = title_key(bookmark.get_title())
        if index is not None and key:
            found.setdefault(index + 1, {}).setdefault(key, bookmark.level + 1)
    return found
