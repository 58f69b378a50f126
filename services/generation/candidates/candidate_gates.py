"""Gates of candidates: each yields why it rejects, in the order in which it is to be told."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

from services.generation.gates.gates import NUMBER, rejected, words
from services.generation.generations.kinds import Gates
from services.generation.phrases import leak, refusal
from services.generation.questions.facts import CJK, language_of
from services.generation.questions.questions import text_key
from services.runtime.failures import Failure

TOKEN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]|[^\W_\u3400-\u4dbf\u4e00-\u9fff]+")
PROSE_NAME = re.compile(
    r"(?<=[a-z,] )[A-Z][^\W\d_\u3400-\u4dbf\u4e00-\u9fff][^\W_\u3400-\u4dbf\u4e00-\u9fff]*"
)
"""A capital inside a sentence; not after a colon, where a line of a list or a speech may begin."""
LIST_NUMBER = re.compile(r"^\s*\(?\d{1,3}[.):、）]\s*", re.MULTILINE)
THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
FUNCTION_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be been by can could did do does for from had has have he her his how i if in "
        "into is it its of on or our she so such than that the their them then there these they this those "
        "to was we were what when where which who whose why will with would you your",
    )
)
"""Words that say nothing of themselves; two texts that differ in them alone say the same."""

SHINGLE = 4
COPIED_SHARE = 0.8
"""So much of a text stands word for word in its source, or more, and it is a copy."""
DISTINCT_SHARE = 0.6
"""Of what stands in a text, in pieces of a few words, so much is said once at least."""
FEWEST_SHINGLES = 20
LONGEST_NAME = 20
"""A Chinese text that is shorter may be a name or a number, which is in no language."""
BEGINNING = 120
"""Characters at the start of a long text where a refusal stands, if it is one."""


def tokens(text: str) -> list[str]:
    """The words of a text in lower case; of Chinese, the characters."""
    return [match.casefold() for match in TOKEN.findall(text)]


def shingles(text: str, size: int = SHINGLE) -> list[tuple[str, ...]]:
    """All runs of so many words that stand in a text."""
    found = tokens(text)
    return [tuple(found[at : at + size]) for at in range(len(found) - size + 1)]


def repeats(text: str) -> bool:
    """Whether a text of any length says the same again and again."""
    found = shingles(text)
    return len(found) >= FEWEST_SHINGLES and len(set(found)) < DISTINCT_SHARE * len(found)


def is_copy(text: str, source: str) -> bool:
    """Whether nearly all of a text stands in its source word for word."""
    found = set(shingles(text))
    if not found:
        return text_key(text) in text_key(source)
    return len(found & set(shingles(source))) >= COPIED_SHARE * len(found)


@lru_cache(maxsize=1024)
def content_words(text: str) -> frozenset[str]:
    """What a text speaks of: words that say something; of Chinese, pairs of characters."""
    found = tokens(text)
    pairs = {left + right for left, right in pairwise(found) if CJK.match(left) and CJK.match(right)}
    return frozenset(pairs | {one for one in found if not CJK.match(one)} - FUNCTION_WORDS)


def numbers(text: str) -> set[str]:
    """The numbers of a text, without those that count its lines."""
    return set(NUMBER.findall(THOUSANDS.sub("", LIST_NUMBER.sub("", text))))


def check_text(text: str, language: str, what: str) -> Iterator[Failure]:
    """Why a text is rejected that a reader gets without its source.

    Args:
        text: what the model wrote.
        language: that which is wanted: `en` or `zh`.
        what: what the text is, in words.
    """
    if phrase := leak(text):
        yield rejected("LEAK_PHRASE", f"the {what} speaks of a text that a reader will not have: {phrase!r}")
    if language_of(text) != language and (language == "en" or len(text) >= LONGEST_NAME):
        yield rejected("LANGUAGE", f"the {what} is not in the language that is wanted ({language})")
    if repeats(text):
        yield rejected("REPETITIVE", f"the {what} repeats itself")


def check_refusal(text: str, source: str, what: str) -> Iterator[Failure]:
    """Why a text is rejected in which the model says that it does not write one."""
    if phrase := refusal(text[:BEGINNING], source):
        yield rejected("REFUSAL", f"the model refused to write the {what}: {phrase!r}")


def check_numbers(text: str, source: str, what: str) -> Iterator[Failure]:
    """Why a text is rejected that has numbers of its own."""
    invented = sorted(numbers(text) - numbers(source) - set(NUMBER.findall(source)))
    if invented:
        yield rejected("NUMBER_NOT_IN_SOURCE", f"the {what} has the number {invented[0]}, the chunk has not")


def check_names(text: str, source: str, what: str) -> Iterator[Failure]:
    """Why a text is rejected that has names of its own."""
    foreign = sorted({name.casefold() for name in PROSE_NAME.findall(text)} - words(source))
    if foreign and language_of(source) == "en":
        yield rejected("NAME_NOT_IN_SOURCE", f"the {what} has the name {foreign[0]!r}, the chunk has not")


def check_length(text: str, gates: Gates, what: str) -> Iterator[Failure]:
    """Why an answer is rejected for its length."""
    if not text.strip():
        yield rejected("ANSWER_EMPTY", f"the {what} is empty")
    elif not gates.min_answer_chars <= len(text) <= gates.max_answer_chars:
        yield rejected(
            "ANSWER_LENGTH",
            f"the {what} has {len(text)} characters, of {gates.min_answer_chars} to {gates.max_answer_chars}",
        )


def check_distinct(texts: Sequence[str], what: str) -> Iterator[Failure]:
    """Why several texts are rejected of which two say the same."""
    keys = [text_key(one) or one.strip() for one in texts]
    doubles = [text for place, text in enumerate(texts) if keys[place] in keys[:place]]
    if doubles:
        yield rejected("REPEATED", f"the {what} {doubles[0]!r} stands there twice")
