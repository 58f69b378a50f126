"""Phrases that tell on questions and answers: they speak of a source, refuse, or point at what is not said.

The lists are broad where a phrase can mean nothing else, and narrow where it can: "the document" is a leak in
"the document says", not in "How is the document archived?".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
NEVER = r"(?!)"

NAMING = re.compile(r"(?<=[\w,;:’'] )[A-Z][^\W\d_]+|\b\w*\d\w*\b|\b[A-Z]{2,}\b|[\"“‘「『]")
"""What can be meant by a pronoun: a name inside a sentence, a number, a code, something quoted."""
CLAUSE = re.compile(
    r"[,;—]|\b(?:if|after|before|because|since|once|although|unless|until|while|whose|and"
    r"|when(?! (?:do|does|did|is|are|was|were|will|can|has|had)\b))\b",
    re.IGNORECASE,
)
"""Where something may have been said that a pronoun after it means."""
AUXILIARY = r"(?:do|does|did|is|are|was|were|has|have|had|can|could|will|would|should|must|may|might)"
EXPLETIVE = (
    r"(?:not |usually |normally |also |ever )?(?:tak|cost|mean|possib|impossib|necessar|unnecessar|important|"
    r"essential|vital|crucial|advisab|recommend|requir|safe|unsafe|true|better|best|good|bad|eas|hard|difficult|"
    r"likely|unlikely|common|legal|illegal|allowed|permit|forbid|mandatory|worth|helpful|useful|dangerous|usual|"
    r"normal|wise|enough|time|clear|known|that|said|believed|estimated|expected|make sense|matter|rain|snow|"
    r"acceptab|appropriat|critical|beneficial|prohibited|called)"
)
"""After "is it" or "does it": who reads on learns what is meant."""
PRONOUN = re.compile(
    rf"\b{AUXILIARY} (?:it|they|he|she)\b(?! {EXPLETIVE})"
    r"|\b(?:its|their|his|her)\b"
    r"|\b(?:this|these|those) [a-z]+\b"
    rf"|\b{AUXILIARY} (?:this|that|these|those)\b"
    r"|\b(?:about|of|for|with|from|by|to|in|on) (?:it|them|him)\b",
    re.IGNORECASE,
)


@cache
def phrases(name: str, *, plain: bool = False) -> re.Pattern[str]:
    """A list of expressions as one.

    Args:
        name: of the list.
        plain: only of those that are ASCII. Those with Chinese signs find nothing in a text without, and a
            search for them takes as long as one for the others.
    """
    named: dict[str, str] = {}
    found = []
    for line in (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        whole = re.sub(r"<([A-Z]+)>", lambda mark: named[mark[1]], line)
        key, given, value = whole.partition(" := ")
        if given:
            named[key] = value
        elif whole.isascii() or not plain:
            found.append(whole)
    return re.compile("|".join(found) or NEVER, re.IGNORECASE)


def in_text(name: str, text: str) -> Iterator[str]:
    """The phrases of a list that stand in a text."""
    return (found.group().strip() for found in phrases(name, plain=text.isascii()).finditer(text))


def first(text: str, *names: str) -> str:
    """The first phrase of the first of some lists that has one in a text; empty for none."""
    return next((phrase for name in names for phrase in in_text(name, text)), "")


def leak(text: str) -> str:
    """The phrase by which a text speaks of a source that its reader will not have; empty for none."""
    return first(text, "leak.en", "leak.zh")


def refusal(answer: str, source: str) -> str:
    """The phrase by which an answer refuses; empty for none, and for one that stands in the source."""
    return next(
        (phrase for phrase in in_text("refusal", answer) if phrase.casefold() not in source.casefold()), ""
    )


def admission(answer: str) -> str:
    """The phrase by which an answer admits that something is not known; empty for none."""
    return first(answer, "refusal", "admission")


def guess(answer: str, source: str) -> str:
    """The phrase by which an answer guesses; empty for none, and for one that stands in the source."""
    return next(
        (phrase for phrase in in_text("guess", answer) if phrase.casefold() not in source.casefold()), ""
    )


def pointing(question: str) -> str:
    """What a question points at without saying what it is, as far as that is sure; empty for nothing.

    A pronoun is sure to point at nothing where no name, number or code stands in the question and no clause
    before it. Of the rest a judge tells.
    """
    found = phrases("pointing", plain=question.isascii()).search(question)
    if found is None and not NAMING.search(question):
        found = PRONOUN.search(question)
        if found and any(clause.start() < found.start() for clause in CLAUSE.finditer(question)):
            found = None
    return found.group().strip() if found else ""
