"""Links between facts of chunks, and questions that need both."""

from __future__ import annotations

from typing import Any

import pytest

from services.generation.asking.asking import Asked
from services.generation.asking.call_store import Settlement
from services.generation.generations.generations import GenerationOptions
from services.generation.generations.kinds import Gates
from services.generation.questions.answers import Written
from services.generation.questions.facts import sentences
from services.generation.questions.links import LinkedFact, known_links, linker
from services.generation.questions.multi_hop import hop_questions_call
from services.generation.questions.questions import CallRecord, OpenQuestion
from services.generation.questions.subjects import Subject, answer_call_of, checked, new_question, seen_of
from services.generation.sources.chunk_reader import SourceChunk
from tests.support.prompts import render

CALL = CallRecord("c", "answer.en@1", "p", "m", {}, 1, 1, 1, 0.1)


def chunk_of(chunk_id: str, text: str, *path: str, document: str = "d", overlap: int = 0) -> SourceChunk:
    return SourceChunk(chunk_id, "p", document, 1, text, 0, overlap, text, list(path))


BRIDGE = chunk_of("a", "The Harlow Bridge was designed by Edda Moor. It is 84 metres long.", "Bridges")
BAKERY = chunk_of("b", "The bakery uses forty kilograms of rye flour a day. It rests on Sundays.", "Bread")
PEOPLE = chunk_of("c", "Nobody knows the old keeper. The engineer Edda Moor was born in Torvik.", "People")


def linked(chunks: list[SourceChunk], chunk: SourceChunk, number: int = 0) -> str:
    """The text of the fact that is linked to one of a chunk."""
    link = linker(chunks)(chunk, sentences(chunk.text)[number])
    texts = {one.id: one.text for one in chunks}
    return texts[link.chunk_id][link.start : link.end] if link else ""


def test_facts_that_share_a_name_are_linked_across_documents() -> None:
    far = chunk_of("z", PEOPLE.text, "People", document="other")
    chunks = [BRIDGE, BAKERY, far]
    assert linked(chunks, BRIDGE) == "The engineer Edda Moor was born in Torvik."
    assert linked(chunks, far, 1) == "The Harlow Bridge was designed by Edda Moor."
    assert linked([chunks[0], chunks[1]], BAKERY, 1) == "The Harlow Bridge was designed by Edda Moor."


def test_chinese_facts_are_linked_by_pairs_of_characters() -> None:
    one = chunk_of("a", "彭威克的哈洛大桥由埃达莫尔设计。", "桥", document="1")
    other = chunk_of("b", "面包房每天使用四十公斤黑麦面粉。工程师埃达莫尔出生在托维克。", "人", document="2")
    assert linked([one, other], one) == "工程师埃达莫尔出生在托维克。"


def test_what_many_chunks_say_and_what_says_the_same_links_nothing() -> None:
    texts = [f"The part number {n} of the Kestrel weighs {n} grams." for n in range(1, 60)]
    apart = [chunk_of(str(n), text, "Part", document=str(n)) for n, text in enumerate(texts)]
    assert linked(apart, apart[7]) == ""
    twin = chunk_of("t", BRIDGE.text, "Twin", document="other")
    assert linked([BRIDGE, twin], BRIDGE) == ""


def test_a_fact_that_shares_nothing_gets_one_of_the_section_beside() -> None:
    one = chunk_of("a", "The bakery uses forty kilograms of rye flour a day.", "House", "Bread")
    other = chunk_of("b", "On Sundays the ovens are cold and nobody works.", "House", "Rest")
    away = chunk_of("c", "Every lamp in the yard was put up by hand.", "Yard", "Lamps")
    assert linked([one, other, away], one) == other.text
    assert linked([one, other, away], other) == one.text
    assert linked([one, other, away], away) == ""
    elsewhere = chunk_of("c", other.text, "House", "Rest", document="e")
    assert linked([one, elsewhere], one) == ""


def test_an_overlap_is_not_linked_to_the_chunk_that_it_repeats() -> None:
    tail = "The engineer Edda Moor was born in Torvik."
    one = chunk_of("a", f"The Harlow Bridge was designed by Edda Moor. {tail}", "A")
    other = chunk_of("b", f"{tail} The bakery in Torvik uses rye.", "B", overlap=len(tail) + 1)
    link = linker([one, other])(one, sentences(one.text)[1])
    assert link is not None
    assert link.start > len(tail)


