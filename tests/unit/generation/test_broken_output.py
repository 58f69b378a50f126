from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from services.generation.calls.llm import Llm
from services.generation.calls.output import OutputInvalid, decode, unwrapped
from services.generation.calls.replies import Reply, reply_of, usage_of
from services.generation.calls.transport import Transport
from services.generation.questions.writing import parse_answer, questions_parser
from services.runtime.errors import SishuError
from tests.bench.generation_outputs import FACTS, FORMS, ask_questions, outcomes
from tests.support.alone import llm_alone
from tests.support.llm_broken import BROKEN, FINISH_REASONS
from tests.support.mock_llm import MockServer, mock_llm

SALVAGED = {
    "fence",
    "words_around",
    "fence_and_words",
    "unclosed",
    "think_before",
    "think_inside",
    "think_after",
    "think_without_beginning",
    "think_nested",
    "think_in_a_string",
    "single_quotes",
    "trailing_commas",
    "comments",
    "python_literals",
    "unquoted_keys",
    "extra_keys",
    "line_end_in_a_string",
    "quotes_in_a_string",
    "wrong_escapes",
    "byte_order_mark",
    "full_width_punctuation",
    "curly_quotes",
    "json_in_a_string",
    "list_around",
    "nul",
}
"""Kinds whose answer is used as it came; the others are asked for again."""
REJECTED = {"filtered"}

GOOD = {"quote": "It runs for nine hours.", "answer": "It is nine hours, as said."}
CHANGED: dict[str, Callable[[str], str]] = {
    "think_in_a_string": lambda text: text.replace(" ", " </think><think> ", 1),
    "line_end_in_a_string": lambda text: text.replace(" ", "\n", 1),
    "quotes_in_a_string": lambda text: text.replace(" ", ' "such" ', 1),
    "wrong_escapes": lambda text: text.replace(" ", r" \(\frac{1}{2}\) ", 1),
}
"""Kinds that stand for other words in the first string."""


@pytest_asyncio.fixture(scope="module")
async def mock() -> AsyncIterator[MockServer]:
    async with mock_llm() as server:
        yield server


@pytest_asyncio.fixture
async def llm() -> AsyncIterator[Llm]:
    made = llm_alone(Transport(30))
    yield made
    await made.transport.close()


def said(text: str) -> Reply:
    return reply_of({"choices": [{"message": {"content": text}}]}, 0.0)


@pytest.mark.parametrize("kind", sorted(SALVAGED))
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_what_is_salvaged_has_the_models_words_and_no_others(kind: str, separators: tuple[str, str]) -> None:
    text = BROKEN[kind](json.dumps(GOOD, separators=separators))
    written = parse_answer(unwrapped(decode(said(text).text).value, {"type": "object"}))
    change = CHANGED.get(kind, str)
    assert written.model_dump() == {**GOOD, "quote": change(GOOD["quote"])}


@pytest.mark.parametrize("kind", sorted(BROKEN.keys() - SALVAGED - FINISH_REASONS.keys()))
def test_what_cannot_be_read_without_a_guess_is_no_answer(kind: str) -> None:
    text = BROKEN[kind](json.dumps(GOOD))
    started = time.process_time()
    with pytest.raises(OutputInvalid) as raised:
        parse_answer(decode(said(text).text).value)
    assert len(str(raised.value)) < 300
    assert time.process_time() - started < 1


@pytest.mark.parametrize("end", range(1, len(json.dumps(GOOD)) - 2))
def test_an_answer_that_is_cut_off_never_ends_in_half_a_text(end: int) -> None:
    with pytest.raises(OutputInvalid):
        parse_answer(decode(json.dumps(GOOD)[:end]).value)


def test_of_an_array_that_is_cut_off_the_whole_items_stay() -> None:
    questions = ["What is it?", "Who said so?", "When was it?"]
    whole = json.dumps({"fact_1": {"questions": questions}})
    for end in range(20, len(whole)):
        decoded = decode(whole[:end])
        found = decoded.value["fact_1"].get("questions", [])
        assert decoded.cut
        assert found == [one for one in questions if f'"{one}"' in whole[:end]]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": "see http://h/x", // no "b": 1\n"c": 2}', {"a": "see http://h/x", "c": 2}),
        ("{'a': 'It's the dog's bone', 'b': 'x'}", {"a": "It's the dog's bone", "b": "x"}),
        ('{"a": "x" "b": "y"}', {"a": "x", "b": "y"}),
        ('{"a": "他说"你好"后离开", "b": "好"}', {"a": '他说"你好"后离开', "b": "好"}),
        ('{"a": 1.5e3, "b": -2, "c": [true, False,],}', {"a": 1500.0, "b": -2, "c": [True, False]}),
        ('{"a": "\\ud83d\\ude00 \\x",}', {"a": "\N{GRINNING FACE} \\x"}),
        ('{"a": "tab\there", "a": "tab\there",}', {"a": "tab\there"}),
        ('See [1] and {x}: {"a": {"b": "c"}} or [2, 3].', {"a": {"b": "c"}}),
        ('{"a": "the sum is \\frac{1}{2}"}', {"a": "the sum is \\frac{1}{2}"}),
    ],
)
def test_signs_are_mended_and_words_kept(text: str, value: Any) -> None:
    assert decode(text).value == value


