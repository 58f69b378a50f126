from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.chunks import Piece, cut, estimate_tokens
from services.ingest.readers import Reading
from services.ingest.splitting import SplitOptions

SMALL = SplitOptions(1, 60)


def pieces_of(text: str, *, document: str = "d", pages: tuple[int, ...] = ()) -> list[Piece]:
    return cut(Reading(text, pages), document, SMALL)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def paragraphs(*words: str) -> str:
    return "".join(f"# {word}\n\nThis paragraph is about {word}.\n\n" for word in words)


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
    assert second.heading_path == ["birch"]
    assert second.sha256 == sha256(text[second.char_start : second.char_end])


def test_a_format_without_pages_has_page_0() -> None:
    assert {(chunk.page_start, chunk.page_end) for chunk in pieces_of("text")} == {(0, 0)}


def test_tokens_are_one_a_chinese_character_and_1_3_a_word_or_sign() -> None:
    assert estimate_tokens("退货政策") == 4
    assert estimate_tokens("one two three four five six seven eight nine ten") == 13
    assert estimate_tokens("   ") == 1
