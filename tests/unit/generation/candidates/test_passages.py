from __future__ import annotations

from dataclasses import replace

import pytest

from services.generation.calls.output import OutputInvalid
from services.generation.candidates.candidates import NewCandidate, Passage
from services.generation.candidates.passages import assignment, plans
from services.generation.generations.generations import GenerationOptions
from services.generation.generations.kinds import PASSAGE_FORMS, Gates, PassageOptions
from tests.support.chunks import HONGSUN, KESTREL, chunk_of

OPTIONS = GenerationOptions()
OTHER_WORDS = (
    "On a single battery the Kestrel 400 keeps going for 9 hours. A charge takes 2 hours, and at 4.5 kg the "
    "battery is heavy. Production at Marlow Systems began in 2015. If dust gets into the fan, overheating follows."
)
IN_CHINESE = (
    "总部位于上海的北辰公司，创办于2015年。四千克半是红隼所用电池的重量，一次充电够它在空中停留九小时。"
)


def made(
    text: str, form: str = "paraphrase", source: str = KESTREL, options: GenerationOptions = OPTIONS
) -> NewCandidate:
    work = assignment(chunk_of(source), {"form": form}, options)
    return work.made(work.parse({"text": text}))


@pytest.mark.parametrize(
    ("text", "form", "source", "reason"),
    [
        (OTHER_WORDS, "paraphrase", KESTREL, ""),
        (IN_CHINESE, "paraphrase", HONGSUN, ""),
        ("甲：红隼能飞多久？\n乙：九个小时。\n甲：电池重吗？\n乙：有四千克半。", "discussion", HONGSUN, ""),
        ("A: Tom, how long does it run?\nB: For 9 hours, said Anna.", "discussion", KESTREL, ""),
        ("It runs for 9 hours.", "paraphrase", KESTREL, "PASSAGE_LENGTH"),
        ("On one battery it keeps going for 9 hours.", "outline", KESTREL, ""),
        ("", "outline", KESTREL, "PASSAGE_LENGTH"),
        (OTHER_WORDS * 20, "paraphrase", KESTREL, "PASSAGE_LENGTH"),
        ("I cannot help with this. " + OTHER_WORDS, "paraphrase", KESTREL, "REFUSAL"),
        ("As the text says: " + OTHER_WORDS, "lesson", KESTREL, "LEAK_PHRASE"),
        (IN_CHINESE, "paraphrase", KESTREL, "LANGUAGE"),
        ("The Kestrel flies far. " * 20, "lesson", KESTREL, "REPETITIVE"),
        (OTHER_WORDS.replace("9", "19"), "paraphrase", KESTREL, "NUMBER_NOT_IN_SOURCE"),
        (OTHER_WORDS.replace("at Marlow Systems", "at Siemens"), "lesson", KESTREL, "NAME_NOT_IN_SOURCE"),
        (KESTREL, "paraphrase", KESTREL, "COPY_OF_SOURCE"),
        (KESTREL[:120], "lesson", KESTREL, "COPY_OF_SOURCE"),
    ],
)
def test_a_passage_is_kept_or_says_why_not(text: str, form: str, source: str, reason: str) -> None:
    failure = made(text, form, source).rejection
    assert (failure.reason if failure else "") == reason


def test_each_form_is_wanted_once_of_each_chunk_that_says_something() -> None:
    assert [one["form"] for one in plans(chunk_of(KESTREL), OPTIONS, 0)] == list(PASSAGE_FORMS)
    two = replace(OPTIONS, passages=PassageOptions(["outline", "case"]))
    assert [one["form"] for one in plans(chunk_of(KESTREL), two, 7)] == ["outline", "case"]
    assert plans(chunk_of("# Contents"), two, 0) == []


def test_a_passage_stands_for_its_chunk_without_what_the_chunk_before_says() -> None:
    overlap = len("The Kestrel 400 runs for 9 hours on one battery. ")
    chunk = chunk_of(KESTREL, overlap)
    work = assignment(chunk, {"form": "paraphrase"}, OPTIONS)
    assert work.values == {"source": KESTREL[overlap:], "form": "paraphrase"}
    candidate = work.made(OTHER_WORDS)
    assert [(quote.text, quote.start) for quote in candidate.quotes] == [(KESTREL[overlap:], overlap)]
    assert candidate.content == Passage("paraphrase", OTHER_WORDS)
    assert candidate.fact_ids


def test_in_another_language_names_are_written_otherwise() -> None:
    english = replace(OPTIONS, language="en")
    text = "Polaris, whose head office is in Shanghai, dates from 2015."
    assert made(text, "paraphrase", HONGSUN, english).rejection is None


def test_a_gate_that_is_off_keeps_the_passage() -> None:
    off = replace(OPTIONS, gates=Gates(off=["COPY_OF_SOURCE"]))
    assert made(KESTREL, options=off).rejection is None


def test_what_is_no_text_is_asked_for_again() -> None:
    work = assignment(chunk_of(KESTREL), {"form": "case"}, OPTIONS)
    with pytest.raises(OutputInvalid, match="text"):
        work.parse({"text": 5})