@pytest.mark.parametrize(
    "text",
    [
        '{"questions": ["a", 1, "b",]}',
        '{"a": "He said "yes", and left", "b": "x"}',
        '{"a": ["He said "yes", "no" and "maybe""]}',
        '{"a": "x", "a": "y"}',
        '{"a": "x", b}',
        '["a" "b"]',
        '{"a": [1 2]}',
        '{"a": NaN, "b": {"a": "x"}}',
        '{"a": some words}',
        '{"a": 1..2}',
        '{"a": "x"]',
        "{1: 2}",
    ],
)
def test_a_mistake_that_could_mean_two_things_is_no_json(text: str) -> None:
    with pytest.raises(OutputInvalid):
        decode(text)


@pytest.mark.parametrize(
    "text",
    [
        "{" * 100_000,
        '{"a":' * 30_000,
        '{"a": "' + '" ' * 90_000,
        '{"a": "' + '"/*' * 60_000,
        '{"a": "' + '"<think>' * 20_000,
        '{"a": ' + "<think>" * 20_000,
        "<think></think>" * 10_000,
        "</think>" * 20_000,
        "{x}" * 60_000,
        '{"a": 1,}' * 20_000,
        '{"a": "' + "\\" * 190_000,
        '{"a": "' + '",' * 90_000,
        '{"a": "' + ('"' + " " * 50) * 3_000,
        '{"a" ' + " " * 190_000,
        '{"a": "' + "x" * 300_000,
    ],
    ids=range(15),
)
def test_hostile_text_costs_little_time(text: str) -> None:
    started = time.process_time()
    try:
        parse_answer(decode(said(text).text).value)
    except OutputInvalid:
        assert time.process_time() - started < 2
    else:
        pytest.fail("it is no answer")


async def test_every_kind_of_broken_output_is_salvaged_asked_for_again_or_rejected(mock: MockServer) -> None:
    found = await outcomes(mock)
    assert {kind for kind, outcome in found.items() if outcome == "salvaged"} == SALVAGED
    assert {kind for kind, outcome in found.items() if outcome == "rejected"} == REJECTED


@pytest.mark.parametrize("kind", sorted(BROKEN.keys() - SALVAGED - {"missing_keys", "nan", "infinity"}))
async def test_output_that_stays_broken_is_never_an_answer(llm: Llm, mock: MockServer, kind: str) -> None:
    await mock.reset()
    await mock.control(next_faults=[f"broken:{kind}"] * 9)
    try:
        completion = await ask_questions(llm, mock.base_url)
    except SishuError as error:
        cut = kind in FINISH_REASONS
        assert error.reason in {"LLM_OUTPUT_INVALID", "LLM_OUTPUT_CUT_OFF", "LLM_CONTENT_FILTERED"}
        calls = {"filtered": 1}.get(kind, 2 if cut else 3)
        assert ((await mock.stats())["calls"], usage_of(error).calls) == (calls, calls)
        assert usage_of(error).prompt_tokens > 0
    else:
        # Whole questions, though not all.
        assert kind.startswith("truncated")
        assert 0 < sum(map(len, completion.value)) < len(FACTS) * FORMS
        assert all(text.endswith("?") for texts in completion.value for text in texts)


async def test_only_what_lacks_is_asked_for_again(llm: Llm, mock: MockServer) -> None:
    await mock.control(next_faults=["broken:truncated_array"])
    completion = await ask_questions(llm, mock.base_url)
    assert completion.usage.calls == 2
    assert [len(texts) for texts in completion.value] == [FORMS, FORMS]


def test_a_part_that_is_good_is_kept() -> None:
    parse = questions_parser(2, 2)
    with pytest.raises(OutputInvalid) as raised:
        parse({"fact_1": {"questions": ["A?", "B?"]}, "fact_2": {"questions": ["C?"]}})
    incomplete: Any = raised.value
    assert incomplete.parts == {"fact_1": {"questions": ["A?", "B?"]}}
    assert incomplete.value == [["A?", "B?"], ["C?"]]
