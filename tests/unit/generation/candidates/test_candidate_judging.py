from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from services.generation.calls.output import OutputInvalid
from services.generation.candidates.candidate_judging import POINTS, judging_of
from services.generation.candidates.candidates import (
    Candidate,
    Content,
    Conversation,
    ExamItem,
    Message,
    Passage,
    PreferencePair,
)
from services.generation.gates.judging import Judging, Verdict, judgement_of
from services.generation.generations.generations import GenerationOptions
from services.generation.generations.kinds import Gates, Judge
from services.generation.prompts.built_in import LANGUAGES
from services.generation.questions.filling import quote_of
from services.generation.questions.questions import CallRecord
from services.generation.regeneration.regeneration import FACT_GONE, Gone, candidate_payload, placed_facts
from services.generation.sources.chunk_reader import SourceChunk
from tests.support.prompts import render

TEXT = "So it was. The ash of Penwick is 20 years old {{x}}. The birch beside it is 30 years old.\nThe oak of Penwick is dead."
CHUNK = SourceChunk("c", "p", "d", 1, TEXT, 0, 11, TEXT)
ASH, BIRCH, OAK = placed_facts(CHUNK)[-3:]
CALL = CallRecord("i", "judge@1", "p", "m", {}, 1, 1, 1, 1.0)
GOOD = {
    "reason": " Right. ",
    "answerable": True,
    "faithful": True,
    "self_contained": True,
    "worse": True,
    "score": 4,
}
CONTENTS: dict[str, Content] = {
    "conversation": Conversation(
        [
            Message("system", "A walk."),
            Message("user", "How old is {{x}}?"),
            Message("assistant", "20 years."),
        ]
    ),
    "passage": Passage("lesson", "An ash of 20 years."),
    "exam_item": ExamItem(
        "multiple_choice", "Which are trees?", ["a cat", "an ash", "a birch", "a dog"], [1, 2]
    ),
    "preference_pair": PreferencePair("How old is the ash?", "20 years.", "30 years.", "wrong"),
}


def candidate(content: Content, *facts: Any) -> Candidate:
    quotes = [quote_of(CHUNK, fact) for fact in facts]
    ids = [quote.place_id for quote in quotes]
    return Candidate(
        "i", "p", "g", content, ["c"], ["d"], ids, None, quotes, "judging", None, "", CALL, datetime.now(UTC)
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", CONTENTS)
def test_a_judge_sees_the_source_and_all_of_a_candidate(kind: str, language: str) -> None:
    one = candidate(CONTENTS[kind], BIRCH)
    wanted = judging_of(one, [CHUNK], language, GenerationOptions(context_chars=1))
    shown = render(wanted.prompt, language, **wanted.values).texts[-1]
    seen = CHUNK.text[11:] if kind == "passage" else BIRCH.text
    said = {
        "conversation": ["A walk.", "How old is {{x}}?", "20 years."],
        "passage": ["An ash of 20 years."],
        "exam_item": ["Which are trees?", "a cat", "a dog", "an ash; a birch"],
        "preference_pair": ["How old is the ash?", "20 years.", "30 years."],
    }[kind]
    for text in (seen, *said):
        assert text in shown
    assert (ASH.text in shown) == (kind == "passage")
    assert list(wanted.schema["properties"]) == ["reason", *POINTS[kind], "score"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_of_a_claim_the_key_is_said_in_words_and_of_a_question_its_answer(language: str) -> None:
    options = GenerationOptions()
    for is_true in (True, False):
        claim = candidate(ExamItem("true_false", "Ashes are old.", is_true=is_true), ASH)
        key = judging_of(claim, [CHUNK], language, options).values["key"]
        assert key == {"en": ("false", "true"), "zh": ("错误", "正确")}[language][is_true]
    short = candidate(ExamItem("short_answer", "How old?", answer="20 years"), ASH)
    assert judging_of(short, [CHUNK], language, options).values["key"] == "20 years"


@pytest.mark.parametrize("kind", CONTENTS)
def test_a_verdict_is_read_whole_or_asked_for_again(kind: str) -> None:
    parse = judging_of(candidate(CONTENTS[kind], ASH), [CHUNK], "en", GenerationOptions()).parse
    asked = {"reason": " Right. ", "score": 4, **dict.fromkeys(POINTS[kind], True)}
    verdict = parse(asked)
    assert (verdict.reason, verdict.score) == ("Right.", 4)
    assert all(getattr(verdict, point) for point in ("answerable", "faithful", "self_contained", "worse"))
    for point in POINTS[kind]:
        assert getattr(parse({**asked, point: False}), point) is False
        with pytest.raises(OutputInvalid, match=point):
            parse({name: value for name, value in asked.items() if name != point})
    wrongs: list[Any] = [
        [],
        None,
        {**asked, "score": 6},
        {**asked, "score": 1.2},
        {**asked, "faithful": "yes"},
    ]
    for wrong in wrongs:
        with pytest.raises(OutputInvalid):
            parse(wrong)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"answerable": False}, "NOT_ANSWERABLE"),
        ({"faithful": False}, "UNFAITHFUL"),
        ({"self_contained": False}, "NOT_SELF_CONTAINED"),
        ({"worse": False}, "NOT_BAD"),
        ({"score": 2.5}, "SCORE_LOW"),
    ],
)
def test_what_a_judge_finds_wrong_rejects_unless_that_gate_is_off(
    change: dict[str, Any], reason: str | None
) -> None:
    verdict, judge = Verdict(**{**GOOD, **change}), Judge(min_score=3)
    found = Judging("", {}, (), Gates(judge=judge)).check(verdict)
    assert (found and found.reason) == reason
    assert not found or " Right. " in found.message
    assert Judging("", {}, (), Gates(off=[reason or "NONE"], judge=judge)).check(verdict) is None
    assert judgement_of(verdict, CALL).faithful == verdict.faithful


def test_a_candidate_is_written_anew_about_what_it_was_about() -> None:
    talk = candidate(CONTENTS["conversation"], OAK, ASH)
    assert candidate_payload(talk, CHUNK) == {"facts": [[OAK.start, OAK.end], [ASH.start, ASH.end]]}
    assert candidate_payload(candidate(CONTENTS["passage"], ASH), CHUNK) == {"form": "lesson"}
    item = candidate(ExamItem("true_false", "Ashes are old.", is_true=True), BIRCH)
    wanted = {"fact": [BIRCH.start, BIRCH.end], "type": "true_false", "is_true": True}
    assert candidate_payload(item, CHUNK) == wanted
    with pytest.raises(Gone) as caught:
        candidate_payload(candidate(item.content), CHUNK)
    assert caught.value.failure == FACT_GONE
