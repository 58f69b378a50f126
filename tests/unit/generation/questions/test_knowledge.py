from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from services.generation.calls.llm import Llm
from services.generation.calls.modes import PLAIN_TEXT
from services.generation.calls.output import OutputInvalid
from services.generation.calls.transport import Transport
from services.generation.forecasts.forecasts import WINDOW_SECONDS, Extent, seconds_promised
from services.generation.generations.generations import Generation, GenerationOptions
from services.generation.generations.kinds import Gates, Judge, KnowledgeOptions
from services.generation.genre_audiences.genre_audiences import GenreAudience, Voice
from services.generation.prompts.built_in import Prompt
from services.generation.providers.providers import Endpoint
from services.generation.questions.facts import Fact
from services.generation.questions.further_forms import Forms, forms_of, next_voice, rest, unprobed
from services.generation.questions.knowledge import knows, parse_said
from services.generation.sources.chunk_reader import SourceChunk
from services.generation.writers.questions import planned
from services.runtime.errors import SishuError
from services.runtime.jobs import Item
from tests.support.alone import llm_alone
from tests.support.prompts import render
from tests.support.web_server import served

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLAIN = GenerationOptions(forms_per_fact=5)
ASKING = GenerationOptions(forms_per_fact=5, knowledge=KnowledgeOptions("learner", 2))


@pytest.mark.parametrize(
    ("said", "answer", "known"),
    [
        ("In 1931.", "In 1931.", True),
        ("1931", "In 1931.", True),
        ("It was opened in 1931.", "In 1931.", False),
        ("In 1932.", "In 1931.", False),
        ("The bridge weighs 50 kilograms.", "The bridge weighs 40 kilograms.", False),
        ("1,000 metres", "1000 metres.", True),
        ("Joan Abara", "Joan Abara is the captain.", True),
        ("captain Joan Abara", "The captain is Joan Abara.", True),
        ("I do not know.", "Joan Abara.", False),
        ("琼·阿巴拉", "琼·阿巴拉。", True),
        ("1931年", "1931 年。", True),
        ("是1931年。", "1931 年。", True),
        ("1932 年", "1931 年。", False),
        ("不知道", "琼·阿巴拉。", False),
    ],
)
def test_a_fact_is_known_where_words_and_numbers_are_those_of_the_source(
    said: str, answer: str, known: bool
) -> None:
    assert knows(said, answer, 0.6) is known


def test_from_which_share_on_a_fact_is_known_can_be_set() -> None:
    assert knows("It was opened in 1931.", "In 1931.", 0.5)
    assert not knows("1931", "In 1931.", 0.7)


def test_of_what_a_model_says_the_first_line_counts() -> None:
    assert parse_said(" In 1931.\n\nWho built it?\nNobody.") == "In 1931."
    with pytest.raises(OutputInvalid):
        parse_said(" \n ")


def test_without_a_model_that_is_to_learn_a_call_asks_for_all_forms() -> None:
    assert forms_of({"facts": [[0, 9]]}, PLAIN) == Forms(5)
    assert forms_of({"facts": [[0, 9]]}, ASKING) == Forms(1, voices=[None])
    assert forms_of({"facts": [[0, 9]], "voices": ["a", "b"]}, ASKING) == Forms(1, voices=["a", "b"])


def test_nobody_is_asked_what_has_no_answer() -> None:
    assert forms_of({"facts": [[0, 9]], "type": "unanswerable"}, ASKING) == Forms(5)
    assert forms_of({"facts": [[0, 9]], "type": "reason"}, ASKING) == Forms(1, voices=[None])


