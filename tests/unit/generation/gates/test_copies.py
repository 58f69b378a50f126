from __future__ import annotations

import random

import pytest

from services.generation.gates.copies import Wording, copies, copy_reason, fact_key, is_wanted, similarity
from services.generation.generations.kinds import Gates
from services.runtime.failures import Failure

ON = Gates()
PROJECT = "0190d9f0-0000-7000-8000-000000000000"
FACT, OTHER = "fact of one document", "fact of another"


def wording(text: str, fact: str = FACT, generation: str = "g1", number: str = "a") -> Wording:
    return Wording(number, generation, text, fact)


def reason(new: str, known: str, **gates: object) -> str:
    """As what a question copies one about another fact."""
    return copy_reason(wording(new, OTHER, number="b"), wording(known), Gates(**gates))  # type: ignore[arg-type]


def rejected(new: list[Wording], known: dict[str, list[Wording]]) -> dict[str, Failure]:
    return copies(new, [one.marks(PROJECT) for one in new], known, ON)


@pytest.mark.parametrize(
    ("new", "known", "why"),
    [
        ("How heavy is the Kestrel?", "how heavy is the  KESTREL ?", "DUPLICATE_QUESTION"),
        ("水泵重多少？", "水泵 重多少?", "DUPLICATE_QUESTION"),
        (
            "How heavy is the blue Kestrel pump of Ostrel?",
            "How heavy is the Kestrel pump of Ostrel?",
            "NEAR_COPY",
        ),
        ("Please, how heavy is the Kestrel pump?", "How heavy is the Kestrel pump?", "NEAR_COPY"),
        ("How heavy are the Kestrel pumps in Ostrel?", "How heavy is the Kestrel pump in Ostrel?", ""),
        ("请问北辰公司的水泵重多少公斤？", "北辰公司的水泵重多少公斤？", "NEAR_COPY"),
        # Each says what the other does not.
        ("How wide is the door of the mill in Penwick?", "How high is the door of the mill in Penwick?", ""),
        (
            "What was the revenue of Beichen in 2023 in euros?",
            "What was the revenue of Beichen in 2024 in euros?",
            "",
        ),
        (
            "When was the old mill of Penwick by the river built?",
            "Where was the old mill of Penwick by the river built?",
            "",
        ),
        ("北辰公司的水泵高度是多少厘米？", "北辰公司的水泵宽度是多少厘米？", ""),
        ("Who leads the mill?", "What is ground in the mill?", ""),
    ],
)
def test_a_question_is_told_from_its_copies(new: str, known: str, why: str) -> None:
    assert reason(new, known) == why
    assert reason(known, new) == why


def test_a_gate_that_is_off_keeps_its_copies() -> None:
    assert reason("How heavy is it?", "how heavy is it", off=["DUPLICATE_QUESTION"]) == ""
    assert reason("Please, how heavy is the mill?", "How heavy is the mill?", off=["NEAR_COPY"]) == ""
    assert reason("Please, how heavy is the mill?", "How heavy is the mill?", near_copy_similarity=0.9) == ""


def test_forms_of_a_question_about_one_fact_are_no_near_copies_until_they_hardly_differ() -> None:
    text = "How many sacks of rye does the old mill of Penwick grind on each day of the year"
    known = wording(f"{text}?")
    assert copy_reason(wording(f"{text}, please?", number="b"), known, ON) == ""
    assert copy_reason(wording(f"{text}, please?", OTHER, number="b"), known, ON) == "NEAR_COPY"
    longer = f"{text} if it is neither frozen nor flooded nor out of order nor closed for a feast"
    assert copy_reason(wording(f"{longer}, please?", number="b"), wording(f"{longer}?"), ON) == "NEAR_COPY"
    assert copy_reason(wording(f"{text.upper()}!", number="b"), known, ON) == "DUPLICATE_QUESTION"


def test_what_another_generation_asks_about_the_fact_is_that_question_again() -> None:
    again = wording("How heavy is the mill?", generation="g2", number="b")
    assert copy_reason(again, wording("How heavy is the mill?"), ON) == ""
    assert copy_reason(again, wording("How heavy is the mill?", OTHER), ON) == "DUPLICATE_QUESTION"
    free = wording("How heavy is the mill?", "", "g2", "b")
    assert copy_reason(free, wording("How heavy is the mill?", ""), ON) == "DUPLICATE_QUESTION"


