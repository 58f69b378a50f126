from __future__ import annotations

import io
import zipfile
from functools import cache
from pathlib import Path

import pptx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from services.runtime.errors import InvalidArgument
from tests.support.read_files import PNG, read_bytes, refusal, repacked
from tests.unit.ingest.readers.decks import BLANK, TITLE_AND_CONTENT, box, saved, slide_of, with_diagram


def test_slides_without_text_hold_none(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    slide_of(deck, BLANK)
    assert refusal(tmp_path, saved(deck), "a.pptx").reason == "TEXT_EMPTY"
    assert refusal(tmp_path, saved(pptx.Presentation()), "a.pptx").reason == "TEXT_EMPTY"


def test_a_text_that_becomes_too_long_is_refused(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    for _ in range(5):
        box(slide_of(deck, BLANK), "x" * 30, 1, 1)
    assert refusal(tmp_path, saved(deck), "a.pptx", 100).reason == "TEXT_TOO_LARGE"


@cache
def with_everything() -> bytes:
    deck = pptx.Presentation()
    slide = slide_of(deck, TITLE_AND_CONTENT, "All")
    slide.placeholders[1].text = "a\nb"
    slide.notes_slide.notes_text_frame.text = "note"
    slide.shapes.add_picture(io.BytesIO(PNG), Inches(1), Inches(3.5))
    slide.shapes.add_table(2, 2, 0, 0, Inches(1), Inches(1)).table.cell(0, 0).text = "cell"
    data = CategoryChartData()
    data.categories = ["x"]
    data.add_series("s", (1,))
    slide.shapes.add_chart(XL_CHART_TYPE.PIE, 0, 0, Inches(3), Inches(3), data)
    with_diagram(deck, slide)
    return saved(deck)


@pytest.mark.parametrize(
    "parts",
    [
        {"ppt__presentation_xml": None},
        {"ppt__presentation_xml": b"<p"},
        {"ppt__slides__slide1_xml": None},
        {"ppt__slides__slide1_xml": b"no xml"},
        {"ppt__slideLayouts__slideLayout2_xml": None},
    ],
)
def test_a_damaged_deck_says_so(tmp_path: Path, parts: dict[str, bytes | None]) -> None:
    assert refusal(tmp_path, repacked(with_everything(), **parts), "a.pptx").reason == "PPTX_UNREADABLE"


def test_entities_in_a_slide_are_refused(tmp_path: Path) -> None:
    bad = b'<!DOCTYPE a [<!ENTITY x "y">]><sld/>'
    error = refusal(tmp_path, repacked(with_everything(), ppt__slides__slide1_xml=bad), "a.pptx")
    assert error.reason == "XML_BOMB"


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
def test_no_damage_to_a_part_ends_in_an_unforeseen_error(tmp_path: Path, data: st.DataObject) -> None:
    whole = with_everything()
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        names = [
            name
            for name in archive.namelist()
            if "slide1." in name or "/charts/" in name or "diagrams" in name
        ]
        name = data.draw(st.sampled_from([name for name in names if name.endswith((".xml", ".rels"))]))
        part = bytearray(archive.read(name))
    place = data.draw(st.integers(0, len(part) - 1))
    part[place : place + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=4))
    key = name.replace("/", "__")
    key = f"{key.removesuffix('.xml')}_xml" if key.endswith(".xml") else key
    try:
        read_bytes(tmp_path, repacked(whole, **{key: bytes(part)}), "a.pptx")
    except InvalidArgument as error:
        assert error.reason in {"PPTX_UNREADABLE", "TEXT_EMPTY", "XML_BOMB"}