def test_a_fact_that_gives_nothing_loses_also_what_would_have_followed() -> None:
    assert [forms.lost(ASKING) for forms in (Forms(5), Forms(1, voices=["a", "b"]), Forms(4, 1))] == [
        5,
        10,
        4,
    ]
    follow = {"voices": [None], "type": "reason"}
    written = [(Fact(0, 9, "a"), None), (Fact(10, 19, "b"), []), (Fact(20, 29, "c"), ["Why?"])]
    item = Item("i", "j", "p", "g", "write_questions", "c:0", "c", {}, turn=7)
    (new,) = unprobed(item, follow, ASKING, written, [[20, 29]])
    assert new.payload["facts"] == [[10, 19]]


def test_each_fact_is_planned_in_one_voice_but_where_nobody_is_asked() -> None:
    options = replace(
        ASKING,
        chars_per_fact=1,
        facts_per_call=1,
        question_types=["reason", "unanswerable"],
        genre_audiences=True,
    )
    generation = Generation("g", "p", "provider", options, NOW)
    text = "The Kestrel weighs 12 grams. It was built in the year 1931 in Penwick."
    chunk = SourceChunk("c", "p", "d", 1, text, 0, 0, text, [])
    pairs = [
        GenreAudience(
            name,
            "p",
            "d",
            Voice(genre="g", genre_description="", audience=name, audience_description=""),
            True,
            NOW,
            NOW,
        )
        for name in ("one", "two")
    ]
    items = planned(chunk, generation, pairs)
    found = [
        (new.payload["type"], new.payload["genre_audience_id"], new.payload.get("voices")) for new in items
    ]
    assert sorted(found, key=str) == [
        ("reason", "one", ["one", "two"]),
        ("unanswerable", "one", None),
        ("unanswerable", "two", None),
    ]
    assert [forms_of(new.payload, options).count for new in items].count(5) == 2


@pytest.mark.parametrize(("known", "forms"), [(True, 1), (False, 4), (None, 4)])
def test_the_rest_is_as_many_as_are_wanted_beside_the_first(known: bool | None, forms: int) -> None:
    payload = {"fact": [3, 9], "voices": [None], "type": "reason"}
    (item,) = rest("c", payload, ASKING, 7, known=known, asked="How old?")
    assert (item.kind, item.resource_id, item.turn, item.payload["facts"]) == (
        "write_questions",
        "c",
        7,
        [[3, 9]],
    )
    assert forms_of(item.payload, ASKING) == Forms(forms, 1, ["How old?"], known)
    assert item.payload.keys() == {"facts", "forms", "type"}


def test_of_a_known_fact_one_form_is_enough_where_no_more_are_wanted() -> None:
    options = GenerationOptions(forms_per_fact=1, knowledge=KnowledgeOptions("learner"))
    for known in (True, False, None):
        assert rest("c", {"fact": [3, 9], "voices": [None]}, options, 7, known=known) == []


def test_the_first_voice_goes_on_and_the_others_follow_whole() -> None:
    items = rest("c", {"fact": [3, 9], "voices": ["a", "b"]}, ASKING, 7, known=True, asked="How old?")
    assert [item.payload["genre_audience_id"] for item in items] == ["a", "b"]
    assert [forms_of(item.payload, ASKING) for item in items] == [
        Forms(1, 1, ["How old?"], True),
        Forms(2, 0, [], True),
    ]
    assert len({item.key for item in items}) == 2


def test_where_the_first_voice_is_gone_the_next_one_is_asked_in() -> None:
    payload = {"facts": [[0, 9]], "genre_audience_id": "a", "voices": ["a", "b"]}
    item = Item("i", "j", "p", "g", "write_questions", "c:0:a", "c", payload, turn=7)
    (new,) = next_voice(item)
    assert (new.key, new.payload["genre_audience_id"], new.payload["voices"]) == ("c:0:b", "b", ["b"])
    assert next_voice(Item("i", "j", "p", "g", "write_questions", new.key, "c", new.payload)) == []
    assert next_voice(Item("i", "j", "p", "g", "write_questions", "k", "c", {"genre_audience_id": "a"})) == []


