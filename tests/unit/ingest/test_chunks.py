from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.chunks import Chunk, cut, estimate_tokens
from services.ingest.readers import Reading
from services.ingest.splitting import SplitOptions

SMALL = SplitOptions(1, 60)


def chunks_of(
    text: str, *, version: int = 1, document: str = "d", pages: tuple[int, ...] = ()
) -> list[Chunk]:
    return cut(Reading(text, pages), "p", document, version, SMALL)


def paragraphs(*words: str) -> str:
    return "".join(f"# {word}\n\nThis paragraph is about {word}.\n\n" for word in words)


@given(st.text(alphabet=st.sampled_from("ab .\n#"), min_size=1, max_size=300))
def test_a_chunk_stands_where_it_says_and_has_its_own_id(text: str) -> None:
    chunks = chunks_of(text)
    assert all(chunk.text == text[chunk.char_start : chunk.char_end] for chunk in chunks)
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert len({chunk.id for chunk in chunks}) == len(chunks)


def test_unchanged_chunks_of_a_changed_document_keep_their_ids() -> None:
    old = chunks_of(paragraphs("ash", "birch", "cedar"))
    new = chunks_of(paragraphs("ash", "oak", "cedar"), version=2)
    assert [(a.id == b.id) for a, b in zip(old, new, strict=True)] == [True, False, True]
    assert {chunk.document_version for chunk in new} == {2}


def test_a_text_that_stands_twice_has_two_ids_which_stay() -> None:
    old = chunks_of(paragraphs("ash", "ash", "birch"))
    new = chunks_of(paragraphs("oak", "ash", "ash", "birch"))
    assert old[0].sha256 == old[1].sha256
    assert [chunk.id for chunk in new[1:]] == [chunk.id for chunk in old]


def test_the_same_text_in_another_document_has_another_id() -> None:
    assert chunks_of("same", document="d1")[0].id != chunks_of("same", document="d2")[0].id


def test_a_chunk_knows_its_pages_headings_and_hash() -> None:
    text = paragraphs("ash", "birch")
    first, second = chunks_of(text, pages=(0, text.index("This paragraph is about birch")))
    assert (first.page_start, first.page_end) == (1, 1)
    assert (second.page_start, second.page_end) == (1, 2)
    assert second.heading_path == ["birch"]
    assert second.sha256 == hashlib.sha256(second.text.encode()).hexdigest()


def test_a_format_without_pages_has_page_0() -> None:
    assert {(chunk.page_start, chunk.page_end) for chunk in chunks_of("text")} == {(0, 0)}


def test_tokens_are_one_a_chinese_character_and_1_3_a_word_or_sign() -> None:
    assert estimate_tokens("退货政策") == 4
    assert estimate_tokens("one two three four five six seven eight nine ten") == 13
    assert estimate_tokens("   ") == 1
