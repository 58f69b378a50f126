from __future__ import annotations

from dataclasses import replace

import pytest

from services.dataset.examples.content import content_json, content_of, lineage_json, lineage_of
from services.dataset.examples.edits import Edit, edited, rejection_by_hand
from services.dataset.examples.examples import ExamItem, Example, Lineage, Message, Preference
from services.dataset.examples.gate import gate
from services.dataset.examples.languages import language_of
from services.dataset.examples.rules import check_example
from services.dataset.versions.reading import digest_of
from services.runtime.errors import InvalidArgument
from services.runtime.failures import Failure
from tests.unit.dataset.makers import conversation, sft

USER, MODEL, SYSTEM = Message("user", "Q?"), Message("assistant", "A."), Message("system", "Be brief.")


@pytest.mark.parametrize(
    ("kind", "messages"),
    [
        ("sft", [USER, MODEL]),
        ("sft", [SYSTEM, USER, MODEL]),
        ("exam_item", [USER, MODEL]),
        ("conversation", [USER, MODEL, USER, MODEL]),
        ("conversation", [SYSTEM, USER, MODEL, USER, MODEL]),
        ("pretraining", [MODEL]),
    ],
)
def test_well_formed_conversations_pass(kind: str, messages: list[Message]) -> None:
    check_example(Example("1", "2", kind, messages))


@pytest.mark.parametrize(
    ("kind", "messages", "reason"),
    [
        ("sft", [], "MESSAGES_INVALID"),
        ("sft", [USER], "MESSAGES_INVALID"),
        ("sft", [MODEL, USER], "MESSAGES_INVALID"),
        ("sft", [USER, MODEL, USER, MODEL], "MESSAGES_INVALID"),
        ("sft", [SYSTEM], "MESSAGES_INVALID"),
        ("sft", [USER, SYSTEM, MODEL], "MESSAGES_INVALID"),
        ("sft", [USER, Message("assistant", " \n")], "MESSAGES_INVALID"),
        ("sft", [USER, Message("assistant", "a\0b")], "MESSAGES_INVALID"),
        ("conversation", [USER, MODEL, USER], "MESSAGES_INVALID"),
        ("conversation", [USER, Message("tool", "1")], "MESSAGES_INVALID"),
        ("preference", [USER, MODEL], "MESSAGES_INVALID"),
        ("preference", [USER], "PREFERENCE_INVALID"),
        ("pretraining", [USER], "MESSAGES_INVALID"),
        ("pretraining", [MODEL, MODEL], "MESSAGES_INVALID"),
        ("", [USER, MODEL], "KIND_UNSUPPORTED"),
    ],
)
def test_malformed_conversations_are_refused(kind: str, messages: list[Message], reason: str) -> None:
    with pytest.raises(InvalidArgument) as error:
        check_example(Example("1", "2", kind, messages))
    assert error.value.reason == reason
    assert error.value.field.startswith("example.")


@pytest.mark.parametrize(
    "messages", [[USER], [SYSTEM, USER], [USER, MODEL, USER], [SYSTEM, USER, MODEL, USER]]
)
@pytest.mark.parametrize("preference", [Preference(MODEL, MODEL), Preference(MODEL), Preference(None, MODEL)])
def test_a_preference_is_of_answers_to_a_question(messages: list[Message], preference: Preference) -> None:
    check_example(Example("1", "2", "preference", messages, preference=preference))


@pytest.mark.parametrize(
    "preference",
    [
        Preference(),
        Preference(USER, MODEL),
        Preference(MODEL, Message("assistant", " ")),
        Preference(MODEL, Message("assistant", "a\0b")),
        Preference(MODEL, None, "\0"),
    ],
)
def test_a_preference_without_good_answers_is_refused(preference: Preference) -> None:
    with pytest.raises(InvalidArgument) as error:
        check_example(Example("1", "2", "preference", [USER], preference=preference))
    assert error.value.reason == "PREFERENCE_INVALID"


CHOICE = ExamItem("single_choice", "Q?", ["A.", "B."], [0])


def test_an_exam_item_names_its_right_choices() -> None:
    check_example(replace(sft("Q?", kind="exam_item"), exam_item=CHOICE))
    check_example(replace(sft("Q?", kind="exam_item"), exam_item=ExamItem("true_false", "Q.", is_true=True)))
    for item in (
        replace(CHOICE, correct=[]),
        replace(CHOICE, correct=[2]),
        replace(CHOICE, type="open_ended"),
    ):
        with pytest.raises(InvalidArgument) as error:
            check_example(replace(sft("Q?", kind="exam_item"), exam_item=item))
        assert error.value.reason == "EXAM_ITEM_INVALID"
    with pytest.raises(InvalidArgument, match="has none"):
        check_example(replace(sft("Q?"), exam_item=CHOICE))
    with pytest.raises(InvalidArgument, match="has no preference"):
        check_example(replace(sft("Q?"), preference=Preference(MODEL)))