@pytest.mark.parametrize("name", ["", "_reason", "_comparison", "_procedure", "_definition", "_multi_hop"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_was_asked_is_told_and_its_examples_do_not_repeat_it(name: str, language: str) -> None:
    asked = "How old is the ash?"
    values = {"passage": "p", "facts": ["The ash is 20."], "fact": "The ash is 20.", "forms": 2}
    values |= {"linked_fact": "l", "linked_passage": "l"} if name == "_multi_hop" else {}
    prompt = render(f"questions{name}", language, **values, existing=[asked])
    mark = {"en": "Asked already: ", "zh": "已有的问题："}[language]
    assert prompt.texts[-1].endswith(mark + asked)
    told = 0
    for example, answer in zip(prompt.texts[1:-1:2], prompt.texts[2::2], strict=True):
        first = example.partition(mark)[2]
        assert answer.count("?") + answer.count("？") == (2 if first else 0)
        assert not first or first not in answer
        told += bool(first)
    assert told
    plain = render(f"questions{name}", language, **values)
    assert mark not in "".join(plain.texts)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_model_that_is_to_learn_sees_the_question_and_no_json(language: str) -> None:
    prompt = render("probe", language, question="How old is the ash?")
    assert prompt.texts[-1] == "How old is the ash?"
    assert "json" not in "".join(prompt.texts).lower()


def test_every_helper_is_named_with_its_option() -> None:
    options = GenerationOptions(gates=Gates(judge=Judge("critic")), knowledge=KnowledgeOptions("learner"))
    assert options.helper_ids == {
        "critic": "gates.judge.provider_id",
        "learner": "knowledge.provider_id",
    }
    assert GenerationOptions().helper_ids == {}


def test_batches_of_a_generation_that_asks_what_is_known_follow_one_another() -> None:
    for asks_knowledge, rounds in ((False, 2), (True, 5)):
        extent = Extent(True, 1, 1, None, in_batches=True, asks_knowledge=asks_knowledge)
        assert seconds_promised(extent, None) == rounds * WINDOW_SECONDS


@pytest_asyncio.fixture
async def llm() -> AsyncIterator[Llm]:
    made = llm_alone(Transport(10))
    yield made
    await made.transport.close()


async def test_words_are_asked_for_without_a_format_and_read_as_they_are(llm: Llm) -> None:
    bodies: list[dict[str, Any]] = []
    texts = [" ", "<think>It was in {1931}.</think>\nIn [1931].\nWho?"]

    async def complete(request: web.Request) -> web.Response:
        bodies.append(await request.json())
        message = {"role": "assistant", "content": texts[len(bodies) - 1]}
        return web.json_response({"model": "m", "choices": [{"message": message, "finish_reason": "stop"}]})

    async with served(complete) as url:
        prompt = Prompt("probe.en@1", ["You answer.", "When?"])
        endpoints = [Endpoint(url, "m", "")]
        found = await llm.ask(endpoints, prompt, PLAIN_TEXT, parse_said, {"temperature": 0})
        body = await llm.body(endpoints[0], prompt.messages(), PLAIN_TEXT, {"temperature": 0})
    assert (found.value, found.reasoning, found.usage.calls) == ("In [1931].", "It was in {1931}.", 2)
    assert bodies[0] == body
    assert set(body) == {"model", "messages", "temperature"}
    assert bodies[1]["messages"][-1]["content"] == (
        "That is not valid: the answer is empty. Answer again, with words only."
    )


async def test_a_model_that_says_nothing_gave_no_answer(llm: Llm) -> None:
    async def complete(_: web.Request) -> web.Response:
        return web.json_response({"choices": [{"message": {"content": ""}, "finish_reason": "stop"}]})

    async with served(complete) as url:
        with pytest.raises(
            SishuError, match="gave no valid answer in 3 tries: the answer is empty"
        ) as raised:
            await llm.ask([Endpoint(url, "m", "")], Prompt("p", ["a", "b"]), PLAIN_TEXT, parse_said, {})
    assert raised.value.reason == "LLM_OUTPUT_INVALID"