def test_of_two_that_a_looser_generation_kept_the_later_one_is_the_copy_in_the_next() -> None:
    first, later = (
        wording("How heavy is the mill?", number="1"),
        wording("Please, how heavy is the mill?", OTHER, number="2"),
    )
    again = [
        wording("How heavy is the mill?", generation="g2", number="3"),
        wording("Please, how heavy is the mill?", OTHER, "g2", "4"),
    ]
    known = {one.id: [first, later] for one in again}
    assert {number: one.metadata["question_id"] for number, one in rejected(again, known).items()} == {
        "4": "1"
    }


def test_of_some_that_are_alike_the_first_stays_and_the_others_name_it() -> None:
    texts = [
        "How heavy is the mill?",
        "how heavy is the mill",
        "Who leads the mill?",
        "Please, how heavy is the mill?",
    ]
    new = [wording(text, f"fact {number}", number=str(number)) for number, text in enumerate(texts)]
    found = rejected(new, {})
    assert {number: one.reason for number, one in found.items()} == {
        "1": "DUPLICATE_QUESTION",
        "3": "NEAR_COPY",
    }
    assert [one.metadata["question_id"] for one in found.values()] == ["0", "0"]
    known = {"2": [wording("Who leads the mill?", number="z")]}
    assert rejected(new, known)["2"].message == "the question has the wording of question z"


def found_by(new: Wording, known: Wording) -> bool:
    """Whether a question finds another one by the content of both."""
    return bool(set(new.marks(PROJECT).wanted) & set(known.marks(PROJECT).own))


def test_content_with_a_little_more_or_less_is_found_and_exchanged_content_is_not() -> None:
    plain = wording("How heavy is the old mill of Penwick?")
    assert found_by(plain, wording("Please say how heavy the mill of Penwick, the old one, is."))
    for more in ("How heavy is the old mill of Penwick today?", "How heavy is the mill of Penwick?"):
        assert found_by(plain, wording(more))
        assert found_by(wording(more), plain)
    assert found_by(wording("How heavy is the old mill of Penwick by the river?"), plain)
    assert found_by(
        wording("How heavy is the old red mill of Penwick by the river?"),
        wording("How heavy is the old mill of Penwick by the river?"),
    )
    assert not found_by(plain, wording("How heavy is the new mill of Penwick?"))
    assert not found_by(plain, wording("How heavy is the old mill of Ostrel?"))
    assert not found_by(wording("How heavy is part 17 of it?"), wording("How heavy is part 18 of it?"))


def test_nearly_all_that_are_alike_share_a_band_and_few_others_do() -> None:
    dice = random.Random(7)  # noqa: S311 - the same each time
    vocabulary = [f"word{number}" for number in range(3000)]
    shared = apart = 0
    for _ in range(1000):
        texts = dice.sample(vocabulary, 12)
        one, other, strange = (
            wording(" ".join(words))
            for words in (texts, [*texts, *dice.sample(vocabulary, 3)], dice.sample(vocabulary, 12))
        )
        assert similarity(one, other) >= 0.8
        shared += bool(set(one.marks(PROJECT).bands) & set(other.marks(PROJECT).bands))
        apart += not set(one.marks(PROJECT).bands) & set(strange.marks(PROJECT).bands)
    assert shared >= 965
    assert apart >= 990


def test_marks_are_those_of_a_project_and_never_change() -> None:
    one = wording("How heavy is the mill of Penwick?").marks(PROJECT)
    assert one == wording("how heavy is the Mill of Penwick").marks(PROJECT)
    assert not set(one.own) & set(wording("How heavy is the mill of Penwick?").marks("another").own)
    assert (one.content, one.own[0], one.bands[0]) == (
        7156042483181760335,
        -6049261475605417664,
        8989267646725382495,
    )


def test_questions_without_an_answer_are_the_same_again_in_another_generation_and_else_copies() -> None:
    def left_open(number: str, generation: str, text: str, chunk: str) -> Wording:
        return Wording(number, generation, text, fact_key(None, chunk))

    known = left_open("1", "g", "Who designed the Harlow Bridge?", "c")
    again = left_open("2", "h", "Who designed the Harlow Bridge?", "c")
    twice = left_open("3", "g", "Who designed the Harlow Bridge, then?", "c")
    elsewhere = left_open("4", "h", "Who designed the Harlow Bridge?", "d")
    assert copy_reason(again, known, Gates()) == ""
    assert copy_reason(elsewhere, known, Gates()) == "DUPLICATE_QUESTION"
    assert copy_reason(twice, known, Gates()) == "NEAR_COPY"
    assert (is_wanted(again, known), is_wanted(twice, known), is_wanted(elsewhere, known)) == (
        True,
        False,
        False,
    )
