from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.runtime.scoring import normalise, token_f1, tokens

# The machine may be busy, so the clock says nothing about these.
unhurried = settings(deadline=None)

TEXTS = st.text(st.sampled_from("ab cd 你好 数据 1234,.，。%-’éＡ１ the an"), max_size=60)


@pytest.mark.parametrize(
    ("answer", "reference", "score"),
    [
        ("Paris", "The Paris.", 1.0),
        ("the cat sat", "a cat slept", 0.5),
        ("in 1969, in July", "July 1969", 2 * 2 / (4 + 2)),
        ("rose rose", "rose", 2 * 1 / (2 + 1)),
        ("three", "four", 0.0),
        ("", "four", 0.0),
        ("", "", 1.0),
        ("the", "a!", 1.0),
    ],
)
def test_english_scores_are_those_of_squad(answer: str, reference: str, score: float) -> None:
    assert token_f1(answer, reference) == pytest.approx(score)


def test_each_cjk_character_is_a_token() -> None:
    assert tokens("净利润增长") == ["净", "利", "润", "增", "长"]
    assert token_f1("净利润增长", "净利润下降") == pytest.approx(2 * 3 / 10)
    assert tokens("使用PyTorch训练、推理") == ["使", "用", "pytorch", "训", "练", "推", "理"]
    assert tokens("カタカナと한글") == list("カタカナと한글")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("１２３４万元", "1234万元"),
        ("１，２３４", "1,234"),
        ("1,234,567 tons", "1234567 tons"),
        ("ＡＢＣ", "abc"),
        ("don’t", "don't"),
        ("增长３．５％。", "增长3.5%"),
        ("ｶﾀｶﾅ", "カタカナ"),
        ("U.S.", "us"),
    ],
)
def test_forms_of_the_same_text_are_one(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)
    assert token_f1(one, other) == 1.0


@pytest.mark.parametrize(
    ("one", "other"), [("3.5", "35"), ("1,2", "12"), ("A股", "B股"), ("2023,100", "2023100")]
)
def test_different_numbers_and_names_stay_different(one: str, other: str) -> None:
    assert token_f1(one, other) < 1.0


def test_signs_outside_ascii_part_words() -> None:
    assert tokens("Python，Java—Go") == ["python", "java", "go"]


@unhurried
@given(TEXTS, TEXTS)
def test_scores_lie_between_0_and_1_and_are_symmetric(one: str, other: str) -> None:
    assert 0.0 <= token_f1(one, other) <= 1.0
    assert token_f1(one, other) == token_f1(other, one)


@unhurried
@given(st.text(max_size=80))
def test_a_text_scores_1_against_itself(text: str) -> None:
    assert token_f1(text, text) == 1.0


@unhurried
@given(TEXTS, TEXTS)
def test_a_score_of_1_means_the_same_tokens(one: str, other: str) -> None:
    assert (token_f1(one, other) == 1.0) == (sorted(tokens(one)) == sorted(tokens(other)))


@unhurried
@given(st.text(max_size=80))
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    assert tokens(" ".join(tokens(text))) == tokens(text)
