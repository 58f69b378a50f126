from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from services.generation.calls.output import OutputIncomplete, OutputInvalid
from services.generation.candidates.candidates import Conversation, NewCandidate
from services.generation.candidates.conversations import assignment, parser, plans, schema
from services.generation.generations.generations import GenerationOptions
from services.generation.generations.kinds import ConversationOptions, Gates
from tests.support.chunks import HONGSUN, KESTREL, chunk_of

EACH = GenerationOptions(chars_per_fact=1)
FIRST = {
    "question": "How long does the Kestrel 400 run on one battery?",
    "quote": "The Kestrel 400 runs for 9 hours on one battery.",
    "answer": "It runs for 9 hours.",
}
SECOND = {
    "question": "And what does that battery weigh?",
    "quote": "Its battery weighs 4.5 kg and is charged in 2 hours.",
    "answer": "The battery weighs 4.5 kg.",
}
THIRD = {
    "question": "Since when has it been built?",
    "quote": "Marlow Systems has built the Kestrel since 2015.",
    "answer": "Marlow Systems has built it since 2015.",
}


def wanted(turns: int = 3, **own: Any) -> GenerationOptions:
    return replace(EACH, conversations=ConversationOptions(turns, **own))


def made(
    *turns: dict[str, str], text: str = KESTREL, options: GenerationOptions | None = None
) -> NewCandidate:
    chunk, chosen = chunk_of(text), options or wanted()
    (payload,) = plans(chunk, chosen, 0)
    work = assignment(chunk, payload, chosen)
    return work.made(work.parse({f"turn_{number}": turn for number, turn in enumerate(turns, 1)}))


def why(candidate: NewCandidate) -> tuple[str, str]:
    failure = candidate.rejection
    return (failure.reason, failure.message[:6]) if failure else ("", "")


@pytest.mark.parametrize(
    ("sentences", "turns", "sizes"),
    [(0, 3, []), (1, 3, []), (2, 3, [2]), (3, 3, [3]), (5, 3, [3]), (6, 3, [3, 3]), (9, 2, [2, 2, 2, 2])],
)
def test_facts_become_conversations_of_so_many_turns(sentences: int, turns: int, sizes: list[int]) -> None:
    text = " ".join(f"The part number {number} weighs {number} grams." for number in range(sentences))
    planned = plans(chunk_of(text), wanted(turns), 0)
    assert [len(one["facts"]) for one in planned] == sizes
    starts = [start for one in planned for start, _ in one["facts"]]
    assert starts == sorted(set(starts))


def test_a_good_conversation_is_kept_with_a_quote_and_a_fact_for_each_turn() -> None:
    candidate = made(FIRST, SECOND, THIRD)
    assert candidate.rejection is None
    assert isinstance(candidate.content, Conversation)
    assert [one.role for one in candidate.content.messages] == ["user", "assistant"] * 3
    for quote, turn in zip(candidate.quotes, (FIRST, SECOND, THIRD), strict=True):
        assert quote.text == KESTREL[quote.start : quote.end] == turn["quote"]
    assert len(set(candidate.fact_ids)) == 3


@pytest.mark.parametrize(
    ("place", "change", "reason"),
    [
        (0, {"question": "How long does it run on one battery?"}, "NOT_SELF_CONTAINED"),
        (0, {"question": "What does the text say of the Kestrel?"}, "LEAK_PHRASE"),
        (0, {"quote": "The Kestrel 400 runs for 9 days."}, "QUOTE_NOT_FOUND"),
        (0, {"answer": "It runs for 10 hours."}, "NUMBER_NOT_IN_SOURCE"),
        (0, {"answer": " "}, "ANSWER_EMPTY"),
        (0, {"answer": "可以运行 9 个小时，很长很长的时间。"}, "LANGUAGE"),
        (1, {"question": "Good."}, "NOT_A_QUESTION"),
        (1, {"question": FIRST["question"]}, "REPEATED"),
        (1, {"question": "And what does that of Siemens weigh?"}, "NAME_NOT_IN_SOURCE"),
        (1, {"quote": THIRD["quote"]}, "QUOTE_OFF_FACT"),
        (1, {"answer": "I cannot answer that."}, "REFUSAL"),
        (1, {"answer": "x" * 1001}, "ANSWER_LENGTH"),
    ],
)
def test_a_bad_turn_among_the_first_two_rejects_with_its_number(
    place: int, change: dict[str, str], reason: str
) -> None:
    turns = [FIRST, SECOND, THIRD]
    turns[place] = turns[place] | change
    candidate = made(*turns)
    assert why(candidate) == (reason, f"turn {place + 1}")
    # What was written is kept to be looked at.
    assert isinstance(candidate.content, Conversation)
    assert len(candidate.content.messages) == 6


