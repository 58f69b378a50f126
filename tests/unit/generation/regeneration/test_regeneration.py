from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from services.generation.gates.copies import Wording, copy_reason, first_copied
from services.generation.generations.generations import (
    GenerationOptions,
    GenerationView,
    first_item,
    stored_options,
)
from services.generation.generations.kinds import Gates, PassageOptions, RegenerationOptions
from services.generation.prompts.built_in import BUILTIN, LANGUAGES, builtin_text, builtin_version
from services.generation.prompts.prompt_templates import parsed
from services.generation.questions.filling import quote_of
from services.generation.questions.questions import Question
from services.generation.questions.quotes import Quote
from services.generation.questions.subjects import Subject
from services.generation.regeneration.regeneration import (
    FIELD,
    Original,
    QuestionPlace,
    check_originals,
    check_regeneration,
    fact_in,
    facts_in,
    grouped,
    nearest_fact,
    placed_facts,
    replaced_by,
)
from services.generation.sources.chunk_reader import SourceChunk
from services.generation.writers.regeneration import regenerated
from services.runtime.errors import SishuError
from services.runtime.failures import Failure
from tests.support.prompts import render

QUESTION, CANDIDATE, PROJECT = "q1", "c1", "p1"
TEXT = "The ash of Penwick is 20 years old. The birch beside it is 30 years old.\n\nThe ash of Penwick is 20 years old."
CHUNK = SourceChunk("c", PROJECT, "d", 1, TEXT, 100, 0, TEXT)
ORIGINAL = Original(QUESTION, PROJECT, "question", True, None, True, "answered")
INSTRUCTED = tuple(
    name for name, one in BUILTIN.items() if any(v.name == "instruction" for v in one.variables)
)


def options(**own: Any) -> GenerationOptions:
    """Options that write a question anew."""
    regeneration = RegenerationOptions(**{"question_ids": [QUESTION], **own.pop("anew", {})})
    return GenerationOptions(**{"regeneration": regeneration, **own})


def refused(work: Any) -> tuple[str, str, str]:
    with pytest.raises(SishuError) as caught:
        work()
    assert caught.value.message
    return caught.value.code, caught.value.reason, caught.value.field


@pytest.mark.parametrize(
    ("wanted", "reason", "field"),
    [
        (options(anew={"question_ids": []}), "REGENERATION_EMPTY", f"{FIELD}.question_ids"),
        (options(anew={"candidate_ids": [CANDIDATE]}), "OPTION_OF_OTHER_KIND", f"{FIELD}.candidate_ids"),
        (options(kind="passages"), "OPTION_OF_OTHER_KIND", f"{FIELD}.question_ids"),
        (options(kind="passages", anew={"question_ids": []}), "REGENERATION_EMPTY", f"{FIELD}.candidate_ids"),
        (
            options(kind="passages", anew={"question_ids": [], "answers_only": True}),
            "OPTION_OF_OTHER_KIND",
            f"{FIELD}.answers_only",
        ),
        (options(kind="tags"), "OPTION_OF_OTHER_KIND", FIELD),
        (options(kind="distillation"), "OPTION_OF_OTHER_KIND", FIELD),
        (options(pilot_chunks=5), "OPTION_OF_OTHER_KIND", "generation.options.pilot_chunks"),
        (options(chars_per_fact=100), "OPTION_OF_OTHER_KIND", "generation.options.chars_per_fact"),
        (options(forms_per_fact=3), "OPTION_OF_OTHER_KIND", "generation.options.forms_per_fact"),
        (options(facts_per_call=1), "OPTION_OF_OTHER_KIND", "generation.options.facts_per_call"),
        (options(document_ids=["d"]), "OPTION_OF_OTHER_KIND", "generation.options.document_ids"),
        (options(passages=PassageOptions()), "OPTION_OF_OTHER_KIND", "generation.options.passages"),
    ],
)
def test_what_a_regeneration_cannot_be_is_refused_at_its_field(
    wanted: GenerationOptions, reason: str, field: str
) -> None:
    assert refused(lambda: check_regeneration(wanted)) == ("INVALID_ARGUMENT", reason, field)


def test_a_regeneration_with_empty_lists_as_they_come_from_the_contract_is_taken() -> None:
    check_regeneration(options(document_ids=[], question_types=[], question_template_ids=[]))
    check_regeneration(GenerationOptions(kind="tags"))


