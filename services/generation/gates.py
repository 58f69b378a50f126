"""Gates: what a question and an answer must pass to be kept. Each says why it rejects."""

from __future__ import annotations

import re
from functools import lru_cache

from services.generation.facts import CJK, Fact
from services.generation.quotes import overlap
from services.runtime.jobs import Failure

LEAK = re.compile(
    r"\b(?:(?:this|the|above|given|following) "
    r"(?:passage|text|sentence|fact|paragraph|excerpt|document|context)"
    r"|according to the (?:passage|text|document|fact)|based on the (?:passage|text|document))\b"
    r"|(?:根据|依据|按照)?(?:上述|以上|本|该|文中|给定|下列)"
    r"(?:文本|文章|段落|原文|材料|内容|资料|句子|片段)|文中提到|文中所述",
    re.IGNORECASE,
)
REFUSAL = re.compile(
    r"\b(?:i (?:cannot|can't|am unable|do not know|don't know)|as an ai"
    r"|not (?:mentioned|specified|provided|stated))\b"
    r"|(?:无法回答|没有提到|未提及|未提供|不知道|作为(?:一个)?(?:ai|人工智能))",
    re.IGNORECASE,
)
WORD = re.compile(r"[^\W_]+")
NAME = re.compile(r"(?<=[\w,;:] )[A-Z][^\W\d_]+")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
QUESTION_END = re.compile(r"[?？][\"')”’」』）]*$")

SHORTEST_QUESTION = 10
SHORTEST_QUESTION_CJK = 5
LONGEST_QUESTION = 500


def repetitive(text: str) -> bool:
    """Whether a text of some length says the same again and again, as small models do."""
    found = list(text) if CJK.search(text) else WORD.findall(text)
    return len(found) > 24 and len(set(found)) * 2 < len(found)


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


def check_question(question: str, language: str, source: str) -> Failure | None:
    """Why a question is rejected; nothing when it passes.

    Args:
        question: what the model asked.
        language: language of the source: `en` or `zh`.
        source: the chunk.
    """
    shortest = SHORTEST_QUESTION_CJK if language == "zh" else SHORTEST_QUESTION
    if not shortest <= len(question) <= LONGEST_QUESTION:
        return rejected("QUESTION_LENGTH", f"the question has {len(question)} characters")
    if not QUESTION_END.search(question):
        return rejected("NOT_A_QUESTION", "the question does not end with a question mark")
    if LEAK.search(question):
        return rejected("LEAK_PHRASE", "the question speaks of the text that a reader will not have")
    if (language == "zh") != bool(CJK.search(question)):
        return rejected("LANGUAGE", f"the question is not in the language of its source ({language})")
    foreign = sorted(names(question) - words(source))
    if foreign:
        return rejected("NAME_NOT_IN_SOURCE", f"the chunk does not hold {foreign[0]!r}")
    return None


def check_answer(question: str, answer: str, quote: Fact | None, fact: Fact, source: str) -> Failure | None:
    """Why an answer is rejected; nothing when it passes.

    Args:
        question: what was asked.
        answer: what the model answered.
        quote: its quote as found in the chunk; nothing when it was not found.
        fact: the sentence that the question was written about.
        source: the chunk.
    """
    if quote is None:
        return rejected("QUOTE_NOT_FOUND", "the quote does not stand in the chunk")
    if not answer.strip():
        return rejected("ANSWER_EMPTY", "the answer is empty")
    if repetitive(answer):
        return rejected("REPETITIVE", "the answer repeats itself")
    if REFUSAL.search(answer):
        return rejected("REFUSAL", "the model refused to answer")
    if LEAK.search(answer):
        return rejected("LEAK_PHRASE", "the answer speaks of the text that a reader will not have")
    if not overlap(quote, fact):
        return rejected("QUOTE_OFF_FACT", "the quote is not the fact that the question was written about")
    if not words(answer) - words(question) and not CJK.search(answer):
        return rejected("ANSWER_IN_QUESTION", "the answer says nothing that the question does not say")
    foreign = sorted(names(answer) - words(source) - words(question))
    if foreign:
        return rejected("NAME_NOT_IN_SOURCE", f"the chunk does not hold {foreign[0]!r}")
    invented = sorted(set(NUMBER.findall(answer)) - set(NUMBER.findall(source)))
    if invented:
        return rejected("NUMBER_NOT_IN_SOURCE", f"the chunk does not hold the number {invented[0]}")
    return None