def test_a_conversation_ends_before_a_later_bad_turn() -> None:
    candidate = made(FIRST, SECOND, THIRD | {"answer": "Since 1999."})
    assert candidate.rejection is None
    assert isinstance(candidate.content, Conversation)
    assert len(candidate.content.messages) == 4
    assert len(candidate.quotes) == len(candidate.fact_ids) == 2


def test_a_gate_that_is_off_keeps_the_turn() -> None:
    options = replace(wanted(), gates=Gates(off=["NUMBER_NOT_IN_SOURCE"]))
    candidate = made(FIRST, SECOND, THIRD | {"answer": "Since 1999."}, options=options)
    assert isinstance(candidate.content, Conversation)
    assert len(candidate.content.messages) == 6


def test_scenario_and_role_become_the_system_message_in_the_language_of_the_chunk() -> None:
    options = wanted(scenario="A call at night.", user_role="a pilot", assistant_role="a technician")
    content = made(FIRST, SECOND, THIRD, options=options).content
    assert isinstance(content, Conversation)
    assert content.messages[0].content == "A call at night.\nYou are a technician."
    spoken = [
        {
            "question": "北辰公司成立于哪一年？",
            "quote": "北辰公司成立于2015年，总部设在上海。",
            "answer": "成立于2015年。",
        },
        {"question": "红隼的电池有多重？", "quote": "红隼的电池重量为四千克半。", "answer": "四千克半。"},
        {
            "question": "它能飞多久？",
            "quote": "红隼充满电后可以飞行九个小时。",
            "answer": "可以飞行九个小时。",
        },
    ]
    candidate = made(*spoken, text=HONGSUN, options=wanted(assistant_role="技师"))
    assert candidate.rejection is None
    assert isinstance(candidate.content, Conversation)
    assert candidate.content.messages[0].content == "你是技师。"


def test_the_schema_has_exactly_so_many_turns_and_offers_the_sentences_as_quotes() -> None:
    offered = schema(4, ["a", "b", "a"], "en", 50)
    assert offered["required"] == ["turn_1", "turn_2", "turn_3", "turn_4"]
    turn = offered["properties"]["turn_4"]["properties"]
    assert (turn["quote"]["enum"], turn["answer"]["maxLength"]) == (["a", "b"], 50)


def test_turns_that_lack_are_asked_for_again_and_those_before_are_taken() -> None:
    parse = parser(3)
    with pytest.raises(OutputIncomplete) as caught:
        parse({"turn_1": FIRST, "turn_2": {"question": "What?"}, "turn_3": THIRD})
    assert caught.value.parts == {"turn_1": FIRST, "turn_3": THIRD}
    assert [turn.answer for turn in caught.value.value] == [FIRST["answer"]]
    empty: list[Any] = [[], {}, {"turn_1": "text"}]
    for nothing in empty:
        with pytest.raises(OutputInvalid):
            parse(nothing)


def test_a_single_turn_is_no_conversation() -> None:
    chunk = chunk_of(KESTREL)
    work = assignment(chunk, plans(chunk, wanted(), 0)[0], wanted())
    with pytest.raises(OutputIncomplete) as caught:
        work.parse({"turn_1": FIRST})
    assert why(work.made(caught.value.value))[0] == "TURNS_MISSING"
