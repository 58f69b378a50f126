"""Decks for the tests of the PPTX reader."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from lxml import etree
from pptx.opc.package import Part
from pptx.opc.packuri import PackURI
from pptx.presentation import Presentation
from pptx.slide import Slide
from pptx.util import Inches

from tests.support.read_files import read_bytes

TITLE, TITLE_AND_CONTENT, TWO_CONTENTS, TITLE_ONLY, BLANK = 0, 1, 3, 5, 6
MATH = "http://schemas.openxmlformats.org/officeDocument/2006/math"
DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"
DIAGRAM = "http://schemas.openxmlformats.org/drawingml/2006/diagram"
PML = "http://schemas.openxmlformats.org/presentationml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def slide_of(deck: Presentation, layout: int, title: str = "") -> Slide:
    slide = deck.slides.add_slide(deck.slide_layouts[layout])
    if title:
        slide.shapes.title.text = title
    return slide


def box(slide: Slide, text: str, left: float, top: float) -> Any:
    shape = slide.shapes.add_textbox(Inches(left), Inches(top), Inches(2), Inches(0.4))
    shape.text_frame.text = text
    return shape


def saved(deck: Presentation) -> bytes:
    stream = io.BytesIO()
    deck.save(stream)
    return stream.getvalue()


def text_of(folder: Path, deck: Presentation) -> str:
    return read_bytes(folder, saved(deck), "a.pptx").text


def with_diagram(deck: Presentation, slide: Slide) -> None:
    """Put a diagram (SmartArt) of two points, one below the other, and a third on a slide."""
    points = "".join(
        f'<d:pt modelId="{at}" type="{kind}"><d:t><a:p><a:r><a:t>{text}</a:t></a:r></a:p></d:t></d:pt>'
        for at, (text, kind) in enumerate(
            [("", "doc"), ("plan", "node"), ("draft", "node"), ("build", "node")]
        )
    )
    links = "".join(
        f'<d:cxn modelId="c{at}" srcId="{parent}" destId="{child}" srcOrd="{order}"/>'
        for at, (parent, child, order) in enumerate([(0, 3, 1), (0, 1, 0), (1, 2, 0)])
    )
    model = f'<d:dataModel xmlns:d="{DIAGRAM}" xmlns:a="{DRAWING}"><d:ptLst>{points}</d:ptLst><d:cxnLst>{links}</d:cxnLst></d:dataModel>'
    part = Part(PackURI("/ppt/diagrams/data1.xml"), "application/xml", deck.part.package, model.encode())
    relation = slide.part.relate_to(part, f"{RELATIONS}/diagramData")
    slide.shapes._spTree.append(
        etree.fromstring(
            f'<p:graphicFrame xmlns:p="{PML}" xmlns:a="{DRAWING}"><p:nvGraphicFramePr><p:cNvPr id="9" name="D"/>'
            '<p:cNvGraphicFramePr/><p:nvPr/></p:nvGraphicFramePr><p:xfrm><a:off x="0" y="9"/><a:ext cx="1" cy="1"/>'
            f'</p:xfrm><a:graphic><a:graphicData uri="{DIAGRAM}"><d:relIds xmlns:d="{DIAGRAM}" xmlns:r="{RELATIONS}" '
            f'r:dm="{relation}"/></a:graphicData></a:graphic></p:graphicFrame>'
        )
    )