@pytest.mark.parametrize(
    ("found", "anew", "code", "reason"),
    [
        (None, {}, "NOT_FOUND", "QUESTION_NOT_FOUND"),
        (replace(ORIGINAL, project_id="p2"), {}, "INVALID_ARGUMENT", "ORIGINAL_OF_OTHER_PROJECT"),
        (replace(ORIGINAL, kind="passage"), {}, "INVALID_ARGUMENT", "ORIGINAL_OF_OTHER_KIND"),
        (replace(ORIGINAL, has_fact=False), {}, "INVALID_ARGUMENT", "ORIGINAL_WITHOUT_FACT"),
        (
            replace(ORIGINAL, rejection=replaced_by("q2"), successor_id="q2"),
            {},
            "FAILED_PRECONDITION",
            "ORIGINAL_REPLACED",
        ),
        (replace(ORIGINAL, successor_id="q2"), {}, "FAILED_PRECONDITION", "ORIGINAL_REPLACED"),
        (replace(ORIGINAL, state="open", job_id="j"), {}, "FAILED_PRECONDITION", "ORIGINAL_IN_WORK"),
        (replace(ORIGINAL, state="judging", job_id="j"), {}, "FAILED_PRECONDITION", "ORIGINAL_IN_WORK"),
        (
            replace(ORIGINAL, rejection=Failure("", "LEAK_PHRASE", ""), has_answer=False),
            {"answers_only": True},
            "FAILED_PRECONDITION",
            "QUESTION_REJECTED",
        ),
    ],
)
def test_an_original_that_cannot_be_written_anew_is_refused(
    found: Original | None, anew: dict[str, Any], code: str, reason: str
) -> None:
    there = {QUESTION: found} if found else {}
    wanted = options(anew=anew)
    assert refused(lambda: check_originals(wanted, PROJECT, there)) == (code, reason, f"{FIELD}.question_ids")


def test_a_rejected_original_can_be_written_anew_and_a_rejected_answer_alone() -> None:
    bad = replace(ORIGINAL, rejection=Failure("", "QUOTE_NOT_FOUND", ""))
    check_originals(options(), PROJECT, {QUESTION: replace(bad, has_answer=False)})
    check_originals(options(anew={"answers_only": True}), PROJECT, {QUESTION: bad})


def test_what_has_ended_can_be_written_anew_while_its_job_goes_on_and_what_a_job_left_open_after_it() -> None:
    for state, job_id in (("answered", "j"), ("rejected", "j"), ("open", None), ("judging", None)):
        check_originals(options(), PROJECT, {QUESTION: replace(ORIGINAL, state=state, job_id=job_id)})


@pytest.mark.parametrize(
    ("count", "others", "told"),
    [
        (1, None, "there is no question q0"),
        (3, "2", "there is no question q0 (so it is with 2 more: q2, q4)"),
        (5, "4", "there is no question q0 (so it is with 4 more: q2, q4, q6 …)"),
    ],
)
def test_a_refusal_says_of_which_and_of_how_many_it_tells(count: int, others: str | None, told: str) -> None:
    ids = [f"q{number}" for number in range(2 * count)]
    # Those between are there, and cannot be for another reason.
    there = {one: replace(ORIGINAL, id=one, has_fact=False) for one in ids[1::2]}
    with pytest.raises(SishuError) as caught:
        check_originals(options(anew={"question_ids": ids}), PROJECT, there)
    assert caught.value.message == told
    assert (caught.value.reason, caught.value.metadata.get("others")) == ("QUESTION_NOT_FOUND", others)
    assert caught.value.metadata["question_id"] == "q0"


def test_forms_about_one_fact_are_written_in_one_call_and_the_same_form_twice_in_two() -> None:
    quote = Quote("a", "c", "d", 1, 0, 1)
    first = QuestionPlace("q1", "c", quote, (), 0, "fact", None)
    places = [
        first,
        replace(first, id="q2", form=1),
        replace(first, id="q3"),
        replace(first, id="q4", genre_audience_id="g"),
        replace(first, id="q5", fact=replace(quote, end=2)),
        replace(first, id="q6", type="reason"),
        replace(first, id="q7", type="multi_hop", linked_facts=(quote,)),
        replace(first, id="q8", type="unanswerable", fact=None),
        replace(first, id="q9", type="unanswerable", fact=None, form=1),
    ]
    ids = ["q1", "gone", *(place.id for place in places[1:])]
    alone = [[f"q{number}"] for number in range(3, 10)]
    assert grouped(ids, places) == [["q1", "q2"], ["gone"], *alone]


def test_what_a_question_without_an_answer_is_near_to_is_told_by_its_words() -> None:
    first, birch, _ = placed_facts(CHUNK)
    assert nearest_fact(CHUNK, "Who planted the birch beside the house?") == birch
    assert nearest_fact(CHUNK, "Who?") == first
    assert nearest_fact(replace(CHUNK, text="", source=""), "Who?") is None


