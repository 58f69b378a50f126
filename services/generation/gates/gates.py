"""Gates: what a question and an answer must pass to be kept. Each says why it rejects.

Those of this module look at a text beside its source, without a model; `gate_list.py` names all that
there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from services.generation.gates.gate_list import GATES
from services.generation.generations.kinds import Gates
from services.generation.phrases import leak, pointing, refusal
from services.generation.questions.facts import CJK, Fact
from services.generation.questions.questions import text_key
from services.generation.questions.quotes import one_line, overlap
from services.runtime.errors import InvalidArgument
from services.runtime.failures import Failure

WORD = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+|[^\W_\u3400-\u4dbf\u4e00-\u9fff]+")
"""Chinese is parted from what stands beside it without a space."""
NAME = re.compile(r"(?<=[\w,;:] )[A-Z][^\W\d_\u3400-\u4dbf\u4e00-\u9fff][^\W_\u3400-\u4dbf\u4e00-\u9fff]*")
"""A code such as KX1037 is one, whole."""
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
CJK_RUN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]+")
LATIN_WORD = re.compile(r"[A-Za-z]{2,}")
QUESTION_END = re.compile(r"[?？][\"')”’」』）]*$")

SHORTEST_QUESTION = 10
SHORTEST_QUESTION_CJK = 5
LONGEST_QUESTION = 500
FOREIGN_WORDS = 4
"""So many Latin words of its own make a Chinese answer one of another language; fewer are names and units."""
LONG_TEXT = 120
"""Words, of Chinese characters, from which on a text is long."""
KEPT_RUNS = 0.6
"""So many of the runs of four words of a long text are different at least."""

ALL_ON = Gates()


def repetitive(text: str) -> bool:
    """Whether a text of some length says the same again and again, as small models do.

    The longer a text, the more of its words come again; of a long one each part is looked at, and whether
    runs of four words come again.
    """
    found = list(text) if CJK.search(text) else WORD.findall(text)
    if len(found) <= LONG_TEXT:
        return len(found) > 24 and len(set(found)) * 2 < len(found)
    runs = list(zip(found, found[1:], found[2:], found[3:], strict=False))
    parts = (found[at : at + LONG_TEXT] for at in range(0, len(found) - LONG_TEXT + 1, LONG_TEXT))
    return len(set(runs)) < KEPT_RUNS * len(runs) or any(len(set(part)) * 2 < len(part) for part in parts)


@lru_cache(maxsize=1024)
def words(text: str) -> frozenset[str]:
    """Words and numbers of a text, in lower case; cached, since every question is held against its chunk."""
    return frozenset(word.casefold() for word in WORD.findall(text))


def names(text: str) -> set[str]:
    """Words that are written like names: a capital inside a sentence."""
    return {word.casefold() for word in NAME.findall(text)}


def rejected(reason: str, message: str) -> Failure:
    """A rejection, as it is stored."""
    return Failure("FAILED_PRECONDITION", reason, message)


def check_gates(gates: Gates) -> None:
    """Refuse gates that are not there, and limits that nothing can keep.

    Raises:
        InvalidArgument: so it is.
    """
    unknown = sorted(set(gates.off) - GATES.keys())
    if unknown:
        raise InvalidArgument(
            "GATE_UNKNOWN",
            f"there is no gate {unknown[0]}; there are {', '.join(GATES)}",
            "generation.options.gates.off",
            gate=unknown[0],
        )
    if gates.min_answer_chars > gates.max_answer_chars:
        raise InvalidArgument(
            "ANSWER_LIMITS",
            f"min_answer_chars ({gates.min_answer_chars}) is above max_answer_chars "
            f"({gates.max_answer_chars}); no answer could be kept",
            "generation.options.gates.min_answer_chars",
        )


def check_question(question: str, language: str, source: str, gates: Gates = ALL_ON) -> Failure | None:
    """Why a question is rejected; nothing when it passes.

    Args:
        question: what the model asked.
        language: language of the source: `en` or `zh`.
        source: the chunk.
        gates: which are on.
    """
    return first_on(question_faults(question, language, source), gates)


def check_answer(
    question: str,
    answer: str,
    quote: Fact | None,
    fact: Fact,
    source: str,
    gates: Gates = ALL_ON,
    language: str = "",
) -> Failure | None:
    """Why an answer is rejected; nothing when it passes.

    Args:
        question: what was asked.
        answer: what the model answered.
        quote: its quote as found in the chunk; nothing when it was not found.
        fact: the sentence that the question was written about.
        source: the chunk.
        gates: which are on, and how long an answer may be.
        language: in which it is to be, `en` or `zh`; empty for any.
    """
    placed = quote_faults(quote, fact)
    written = answer_faults(question, answer, source, gates, language)
    return first_on((one for faults in (placed, written) for one in faults), gates)


def first_on(faults: Iterator[Failure], gates: Gates) -> Failure | None:
    """The first fault whose gate is on; what comes after it is not looked for."""
    return next((fault for fault in faults if fault.reason not in gates.off), None)


def question_faults(question: str, language: str, source: str) -> Iterator[Failure]:
    """What is wrong with a question."""
    shortest = SHORTEST_QUESTION_CJK if language == "zh" else SHORTEST_QUESTION
    if not shortest <= len(question) <= LONGEST_QUESTION:
        yield rejected("QUESTION_LENGTH", f"the question has {len(question)} characters")
    if not QUESTION_END.search(question):
        yield rejected("NOT_A_QUESTION", "the question does not end with a question mark")
    if phrase := leak(question):
        yield rejected(
            "LEAK_PHRASE", f"the question speaks of a text that a reader will not have: {phrase!r}"
        )
    if is_foreign_question(question, language, source):
        yield rejected("LANGUAGE", f"the question is not in the language that is wanted ({language})")
    if phrase := pointing(question):
        yield rejected("NOT_SELF_CONTAINED", f"nothing in the question says what {phrase!r} means")
    foreign = sorted(names(question) - words(source))
    if foreign:
        yield rejected("NAME_NOT_IN_SOURCE", f"the chunk does not hold {foreign[0]!r}")


def quote_faults(quote: Fact | None, fact: Fact) -> Iterator[Failure]:
    """What is wrong with the quote of an answer."""
    if quote is None:
        yield rejected("QUOTE_NOT_FOUND", "the quote does not stand in the chunk")
    elif not overlap(quote, fact):
        yield rejected("QUOTE_OFF_FACT", "the quote is not the fact that the question was written about")


def answer_faults(question: str, answer: str, source: str, gates: Gates, language: str) -> Iterator[Failure]:
    """What is wrong with the words of an answer."""
    if not answer.strip():
        yield rejected("ANSWER_EMPTY", "the answer is empty")
    if not gates.min_answer_chars <= len(answer) <= gates.max_answer_chars:
        yield rejected(
            "ANSWER_LENGTH",
            f"the answer has {len(answer)} characters, {gates.min_answer_chars} to {gates.max_answer_chars} "
            "are wanted",
        )
    if repetitive(answer):
        yield rejected("REPETITIVE", "the answer repeats itself")
    if phrase := refusal(answer, source):
        yield rejected("REFUSAL", f"the model refused to answer: {phrase!r}")
    if phrase := leak(answer):
        yield rejected("LEAK_PHRASE", f"the answer speaks of a text that a reader will not have: {phrase!r}")
    if is_foreign_answer(answer, language, source):
        yield rejected("LANGUAGE", f"the answer is not in the language that is wanted ({language})")
    if says_nothing_new(question, answer):
        yield rejected("ANSWER_IN_QUESTION", "the answer says nothing that the question does not say")
    foreign = sorted(names(answer) - words(source) - words(question))
    if foreign:
        yield rejected("NAME_NOT_IN_SOURCE", f"the chunk does not hold {foreign[0]!r}")
    invented = sorted(set(NUMBER.findall(answer)) - set(NUMBER.findall(source)))
    if invented:
        yield rejected("NUMBER_NOT_IN_SOURCE", f"the chunk does not hold the number {invented[0]}")


def is_foreign_question(question: str, language: str, source: str) -> bool:
    """Whether a question is in another language than it should be; names of the source may be in any."""
    if language == "zh":
        return not CJK.search(question)
    return has_new_chinese(question, source)


def is_foreign_answer(answer: str, language: str, source: str) -> bool:
    """Whether an answer is in another language than it should be; names and units are in any."""
    if language == "en":
        return has_new_chinese(answer, source)
    if language != "zh" or one_line(answer).rstrip(".。") in one_line(source):
        return False
    own = [word for word in LATIN_WORD.findall(answer) if word.casefold() not in words(source)]
    latin = LATIN_WORD.findall(answer)
    return len(own if CJK.search(answer) else latin) >= FOREIGN_WORDS


def has_new_chinese(text: str, source: str) -> bool:
    """Whether a text holds Chinese that its source does not."""
    return any(run not in source for run in CJK_RUN.findall(text))


def says_nothing_new(question: str, answer: str) -> bool:
    """Whether an answer only repeats its question."""
    if CJK.search(answer):
        return bool(text_key(answer)) and text_key(answer) in text_key(question)
    return not words(answer) - words(question)
