from __future__ import annotations

from dataclasses import replace

import pytest

from services.dataset.changes.applied import Applying, Improved, Judged, after, author_of
from services.dataset.examples.examples import Example, Lineage, Message, Origin, Preference, Quote
from services.runtime.failures import Failure

MESSAGES = [Message("system", "Be short."), Message("user", "How old?"), Message("assistant", "20.", "Hm.")]
FACT, OTHER = Quote("It is 20.", "c", "d", 1, 0, 9), Quote("So it is.", "c", "d", 1, 10, 19)
EXAMPLE = Example(
    "e", "p", "sft", MESSAGES, quotes=[FACT], lineage=Lineage(question_ids=["q"]), score=2.0, revision=4
)
ORIGIN = Origin("improve_answer.en@1", "provider", "model")
LOW, OTHERWISE = Failure("X", "SCORE_LOW", "low"), Failure("X", "DUPLICATE", "twice")
PLAIN, FROM_THREE = Applying("g"), Applying("g", 3.0)


def judged(score: float) -> Judged:
    return Judged("e", 4, score, "So so.", "model")


def improved(answer: str, score: float | None = None) -> Improved:
    return Improved("e", 4, answer, [OTHER, FACT], ORIGIN, score)


@pytest.mark.parametrize(
    ("rejection", "score", "wanted", "reason"),
    [
        (None, 1.0, PLAIN, ""),
        (None, 1.0, FROM_THREE, "SCORE_LOW"),
        (None, 3.0, FROM_THREE, ""),
        (LOW, 2.5, FROM_THREE, "SCORE_LOW"),
        (LOW, 3.0, FROM_THREE, ""),
        (LOW, 5.0, PLAIN, "SCORE_LOW"),
        (OTHERWISE, 1.0, FROM_THREE, "DUPLICATE"),
        (OTHERWISE, 5.0, FROM_THREE, "DUPLICATE"),
    ],
)
def test_a_score_decides_where_that_is_wanted(
    rejection: Failure | None, score: float, wanted: Applying, reason: str
) -> None:
    before = replace(EXAMPLE, state="rejected" if rejection else "kept", rejection=rejection)
    become = after(before, judged(score), wanted)
    assert become.score == score
    assert (become.rejection.reason if become.rejection else "") == reason
    assert become.state == ("rejected" if reason else "kept")


def test_a_rejection_says_why() -> None:
    rejection = after(EXAMPLE, judged(1.5), FROM_THREE).rejection
    assert rejection is not None
    assert rejection.message == "the score 1.5 is below 3: So so."
    assert rejection.metadata == {"generation_id": "g"}


def test_what_is_malformed_is_not_kept_again() -> None:
    malformed = replace(EXAMPLE, messages=MESSAGES[:2], state="rejected", rejection=LOW)
    become = after(malformed, judged(5), FROM_THREE)
    assert (become.state, become.score) == ("rejected", 5)


def test_a_new_answer_takes_the_place_of_the_last_one() -> None:
    become = after(EXAMPLE, improved("It is 20 years old."), PLAIN)
    assert become.messages == [*MESSAGES[:2], Message("assistant", "It is 20 years old.")]
    assert list(become.quotes) == [FACT, OTHER]
    assert become.lineage == Lineage(question_ids=["q"], answer_origin=ORIGIN)
    assert (become.state, become.score) == ("kept", None)
    assert after(EXAMPLE, improved("Old.", 4.5), PLAIN).score == 4.5


def test_of_a_preference_the_good_answer_is_new() -> None:
    bad = Message("assistant", "2.")
    pair = replace(
        EXAMPLE,
        kind="preference",
        messages=MESSAGES[:2],
        preference=Preference(MESSAGES[2], bad, "wrong"),
    )
    become = after(pair, improved("It is 20 years old."), PLAIN)
    assert become.preference == Preference(Message("assistant", "It is 20 years old."), bad, "wrong")
    assert become.messages == MESSAGES[:2]


def test_what_was_changed_since_or_would_be_malformed_stays() -> None:
    for before, result in (
        (replace(EXAMPLE, revision=5), judged(1)),
        (replace(EXAMPLE, revision=5), improved("It is 20 years old.")),
        (EXAMPLE, improved(" ")),
    ):
        assert after(before, result, FROM_THREE) is before


def test_the_author_is_the_model_and_fits() -> None:
    assert author_of("model", "g") == "model (generation g)"
    assert author_of("", "g") == "(generation g)"
    assert len(author_of("m" * 500, "0" * 36)) == 200
