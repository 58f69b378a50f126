"""Which facts of a section are asked about next, and what is told of a section."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.generation.coverage.coverage import (
    EXCLUDED_BY_COVERAGE,
    Choice,
    ChunkCoverage,
    ChunkFacts,
    Round,
    askable,
    check_coverage,
    coverage_of,
    facts_of,
    lacking,
    share_of,
    tally,
)
from services.generation.generations.generations import GenerationOptions
from services.generation.generations.kinds import CoverageOptions, RegenerationOptions
from services.generation.questions.question_types import batches
from services.generation.sources.chunk_reader import SourceChunk
from services.generation.sources.section_reader import Section
from services.runtime.errors import InvalidArgument
from tests.support.chunks import HONGSUN, KESTREL, chunk_of

LONG = "".join(f"The part number {number} of the Kestrel weighs {number} grams. " for number in range(1, 9))


def section(*found: ChunkFacts) -> Section[ChunkFacts]:
    return Section("d", 1, "s", ["Kestrel"], found, None)


def chosen(whole: Section[ChunkFacts], count: int) -> list[Choice]:
    return share_of(whole, tally(whole.found), count).of_part(whole.found)[0]


def free(chunk: SourceChunk) -> ChunkFacts:
    return facts_of(chunk, {}, ())


@pytest.mark.parametrize(("text", "count"), [(KESTREL, 4), (HONGSUN, 3), ("| a | b |\n|---|---|\n", 0)])
def test_what_can_be_asked_about_are_sentences(text: str, count: int) -> None:
    assert len(askable(chunk_of(text))) == count


def test_a_sentence_that_stands_twice_in_a_chunk_is_one_fact() -> None:
    twice = chunk_of(
        "Press the red button at once. Wait for the lamp to go out. Press the red button at once."
    )
    assert [fact.start for fact in askable(twice).values()] == [0, 30]


def test_facts_are_told_apart_by_what_became_of_them() -> None:
    chunk = chunk_of(KESTREL)
    first, second, third, fourth = askable(chunk)
    found = facts_of(chunk, {first: True, second: False, third: False}, [askable(chunk)[third].start])
    assert (found.answered, found.asked, found.sentences) == (1, 1, 4)
    assert [fact.text for fact in found.free] == [fourth]
    assert [fact.text for fact in found.again] == [second]


def test_a_section_lacks_what_it_was_to_have_or_what_it_holds() -> None:
    chunk = chunk_of(KESTREL)
    one = facts_of(chunk, {next(iter(askable(chunk))): True}, ())
    assert lacking(tally([one]), CoverageOptions(1)) == 0
    assert lacking(tally([one]), CoverageOptions(3)) == 2
    assert lacking(tally([one]), CoverageOptions(100)) == 3
    assert lacking(tally([one, free(chunk_of(HONGSUN))]), CoverageOptions(100)) == 6


def test_facts_are_spread_over_the_chunks_of_a_section_and_in_their_order() -> None:
    chunks = [replace(chunk_of(LONG), id=name) for name in "ab"]
    found = chosen(section(*map(free, chunks)), 4)
    assert [(one.chunk.id, [fact.text[16:18].strip() for fact in one.facts]) for one in found] == [
        ("a", ["1", "5"]),
        ("b", ["1", "5"]),
    ]
    assert sum(len(one.facts) for one in chosen(section(*map(free, chunks)), 100)) == 16
    assert chosen(section(*map(free, chunks)), 0) == []


@pytest.mark.parametrize("count", [1, 5, 7, 13, 40, 41, 100])
@pytest.mark.parametrize("size", [1, 3, 4])
def test_of_a_section_in_parts_the_same_facts_are_chosen_as_of_the_whole(count: int, size: int) -> None:
    chunks = [replace(chunk_of(LONG), id=str(number)) for number in range(10)]
    in_vain = dict.fromkeys(list(askable(chunks[0]))[:4], False)
    found = [facts_of(chunk, in_vain, ()) for chunk in chunks]
    whole = section(*found)
    share, in_parts = share_of(whole, tally(found), count), list[Choice]()
    for at in range(0, len(found), size):
        taken, share = share.of_part(found[at : at + size])
        in_parts += taken
    assert in_parts == chosen(whole, count)
    assert sum(len(one.facts) for one in in_parts) == min(count, 80)


def test_what_others_asked_in_vain_comes_after_what_nobody_asked_and_own_never_again() -> None:
    chunk = chunk_of(KESTREL)
    first, second, third, fourth = askable(chunk)
    own = [askable(chunk)[first].start]
    found = facts_of(chunk, {first: False, second: False, third: False}, own)
    texts = [
        [fact.text for one in chosen(section(found), count) for fact in one.facts] for count in (1, 2, 9)
    ]
    assert texts == [[fourth], [second, fourth], [second, third, fourth]]


def test_the_types_of_questions_about_a_chunk_go_on_from_round_to_round() -> None:
    chunk, types = chunk_of(LONG), ["fact", "reason", "definition"]
    options = GenerationOptions(question_types=types)
    asked, planned, found = dict[str, bool](), list[int](), list[str]()
    for number in range(6):
        (choice,) = chosen(section(facts_of(chunk, asked, planned)), 1)
        (batch,) = batches(chunk, options, chosen=choice.facts, before=choice.before)
        found.append(batch.type)
        (fact,) = batch.facts
        planned.append(fact.start)
        # Of some questions an answer is kept, which a later generation finds.
        asked[fact.text] = number % 2 == 0
    assert found[:3] == found[3:]
    assert sorted(found[:3]) == sorted(types)
    later = facts_of(chunk, dict.fromkeys(asked, True), ())
    (choice,) = chosen(section(later), 1)
    assert batches(chunk, options, chosen=choice.facts, before=choice.before)[0].type == found[0]


def test_the_coverage_of_a_section_is_the_sum_of_its_chunks() -> None:
    chunks = [
        ChunkCoverage(100, 4, 3, 2, 5, 4, 1, 3, {"fact": 3, "template": 1}),
        ChunkCoverage(50, 2),
        ChunkCoverage(70, 3, 1, 1, 3, 3, 0, 3, {"fact": 3}),
    ]
    one = coverage_of(Section("d", 2, "", [], chunks, None))
    assert (one.chunks, one.chars, one.sentences, one.facts, one.answered_facts) == (3, 220, 9, 4, 3)
    assert (one.questions, one.answered, one.rejected) == (8, 7, 1)
    assert (one.answered_by_type, one.forms_per_fact) == ({"fact": 6, "template": 1}, 2.0)
    assert (one.lacks(3), one.lacks(4), one.lacks(100)) == (False, True, True)
    assert coverage_of(Section("d", 2, "", [], chunks[1:2], None)).forms_per_fact == 0
    parts = [coverage_of(Section("d", 2, "", [], chunks[at:until], None)) for at, until in ((0, 1), (1, 3))]
    assert parts[0].with_part(parts[1]) == one


def test_a_round_says_in_plain_words_what_it_found() -> None:
    told = Round(2, 1, 120, 14, 30).told(3)
    assert told == "round 2 of 3: 14 of 120 sections lack answered facts; 30 facts are asked about"


def test_coverage_is_refused_beside_what_contradicts_it() -> None:
    covered = GenerationOptions(coverage=CoverageOptions(2))
    check_coverage(covered)
    others = {
        "pilot_chunks": 5,
        "templates_only": True,
        "new_chunks_only": True,
        "regeneration": RegenerationOptions(),
    }
    assert others.keys() == EXCLUDED_BY_COVERAGE.keys()
    for name, value in others.items():
        with pytest.raises(InvalidArgument) as raised:
            check_coverage(replace(covered, **{name: value}))  # type: ignore[arg-type]  # one of them
        assert (raised.value.reason, raised.value.field) == ("OPTIONS_CONFLICT", f"generation.options.{name}")
        check_coverage(replace(covered, coverage=None, **{name: value}))  # type: ignore[arg-type]  # as above


def test_what_the_documents_do_not_say_covers_nothing() -> None:
    wanted = GenerationOptions(coverage=CoverageOptions(1), question_types=["fact", "unanswerable"])
    with pytest.raises(InvalidArgument) as raised:
        check_coverage(wanted)
    assert (raised.value.reason, raised.value.field) == (
        "OPTIONS_CONFLICT",
        "generation.options.question_types",
    )
    check_coverage(replace(wanted, question_types=["fact"]))