def test_content_and_lineage_are_read_back_as_they_were_written() -> None:
    pair = Example("1", "2", "preference", [SYSTEM, USER], preference=Preference(MODEL, None, "wrong"))
    item = replace(sft("Q?", kind="exam_item"), exam_item=CHOICE)
    for example in (sft("净利润？\n\0"), conversation("Q?", "A.", system="S."), pair, item):
        read = replace(
            example, **content_of(content_json(example)), lineage=lineage_of(lineage_json(example.lineage))
        )
        assert read == example
    assert content_json(Example("1", "2", "pretraining", [MODEL])) == (
        '{"messages":[{"role":"assistant","content":"A."}]}'
    )
    assert lineage_json(Lineage()) == "{}"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What is it?", "en"),
        ("净利润是多少？", "zh"),
        ("GB18030 编码的 API 是什么？", "zh"),
        ("The word 学 means to learn, and it is taught first.", "en"),
        ("これは何ですか。日本", ""),
        ("Où est la bibliothèque, s'il vous plaît, près de l'église ?", ""),
        ("42", ""),
        ("", ""),
    ],
)
def test_the_language_is_known_by_its_letters(text: str, language: str) -> None:
    assert language_of(text) == language


def test_two_answers_to_one_question_are_two_preferences_and_one_conversation() -> None:
    pairs = [
        Example(name, "2", "preference", [USER], preference=Preference(Message("assistant", name)))
        for name in ("a", "b", "a")
    ]
    texts = [Example(name, "2", "pretraining", [Message("assistant", name)]) for name in ("a", "b", "a")]
    states = [one.state for one in gate([*pairs, *texts], {})]
    assert len({one.key for one in [*pairs, *texts, sft("Q?")]}) == 5
    assert states == ["kept", "kept", "kept", "kept", "kept", "kept"]


def test_the_second_of_two_equal_questions_is_rejected_with_the_id_of_the_first() -> None:
    first, second, other = sft("What  is\nit?"), sft(" What is it? ", name="2"), sft("Who is it?")
    kept, rejected, third = gate([first, second, other], {})
    assert (kept.state, rejected.state, third.state) == ("kept", "rejected", "kept")
    assert rejected.rejection
    assert rejected.rejection.reason == "DUPLICATE"
    assert rejected.rejection.metadata == {"example_id": first.id}
    assert rejected.messages == second.messages


def test_a_question_that_was_kept_before_makes_a_duplicate() -> None:
    again = sft("What is it?")
    (found,) = gate([again], {again.key: "earlier"})
    assert found.rejection
    assert found.rejection.metadata == {"example_id": "earlier"}


def test_a_rejected_question_makes_no_duplicate_of_a_good_one() -> None:
    reason = Failure("INVALID_ARGUMENT", "QUOTE_NOT_FOUND", "the quote is not in the chunk")
    bad = replace(sft("What is it?", name="bad"), state="rejected", rejection=reason)
    assert [one.state for one in gate([bad, sft("What is it?")], {})] == ["rejected", "kept"]
    assert gate([bad], {})[0].rejection == reason


def test_an_answer_of_nothing_is_rejected_at_the_gate() -> None:
    (found,) = gate([sft("What is it?", " ")], {})
    assert found.state == "rejected"
    assert found.rejection
    assert found.rejection.reason == "MESSAGES_INVALID"


def test_a_review_can_reject_keep_and_rewrite() -> None:
    example = sft("What is it?")
    rejected = edited(example, Edit(state="rejected"))
    assert rejected.rejection
    assert rejected.rejection.reason == "REVIEW"
    kept = edited(rejected, Edit([USER, MODEL], "kept"))
    assert (kept.state, kept.rejection, kept.messages) == ("kept", None, [USER, MODEL])
    with pytest.raises(InvalidArgument):
        edited(example, Edit([USER]))


def test_a_review_rejects_with_its_reason_and_may_change_it() -> None:
    wrong = rejection_by_hand("WRONG", "It weighs 2 kg.", {"page": "7"})
    rejected = edited(sft("What is it?"), Edit(state="rejected", rejection=wrong))
    assert rejected.rejection == Failure("FAILED_PRECONDITION", "WRONG", "It weighs 2 kg.", {"page": "7"})
    assert edited(rejected, Edit([USER])).rejection == wrong
    vague = rejection_by_hand("", "Vague.")
    assert vague.reason == "REVIEW"
    assert edited(rejected, Edit(rejection=vague)).rejection == vague
    with pytest.raises(InvalidArgument, match="only a rejected example"):
        edited(rejected, Edit(state="kept", rejection=wrong))


@pytest.mark.parametrize(
    ("reason", "message", "metadata"),
    [
        ("", " ", {}),
        ("", "a\0b", {}),
        ("WRONG", "x", {"a": "\0"}),
        ("no reason", "x", {}),
        ("A" * 64, "x", {}),
    ],
)
def test_a_rejection_says_why_in_the_usual_form(reason: str, message: str, metadata: dict[str, str]) -> None:
    with pytest.raises(InvalidArgument):
        rejection_by_hand(reason, message, metadata)


def test_a_rejected_example_without_answer_cannot_be_kept_as_it_is() -> None:
    open_question = replace(sft("Q?"), messages=[USER], state="rejected", rejection=Failure("", "R", ""))
    with pytest.raises(InvalidArgument, match="one pair"):
        edited(open_question, Edit(state="kept"))
    assert edited(open_question, Edit([Message("user", "Better?")])).rejection == Failure("", "R", "")


def test_the_digest_is_of_what_is_said_and_not_of_ids() -> None:
    example = sft("What is it?")
    assert digest(replace(example, id="other", lineage=Lineage())) == digest(example)
    assert digest(sft("What is it?", "Another.")) != digest(example)
    assert digest(replace(example, kind="exam_item")) != digest(example)


def digest(example: Example) -> bytes:
    return digest_of(example.kind, content_json(example).encode())


def test_the_question_of_a_conversation_is_all_that_the_user_says() -> None:
    assert conversation("One?", "1.", "Two?", "2.", system="S").question == "One?\nTwo?"
