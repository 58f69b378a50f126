from __future__ import annotations

import pytest

from services.generation.candidates.candidate_gates import (
    check_distinct,
    check_names,
    check_numbers,
    check_text,
    content_words,
    is_copy,
    repeats,
)
from services.generation.gates.gates import first_on, rejected
from services.generation.generations.kinds import Gates
from tests.support.chunks import HONGSUN, KESTREL

LONG = " ".join(f"word{number} of sentence {number}" for number in range(200))


def test_a_long_text_with_many_common_words_does_not_repeat_itself() -> None:
    assert not repeats(LONG)
    assert not repeats(KESTREL)
    assert not repeats("".join(map(chr, range(0x4E00, 0x4E00 + 500))))


@pytest.mark.parametrize("piece", ["The bird flies far. ", "红隼飞得很远。"])
def test_a_text_that_says_the_same_again_and_again_is_found_at_any_length(piece: str) -> None:
    assert repeats(piece * 20)
    assert repeats(piece * 500)


@pytest.mark.parametrize(
    ("text", "source", "copy"),
    [
        (KESTREL, KESTREL, True),
        (KESTREL.upper().replace(".", " -"), KESTREL, True),
        ("The Kestrel 400 runs for 9 hours on one battery.", KESTREL, True),
        ("On a single battery the Kestrel 400 keeps going for 9 hours.", KESTREL, False),
        (HONGSUN, HONGSUN, True),
        ("上海的北辰公司于2015年创办。", HONGSUN, False),
        ("9 hours", KESTREL, True),
        ("8 hours", KESTREL, False),
    ],
)
def test_a_copy_is_told_from_other_words(text: str, source: str, copy: bool) -> None:
    assert is_copy(text, source) == copy


def test_texts_that_differ_in_function_words_alone_speak_of_the_same() -> None:
    assert content_words("It was opened in 1931.") == content_words("The opened was 1931")
    assert content_words("It was not opened in 1931.") != content_words("It was opened in 1931.")
    assert content_words("大桥于1931年通车") - content_words("大桥于1913年通车") == {"1931"}


@pytest.mark.parametrize(
    ("text", "language", "reasons"),
    [
        ("The Kestrel is fast.", "en", []),
        ("As the text says, the Kestrel is fast.", "en", ["LEAK_PHRASE"]),
        ("The Kestrel is fast.", "zh", ["LANGUAGE"]),
        ("红隼飞得快。", "en", ["LANGUAGE"]),
        ("Kestrel 400", "zh", []),
        ("红隼飞得很远。" * 20, "zh", ["REPETITIVE"]),
    ],
)
def test_a_text_is_held_against_what_any_reader_minds(text: str, language: str, reasons: list[str]) -> None:
    assert [one.reason for one in check_text(text, language, "text")] == reasons


@pytest.mark.parametrize(
    ("text", "invented"),
    [
        ("1. It runs for 9 hours.\n2. It weighs 4.5 kg.\n(3) Since 2015.", False),
        ("It runs for 10 hours.", True),
        ("It costs 1,200.", True),
    ],
)
def test_numbers_of_lines_are_no_invented_ones(text: str, invented: bool) -> None:
    assert bool(list(check_numbers(text, KESTREL, "text"))) == invented


def test_a_number_is_the_same_with_and_without_a_sign_for_thousands() -> None:
    assert not list(check_numbers("It costs 1200.", "The price is 1,200 euros.", "text"))
    assert not list(check_numbers("It costs 1,200.", "The price is 1200 euros.", "text"))


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("For this the Kestrel was built by Marlow.", False),
        ("What is told: Batteries are heavy. Dust is bad.", False),
        ("The Kestrel was built by Siemens.", True),
    ],
)
def test_a_name_of_its_own_is_found(text: str, foreign: bool) -> None:
    assert bool(list(check_names(text, KESTREL, "text"))) == foreign


def test_a_code_is_one_name() -> None:
    assert not list(check_names("In the hall the KX1037 stands.", "The pump KX1037 weighs 9 kg.", "text"))
    assert list(check_names("In the hall the KX1038 stands.", "The pump KX1037 weighs 9 kg.", "text"))


def test_a_gate_that_is_off_lets_the_next_decide() -> None:
    failures = [rejected("LANGUAGE", "l"), rejected("REPETITIVE", "r")]
    assert first_on(iter(failures), Gates()) == failures[0]
    assert first_on(iter(failures), Gates(off=["LANGUAGE"])) == failures[1]
    assert first_on(iter(failures), Gates(off=["LANGUAGE", "REPETITIVE"])) is None


def test_texts_that_differ_in_signs_alone_are_the_same() -> None:
    assert [one.reason for one in check_distinct(["9 hours", "Nine", "9 Hours."], "choice")] == ["REPEATED"]
    assert not list(check_distinct(["+", "-"], "choice"))
