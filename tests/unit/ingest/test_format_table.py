"""The table of formats in docs/ingest.md, cell by cell: what it promises is held on a file of the format."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from services.ingest.chunks import Cut, cut
from services.ingest.formats import BY_ENDING, format_of
from services.ingest.readers import Reading, Source, read_document
from services.ingest.splitting import SplitOptions
from services.runtime.ids import new_id
from tests.unit.ingest.format_samples import SAMPLES, picture

DOC = Path(__file__).parents[3] / "docs" / "ingest.md"
YES, NO = "yes", "–"


def table() -> dict[str, dict[str, str]]:
    """The cells of the table: feature and cell, by format."""
    text = DOC.read_text(encoding="utf-8").partition("## Formats")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|") and not line.startswith("|-")
    ]
    header = rows[0][2:]
    return {row[0]: dict(zip(header, row[2:], strict=True)) for row in rows[1:]}


TABLE = table()
CELLS = [(name, feature) for name, row in TABLE.items() for feature, cell in row.items() if cell == YES]


def test_the_table_lists_every_format_and_nothing_else() -> None:
    text = DOC.read_text(encoding="utf-8").partition("## Formats")[2].partition("\n## ")[0]
    assert set(TABLE) == {*SAMPLES, "archive"}
    listed = {ending for line in text.splitlines() for ending in re.findall(r"`(\.[a-z0-9]+)`", line)}
    assert listed == set(BY_ENDING)
    assert {cell for row in TABLE.values() for cell in row.values()} == {YES, NO}


def cut_sample(name: str, folder: Path) -> tuple[Reading, Cut]:
    file, make = SAMPLES[name]
    path = folder / file
    path.write_bytes(make())
    reading = read_document(Source(path, file, format_of(file).media_type, folder))
    return reading, cut(reading, new_id(), SplitOptions(min_size=1, max_size=60))


def headings(reading: Reading, made: Cut, folder: Path) -> bool:
    return len({section.title for section in made.sections}) >= 2 and any(
        piece.heading_path for piece in made.pieces
    )


def lists(reading: Reading, made: Cut, folder: Path) -> bool:
    return re.search(r"(?m)^ *[-*] oil\n\n? *[-*] water$", reading.text) is not None


def tables(reading: Reading, made: Cut, folder: Path) -> bool:
    return (
        re.search(
            r"(?m)^\| *Part *\| *Price *\|\n\|[ :-]+\|[ :-]+\|\n\| *bolt(?:<br>| )M8 *\| *3\\\|4 *\|\n\| *nut *\| *5 *\|$",
            reading.text,
        )
        is not None
    )


def images(reading: Reading, made: Cut, folder: Path) -> bool:
    if len(reading.images) != 1:
        return False
    one = reading.images[0]
    stored = (folder / "images" / one.name).read_bytes()
    return (
        reading.text[one.char_start : one.char_end].endswith(f"(images/{one.name})")
        and len(stored) > len(picture()) // 4
    )


def pages(reading: Reading, made: Cut, folder: Path) -> bool:
    numbers = [piece.page_start for piece in made.pieces]
    return numbers[0] == 1 and numbers[-1] == 2 == len(reading.page_starts)


def offsets(reading: Reading, made: Cut, folder: Path) -> bool:
    return (
        "".join(reading.text[one.char_start + one.overlap : one.char_end] for one in made.pieces)
        == reading.text
    )


CHECKS: Mapping[str, Callable[[Reading, Cut, Path], bool]] = {
    "headings": headings,
    "lists": lists,
    "tables": tables,
    "images": images,
    "page numbers": pages,
    "offsets": offsets,
}


@pytest.mark.parametrize(("name", "feature"), [one for one in CELLS if one[0] != "archive"])
def test_what_the_table_promises_holds(tmp_path: Path, name: str, feature: str) -> None:
    reading, made = cut_sample(name, tmp_path)
    assert CHECKS[feature](reading, made, tmp_path), reading.text


@pytest.mark.parametrize("name", SAMPLES)
def test_the_table_promises_all_that_holds(tmp_path: Path, name: str) -> None:
    reading, made = cut_sample(name, tmp_path)
    held = {feature for feature, check in CHECKS.items() if check(reading, made, tmp_path)}
    assert held == {feature for feature, cell in TABLE[name].items() if cell == YES}