def test_links_are_the_same_each_time_and_can_be_kept() -> None:
    chunks = [BRIDGE, BAKERY, PEOPLE]
    find = linker(chunks)
    fact = sentences(BRIDGE.text)[0]
    link = find(BRIDGE, fact)
    assert link is not None
    assert link == linker(chunks)(BRIDGE, fact)
    kept = known_links({"a": [[fact.start, *link.payload]]})
    assert kept(BRIDGE, fact) == link
    assert kept(PEOPLE, fact) is None


FIRST, SECOND = sentences(BRIDGE.text)[0], sentences(PEOPLE.text)[1]
SUBJECT = Subject("multi_hop", BRIDGE, FIRST, LinkedFact(PEOPLE, SECOND))
QUESTION = "Where was the designer of the Harlow Bridge born?"


def verdict(answer: str, *quotes: str, off: tuple[str, ...] = ()) -> tuple[str, list[str]]:
    asked = Asked(Written(answer, quotes), "", CALL, Settlement())
    own = GenerationOptions(gates=Gates(off=off))
    found, failure = checked(SUBJECT, QUESTION, asked, own, "en")
    return failure.reason if failure else "", [quote.chunk_id for quote in found.quotes]


@pytest.mark.parametrize(
    ("quotes", "why", "chunks"),
    [
        ((FIRST.text, SECOND.text), "", ["a", "c"]),
        ((SECOND.text, FIRST.text), "", ["c", "a"]),
        ((FIRST.text, "It is 84 metres long."), "QUOTES_NOT_OF_BOTH", ["a", "a"]),
        ((SECOND.text, SECOND.text), "QUOTES_NOT_OF_BOTH", ["c", "c"]),
        ((FIRST.text, "She was born far away."), "QUOTE_NOT_FOUND", ["a"]),
        (("Invented.", "Made up."), "QUOTE_NOT_FOUND", []),
    ],
)
def test_an_answer_quotes_both_chunks(quotes: tuple[str, ...], why: str, chunks: list[str]) -> None:
    assert verdict("In Torvik.", *quotes) == (why, chunks)


def test_what_either_chunk_says_may_be_answered_and_nothing_else() -> None:
    quotes = (FIRST.text, SECOND.text)
    assert verdict("In Torvik; the bridge has 84 metres.", *quotes)[0] == ""
    assert verdict("She was born in Grendel.", *quotes)[0] == "NAME_NOT_IN_SOURCE"
    assert verdict("In 1970.", *quotes)[0] == "NUMBER_NOT_IN_SOURCE"
    assert verdict("In Torvik.", FIRST.text, FIRST.text, off=("QUOTES_NOT_OF_BOTH",))[0] == ""


@pytest.mark.parametrize("language", ["en", "zh"])
def test_prompts_show_both_facts_and_passages(language: str) -> None:
    own = GenerationOptions(context_chars=1)
    call = hop_questions_call(BRIDGE, FIRST, SUBJECT.linked, own, language, None)  # type: ignore[arg-type]
    shown = render(call.prompt, language, **call.values).texts[-1]
    assert FIRST.text in shown
    assert SECOND.text in shown
    asked = OpenQuestion("q", "g", QUESTION, "a")
    answer = answer_call_of(SUBJECT, asked, own, language)
    text = render(answer.prompt, language, **answer.values).texts[-1]
    assert FIRST.text in text
    assert SECOND.text in text
    properties: Any = answer.schema["properties"]
    assert list(properties) == ["quote_1", "quote_2", "answer"]
    assert [properties[name]["enum"] for name in ("quote_1", "quote_2")] == [[FIRST.text], [SECOND.text]]
    assert seen_of(SUBJECT, own).text == f"{FIRST.text} … {SECOND.text}"


def test_a_question_names_both_chunks_and_the_fact_of_the_other() -> None:
    other = Subject("multi_hop", BRIDGE, FIRST, LinkedFact(chunk_of("z", PEOPLE.text, document="e"), SECOND))
    for subject, chunks, documents in ((SUBJECT, ["a", "c"], ["d"]), (other, ["a", "z"], ["d", "e"])):
        new = new_question(subject, 1, QUESTION, "en", GenerationOptions())
        assert (new.chunk_ids, new.document_ids, new.type, new.form) == (chunks, documents, "multi_hop", 1)
        assert new.fact is not None
        assert [new.fact.text, *(fact.text for fact in new.linked_facts)] == [FIRST.text, SECOND.text]
        assert new.rejection is None
    unknown = new_question(Subject("unanswerable", BRIDGE, FIRST), 0, QUESTION, "en", GenerationOptions())
    assert (unknown.fact, unknown.linked_facts, unknown.type) == (None, [], "unanswerable")
