from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from services.ingest.chunks import cut
from services.ingest.readers.reading import Reading
from services.ingest.splitting import SplitOptions, split
from services.ingest.tokens import BLOCK, allowed_tokenizer, count_tokens, estimate_marks, token_counts
from services.runtime.errors import InvalidArgument

CJK = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")
WORD = re.compile(r"[^\W\d_]+|\d+|[^\w\s]")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A byte-level tokenizer as models have them."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    made.train_from_iterator(["some words and some more words, and then the end. 字"] * 3, trainer)
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    made.save(str(path))
    return path


def test_tokens_are_one_a_chinese_character_and_1_3_a_word_or_sign() -> None:
    assert count_tokens("退货政策") == 4
    assert count_tokens("one two three four five six seven eight nine ten") == 13
    assert count_tokens("   ") == 1


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("ab1 ._\n字か한é-"), max_size=60))
def test_the_estimate_is_that_of_counting_words_and_signs(text: str) -> None:
    pieces = re.sub(r"(\w{12})(?=\w)", r"\1", text)
    if any(len(run) > 12 for run in re.findall(r"[^\W\d_]+|\d+", pieces)):
        return
    cjk, words = len(CJK.findall(text)), len(WORD.findall(CJK.sub(" ", text)))
    assert count_tokens(text) == max(1, (10 * cjk + 13 * words + 5) // 10)


def test_a_long_word_counts_as_several() -> None:
    assert count_tokens("a" * 120) == 13
    assert list(estimate_marks("a" * 30 + " " + "1" * 13).places) == [0, 12, 24, 31, 43]


@pytest.mark.parametrize("shift", range(-30, 30, 7))
def test_the_estimate_knows_no_blocks(shift: int) -> None:
    text = "b " * ((BLOCK + shift) // 2) + "a" * 100 + " 字字"
    first = len(text) - 103
    assert [place - first for place in estimate_marks(text).places if place >= first] == [
        0,
        12,
        24,
        36,
        48,
        60,
        72,
        84,
        96,
        101,
        102,
    ]


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(["some ", "words", " and", ".", "字", "é", "👩‍👧", "\n", "zzzzq"]),
        min_size=1,
        max_size=40,
    ).map("".join),
    st.integers(1, 12),
    st.integers(0, 12),
)
def test_chunks_of_a_named_tokenizer_are_no_larger_than_told(
    tokenizer: Path, text: str, low: int, more: int
) -> None:
    for strategy in ("structure", "token", "recursive"):
        options = SplitOptions(strategy, "tokens", low, low + more, tokenizer=str(tokenizer))
        spans = split(text, options)
        assert "".join(text[start:end] for start, end in spans) == text
        for start, end in spans:
            part = text[start:end]
            assert count_tokens(part, str(tokenizer)) <= low + more or len(part.strip()) <= 5


def test_pieces_have_the_count_of_the_named_tokenizer(tokenizer: Path) -> None:
    text = "some words and more. " * 200
    for name in (str(tokenizer), str(tokenizer.parent)):
        pieces = cut(Reading(text), "d", SplitOptions(tokenizer=name)).pieces
        assert [one.token_count for one in pieces] == [
            count_tokens(text[one.char_start : one.char_end], name) for one in pieces
        ]


def test_parts_of_a_text_have_the_counts_of_the_parts_alone_when_cut_between_words() -> None:
    text = "one two three 字字 four, five."
    spans = [(0, 8), (8, 17), (17, len(text))]
    assert token_counts(text, spans) == [count_tokens(text[start:end]) for start, end in spans]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("", ""),
        ("org/name", "org/name"),
        ("mine", "mine"),
        ("mine/tokenizer.json", "mine/tokenizer.json"),
        ("{folder}/mine", "mine"),
        ("missing", "missing"),
    ],
)
def test_a_request_may_name_what_is_at_the_hub_or_in_the_folder(
    tmp_path: Path, name: str, found: str
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "tokenizer.json").touch()
    allowed = allowed_tokenizer(name.format(folder=tmp_path), str(tmp_path))
    assert allowed == (found if name in {"", "org/name"} else str(tmp_path.resolve() / found))


@pytest.mark.parametrize("name", ["../secret.json", "mine/../../secret.json", "/etc/passwd", "a\x00b"])
@pytest.mark.parametrize("folder", ["tokenizers", ""])
def test_a_request_may_name_no_other_path(tmp_path: Path, name: str, folder: str) -> None:
    (tmp_path / "tokenizers").mkdir()
    (tmp_path / "secret.json").touch()
    with pytest.raises(InvalidArgument) as caught:
        allowed_tokenizer(name, folder and str(tmp_path / folder))
    assert (caught.value.reason, caught.value.field) == ("TOKENIZER_NOT_ALLOWED", "split_options.tokenizer")


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "tokenizers"
    folder.mkdir()
    (folder / "org").symlink_to(tmp_path)
    (tmp_path / "secret.json").touch()
    # Only the hub may have it.
    assert allowed_tokenizer("org/secret.json", str(folder)) == "org/secret.json"
    with pytest.raises(InvalidArgument):
        allowed_tokenizer("org", str(folder))


@pytest.mark.parametrize("name", ["/no/such/folder", "no such id", "./nothing.json"])
def test_a_tokenizer_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgument, match="give a folder with") as caught:
        count_tokens("a", name)
    assert caught.value.reason == "TOKENIZER_NOT_FOUND"


def test_a_damaged_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InvalidArgument, match="give a folder with"):
        count_tokens("a", str(tmp_path))
