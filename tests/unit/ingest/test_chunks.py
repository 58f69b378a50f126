from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.chunks import Cut, Piece, cut
from services.ingest.readers import Reading
from services.ingest.splitting import SplitOptions

SMALL = SplitOptions(min_size=10, max_size=60)


def cut_of(text: str, *, document: str = "d", pages: tuple[int, ...] = (), overlap: int = 0) -> Cut:
    return cut(Reading(text, pages), document, replace(SMALL, overlap=overlap))


def pieces_of(text: str, *, document: str = "d", pages: tuple[int, ...] = ()) -> list[Piece]:
    return list(cut_of(text, document=document, pages=pages).pieces)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def paragraphs(*words: str) -> str:
    return "".join(f"# {word}\n\nThis paragraph is about {word}.\n\n" for word in words)


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("ab .\n#"), min_size=1, max_size=300))
def test_a_chunk_stands_where_it_says_and_has_its_own_id(text: str) -> None:
    pieces = pieces_of(text)
    assert "".join(text[piece.char_start : piece.char_end] for piece in pieces) == text
    assert all(piece.sha256 == sha256(text[piece.char_start : piece.char_end]) for piece in pieces)
    assert [piece.index for piece in pieces] == list(range(len(pieces)))
    assert len({piece.id for piece in pieces}) == len(pieces)


def test_unchanged_chunks_of_a_changed_document_keep_their_ids() -> None:
    old = pieces_of(paragraphs("ash", "birch", "cedar"))
    new = pieces_of(paragraphs("ash", "oak", "cedar"))
    assert [(a.id == b.id) for a, b in zip(old, new, strict=True)] == [True, False, True]


def test_a_text_that_stands_twice_has_two_ids_which_stay() -> None:
    old = pieces_of(paragraphs("ash", "ash", "birch"))
    new = pieces_of(paragraphs("oak", "ash", "ash", "birch"))
    assert old[0].sha256 == old[1].sha256
    assert [chunk.id for chunk in new[1:]] == [chunk.id for chunk in old]


def test_the_same_text_in_another_document_has_another_id() -> None:
    assert pieces_of("same", document="d1")[0].id != pieces_of("same", document="d2")[0].id


def test_a_chunk_knows_its_pages_headings_and_hash() -> None:
    text = paragraphs("ash", "birch")
    first, second = pieces_of(text, pages=(0, text.index("This paragraph is about birch")))
    assert (first.page_start, first.page_end) == (1, 1)
    assert (second.page_start, second.page_end) == (1, 2)
    assert list(second.heading_path) == ["birch"]
    assert second.sha256 == sha256(text[second.char_start : second.char_end])


def test_a_format_without_pages_has_page_0() -> None:
    assert {(chunk.page_start, chunk.page_end) for chunk in pieces_of("text")} == {(0, 0)}


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("ab .\n#字"), min_size=1, max_size=300), st.integers(0, 9))
def test_a_chunk_repeats_the_end_of_the_one_before_and_says_how_much(text: str, overlap: int) -> None:
    pieces = cut_of(text, overlap=overlap).pieces
    own = [text[piece.char_start + piece.overlap : piece.char_end] for piece in pieces]
    assert "".join(own) == text
    assert all(own)
    assert all(0 <= piece.overlap <= overlap for piece in pieces)
    assert all(piece.char_end - piece.char_start <= 60 for piece in pieces)


def test_what_is_repeated_starts_with_a_word_or_sentence() -> None:
    text = "This is a first sentence. That is one more. And here is the third of them. " * 3
    pieces = cut_of(text, overlap=9).pieces[1:]
    assert any(piece.overlap for piece in pieces)
    assert all(text[piece.char_start - 1] == " " for piece in pieces)


def test_sections_are_a_tree_with_spans() -> None:
    text = "intro\n\n# A\n\n## B\n\nx\n\n### C\n\ny\n\n## D\n\nz\n\nE\n===\n\nw\n"
    sections = cut_of(text, pages=(0, text.index("## D"))).sections
    assert [(one.title, one.level, one.page_start) for one in sections] == [
        ("A", 1, 1),
        ("B", 2, 1),
        ("C", 3, 1),
        ("D", 2, 2),
        ("E", 1, 2),
    ]
    by_id = {one.id: one.title for one in sections} | {"": ""}
    assert [by_id[one.parent_id] for one in sections] == ["", "A", "B", "A", ""]
    assert [text[one.char_start : one.char_end].split("\n\n")[-2] for one in sections] == [
        "z",
        "y",
        "y",
        "z",
        "E\n===",
    ]
    assert text[sections[4].char_start : sections[4].char_end] == "E\n===\n\nw\n"


def test_a_section_keeps_its_id_when_text_or_another_section_changes() -> None:
    old = cut_of("# A\n\n## X\n\nx\n\n# B\n\n## X\n\ny\n\n## X\n").sections
    new = cut_of("# New\n\n# A\n\n## X\n\nchanged\n\n# B\n\n## X\n\ny\n\n## X\n").sections
    assert [one.id for one in new[1:]] == [one.id for one in old]
    assert len({one.id for one in old}) == len(old)


def test_a_chunk_knows_its_section_and_the_header_of_its_table() -> None:
    rows = "".join(f"| {number} | value {number} |\n" for number in range(20))
    made = cut_of(
        f"Before.\n\n# T\n\n| n | v |\n|---|---|\n{rows}\nAfter it comes a paragraph of some words.\n"
    )
    by_id = {one.id: one.title for one in made.sections} | {"": ""}
    assert by_id[made.pieces[0].section_id] == ""
    assert by_id[made.pieces[-1].section_id] == "T"
    inside = [piece for piece in made.pieces if piece.table_header]
    assert {piece.table_header for piece in inside} == {"| n | v |\n|---|---|\n"}
    assert len(inside) == len(made.pieces) - 2


LONG_TITLE = "# " + "word " * 100_000


@pytest.mark.parametrize(
    "text",
    [
        f"{LONG_TITLE}\n\ntext\n",
        f"{LONG_TITLE}\n\n" + "Some words of text. " * 20_000,
        "".join("#" * level + " " + "字" * 10_000 + "\n\n" for level in range(1, 7)) + "text\n" * 9000,
        "word " * 100_000 + "\n===\n\ntext\n",
        ("word " * 5000 + "\n") * 20 + "===\n\n" + "Some words of text. " * 20_000,
    ],
)
def test_chunks_of_hostile_texts_take_linear_room(text: str) -> None:
    found = cut(Reading(text), "d", SplitOptions())
    assert "".join(text[piece.char_start : piece.char_end] for piece in found.pieces) == text
    assert found.sections
    assert all(len(section.title) <= 200 for section in found.sections)
    assert sum(len(title) for piece in found.pieces for title in piece.heading_path) <= 2 * len(text)


def test_a_long_heading_gives_its_start_as_title() -> None:
    (section,) = cut_of(f"{LONG_TITLE}\n").sections
    assert section.title == ("word " * 40).strip()