def test_a_fact_is_found_at_its_place_also_where_the_chunk_says_it_twice_or_has_moved() -> None:
    first, birch, second = placed_facts(CHUNK)
    for fact in (first, birch, second):
        assert fact_in(CHUNK, quote_of(CHUNK, fact)) == fact
    moved = replace(CHUNK, char_start=700, document_version=2)
    assert fact_in(moved, quote_of(CHUNK, birch)) == birch
    assert fact_in(moved, quote_of(CHUNK, second)) == first
    assert fact_in(CHUNK, replace(quote_of(CHUNK, birch), text="Else.")) is None


def test_facts_of_a_candidate_are_found_by_their_ids_else_by_its_quotes() -> None:
    first, birch, second = placed_facts(CHUNK)
    quotes = [quote_of(CHUNK, fact) for fact in (birch, first)]
    ids = [quote.place_id for quote in quotes]
    assert facts_in(CHUNK, ids, []) == [birch, first]
    assert facts_in(CHUNK, [quote_of(CHUNK, second).place_id], quotes) == [second]
    moved = replace(CHUNK, char_start=700)
    assert facts_in(moved, ids, quotes) == [birch, first]
    assert facts_in(moved, ids, []) == []


def test_each_original_gets_the_text_of_its_form_and_one_whose_text_never_came_none() -> None:
    fact = placed_facts(CHUNK)[0]
    made = Question("", "", "", [], [], "", None, 0, "answered", None, None, None, None)  # type: ignore[arg-type]
    originals = [replace(made, id="a", form=2), replace(made, id="b", form=0, genre_audience_id="g")]
    texts = ["How old is the ash of Penwick?", "What age has the ash of Penwick?"]
    new = regenerated(originals, texts, Subject("fact", CHUNK, fact), "en", options())
    assert [(one.text, one.form, one.replaces_id, one.genre_audience_id) for one in new] == [
        (texts[0], 0, "b", "g")
    ]
    assert new[0].fact == quote_of(CHUNK, fact)


def test_a_question_may_be_like_the_one_it_replaces_and_not_like_that_ones_siblings() -> None:
    old = Wording("a", "g1", "How heavy is the mill?", "f")
    sibling = Wording("b", "g1", "What does the mill weigh?", "f")
    new = Wording("n", "g2", old.text, "f", replaces_id="a")
    assert first_copied(new, [old, sibling], Gates()) is None
    same = replace(new, text=sibling.text)
    found = first_copied(same, [old, sibling], Gates())
    assert found
    assert (found.reason, found.metadata["question_id"]) == ("DUPLICATE_QUESTION", "b")
    assert copy_reason(replace(same, replaces_id=""), sibling, Gates()) == ""


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", INSTRUCTED)
def test_an_instruction_is_filled_in_once_and_without_one_a_prompt_is_the_same_to_the_letter(
    name: str, language: str
) -> None:
    builtin = BUILTIN[name]
    values = {one.name: one.samples[1] for one in builtin.variables} | {"instruction": ""}
    text = builtin_text(builtin_version(name, language)) or ""
    bare, mark, _ = text.partition("{% if instruction %}")
    assert mark
    before = parsed(bare, builtin.variables).fill(values)
    assert render(name, language, **values).texts == before
    nasty = "{{ passage }} {% raw %} $$ $&\n=====\nno"
    texts = render(name, language, **{**values, "instruction": nasty}).texts
    assert texts[:-1] == before[:-1]
    assert texts[-1].startswith(before[-1])
    assert texts[-1].endswith(nasty)


def test_options_of_a_regeneration_are_stored_and_pass_kept_answers_over() -> None:
    made = stored_options({"regeneration": {"question_ids": ["a"], "instruction": " Shorter. "}})
    assert (made.passes_over_kept, made.instruction, first_item(made)) == (
        True,
        "Shorter.",
        "plan_regeneration",
    )
    usual = GenerationOptions(kind="passages")
    assert (usual.passes_over_kept, usual.instruction, first_item(usual)) == (False, "", "plan_candidates")
    assert GenerationOptions(no_cache=True).passes_over_kept


def test_a_generation_that_names_many_is_large_in_an_answer() -> None:
    one = options(anew={"question_ids": ["x" * 36] * 1000, "instruction": "水"})
    view = GenerationView(generation=type("G", (), {"options": one})(), job=None, stats=None)  # type: ignore[arg-type]
    assert view.size_bytes == 36_003
