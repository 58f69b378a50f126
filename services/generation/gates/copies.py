"""Copies: questions that ask what another question of the project asks, told by their words.

Two questions are near copies when their words (of Chinese, the pairs of neighbouring characters) are alike,
and neither says something where the other says something else: "How wide is the door?" is no copy of "How
high is the door?", nor a question about 2023 one of the same about 2024. So the content of one, the words
that name something, is that of the other, or lacks some of it.

Where near copies may be is told by marks, numbers that two questions share. Hashes of the content, and of it
without one or two words, find those of the same content and nearly all that name little more. Of the rest
MinHash (A. Broder, On the resemblance and containment of documents, 1997) in bands (J. Leskovec,
A. Rajaraman and J. Ullman, Mining of Massive Datasets, section 3.4) finds 98 of 100 that are alike by 0.8. It
comes second, since it finds as well the thousands of questions that differ in a number or a name only, and of
these a few are looked at.

Several forms of a question about one fact are wanted: these are copies only where they hardly differ. What
another generation asks about the same fact is that question again, as after a pilot or by another model, and
no copy either.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import blake2b
from itertools import combinations

import numpy as np
import numpy.typing as npt

from services.generation.generations.kinds import Gates
from services.generation.questions.facts import CJK
from services.generation.questions.questions import NewQuestion, text_key
from services.generation.questions.quotes import Quote, one_line
from services.runtime.failures import Failure

FORMS_SIMILARITY = 0.95
"""From which on two forms of a question about one fact are near copies, whatever holds for others."""
BANDS, ROWS = 10, 5
MOST_PAIRS = 16
"""Of content with more words no pairs are left out: they are many."""
OPEN = "open\x1f"
WORD_64, ODD_64 = 2**64 - 1, 0x9E3779B97F4A7C15

WORD = re.compile(r"[^\W_]+")
LATIN_OR_DIGITS = re.compile(r"[a-z0-9]+")
LIGHT_WORDS = """
a about according also an and any are at be been being by can could did do does exactly for from given
had has have i if in into is it its kind know may me might must name of on or out please say should so
specify state tell than that the their them there these they this those to up upon us use used using was
we were what which will with would you your
"""
LIGHT = frozenset(LIGHT_WORDS.split())
"""English words that ask or bind, and name nothing; "who", "when" and "how" say what is wanted."""
LIGHT_ZH = frozenset(
    "的了吗呢吧啊么是在有于和与及或被把将从到由对以之其这那该此请问您你我能否可什何哪几如间来说指出告诉"
)
"""Chinese characters of that kind."""

_dice = np.random.default_rng(20240613)
FACTORS: npt.NDArray[np.uint64] = _dice.integers(0, 2**63, BANDS * ROWS, dtype=np.uint64) * 2 + 1
OFFSETS: npt.NDArray[np.uint64] = _dice.integers(0, 2**63, BANDS * ROWS, dtype=np.uint64)


@dataclass(frozen=True)
class Marks:
    """Numbers, as Postgres takes them for `bigint`.

    Args:
        content: the same for questions of the same content in a project.
        own: what a question is found by: its wording, its content, and that without each word.
        wanted: by what it finds those of its wording and content, and of content with one word more, or with
            one or two less.
        bands: by what it finds those that are alike, and is found by them.
    """

    content: int
    own: Sequence[int]
    wanted: Sequence[int]
    bands: Sequence[int]


@dataclass(frozen=True)
class Wording:
    """A question, as far as copies are told by it.

    Args:
        fact_key: names the fact that it asks for, in whatever version of the document, or of one that has no
            answer its chunk; empty where it asks for none.
        replaces_id: what it is to take the place of, and may be alike; empty for most.
    """

    id: str
    generation_id: str
    text: str
    fact_key: str
    replaces_id: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it has no answer."""
        return self.fact_key.startswith(OPEN)

    @cached_property
    def key(self) -> str:
        """The wording without case, signs and spaces."""
        return text_key(self.text)

    @cached_property
    def shingles(self) -> frozenset[str]:
        """Its words; of Chinese, the pairs of neighbouring characters."""
        if not CJK.search(self.text):
            return frozenset(word.casefold() for word in WORD.findall(self.text))
        return frozenset(self.key[at : at + 2] for at in range(max(1, len(self.key) - 1)))

    @cached_property
    def content(self) -> frozenset[str]:
        """The words that name something; of Chinese, the characters."""
        if not CJK.search(self.text):
            return frozenset(map(singular, self.shingles - LIGHT))
        return frozenset({*CJK.findall(self.key), *LATIN_OR_DIGITS.findall(self.key)} - LIGHT_ZH)

    def marks(self, project_id: str) -> Marks:
        """By what its copies are found, and what it is found by."""
        return marks_of(project_id, self.text)


@lru_cache(maxsize=4096)
def marks_of(project_id: str, text: str) -> Marks:
    """The marks of a question; asked for as it is written, and again where it is stored with others."""
    one = Wording("", "", text, "")
    hashes = [hash64(word) for word in one.content]
    whole = sum(hashes)
    less = [whole - part for part in hashes]
    pairs = combinations(hashes, 2) if len(hashes) <= MOST_PAIRS else ()
    content = mixed(project_id, "content", whole)
    wording = mixed(project_id, "wording", hash_of(one.key.encode("utf-8", "surrogatepass")))
    rows = signature(one.shingles).reshape(BANDS, ROWS)
    bands = [mixed(project_id, str(number), hash_of(row.tobytes())) for number, row in enumerate(rows)]
    return Marks(
        content,
        own=[wording, content, *(mixed(project_id, "more", part) for part in less)],
        wanted=[
            wording,
            content,
            mixed(project_id, "more", whole),
            *(mixed(project_id, "content", part) for part in less),
            *(mixed(project_id, "content", whole - part - other) for part, other in pairs),
        ],
        bands=bands,
    )


def fact_key(fact: Quote | None, open_chunk: str | None = None) -> str:
    """What names a fact: its document and its words, which a new version may have elsewhere.

    Questions of a chunk that have no answer are named by it: they are the same again in another generation.
    """
    if open_chunk:
        return f"{OPEN}{open_chunk}"
    return f"{fact.document_id}\x1f{one_line(fact.text)}" if fact else ""


def wording_of(new: NewQuestion, generation_id: str) -> Wording:
    """The wording of a question that is to be stored."""
    open_chunk = new.chunk_ids[0] if new.type == "unanswerable" else None
    key = fact_key(new.fact, open_chunk)
    return Wording(new.id, generation_id, new.text, key, new.replaces_id or "")


def singular(word: str) -> str:
    """A word without the sign of the plural, roughly."""
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def similarity(one: Wording, other: Wording) -> float:
    """The Jaccard similarity of the words of two questions."""
    both = len(one.shingles & other.shingles)
    either = len(one.shingles) + len(other.shingles) - both
    return both / either if either else 1.0


def is_exchanged(one: Wording, other: Wording) -> bool:
    """Whether each of two questions names something that the other does not."""
    return bool(one.content - other.content) and bool(other.content - one.content)


def is_same_fact(one: Wording, other: Wording) -> bool:
    """Whether two questions ask for one fact."""
    return bool(one.fact_key) and one.fact_key == other.fact_key


def is_wanted(new: Wording, known: Wording) -> bool:
    """Whether a question may mean what another one does: as a form of it, or that of another generation."""
    return is_same_fact(new, known) and (new.generation_id != known.generation_id or not new.is_open)


def before(new: Wording, known: Sequence[Wording]) -> list[Wording]:
    """Those that were there before a question: of one that another generation has asked, before that.

    Else two that are alike, and both kept by a generation with looser gates, would reject each other in the
    next one. Of one that takes the place of another that is all but this one.
    """
    if new.replaces_id:
        return [one for one in known if one.id != new.replaces_id]
    again = [one.id for one in known if is_same_fact(new, one) and one.key == new.key]
    first = min(again, default="")
    return [one for one in known if not first or one.id < first or one.generation_id == new.generation_id]


def copy_reason(new: Wording, known: Wording, gates: Gates) -> str:
    """As what a question copies another one; empty where it does not, or the gate is off.

    One that takes the place of another has that one's siblings, of whatever generation.
    """
    same_fact = is_same_fact(new, known)
    if same_fact and new.generation_id != known.generation_id and not new.replaces_id:
        return ""
    if new.key == known.key:
        return "DUPLICATE_QUESTION" if "DUPLICATE_QUESTION" not in gates.off else ""
    least = gates.near_copy_similarity
    if same_fact and not new.is_open:
        least = max(least, FORMS_SIMILARITY)
    near = similarity(new, known) >= least and not is_exchanged(new, known)
    return "NEAR_COPY" if near and "NEAR_COPY" not in gates.off else ""


def first_copied(new: Wording, known: Iterable[Wording], gates: Gates) -> Failure | None:
    """The rejection of a question that copies one of others; the oldest, and equal wordings first."""
    found = [(reason, one) for one in before(new, list(known)) if (reason := copy_reason(new, one, gates))]
    if not found:
        return None
    reason, copied = min(found, key=lambda pair: (*pair[:1], pair[1].id))
    return copy_of(reason, copied.id)


def copy_of(reason: str, question_id: str) -> Failure:
    """The rejection of a question that copies another one."""
    how = {
        "DUPLICATE_QUESTION": "has the wording of",
        "NEAR_COPY": "has nearly the wording of",
        "MEANING_COPY": "means the same as",
    }[reason]
    message = f"the question {how} question {question_id}"
    return Failure("FAILED_PRECONDITION", reason, message, {"question_id": question_id})


def copies(
    new: Sequence[Wording], marks: Sequence[Marks], known: Mapping[str, Sequence[Wording]], gates: Gates
) -> dict[str, Failure]:
    """Which of some questions are rejected as copies, of those that are known or that stand before them.

    Args:
        new: the questions, in their order.
        marks: theirs.
        known: for the id of each those of the project that may be alike.
        gates: which are on.
    """
    kept: list[Wording] = []
    places: defaultdict[int, list[int]] = defaultdict(list)
    found = {}
    for one, own in zip(new, marks, strict=True):
        beside = {place for mark in (*own.wanted, *own.bands) for place in places.get(mark, ())}
        others = [kept[place] for place in sorted(beside)]
        rejection = first_copied(one, [*known.get(one.id, ()), *others], gates)
        if rejection:
            found[one.id] = rejection
            continue
        for mark in {*own.own, *own.bands}:
            places[mark].append(len(kept))
        kept.append(one)
    return found


def signature(shingles: frozenset[str]) -> npt.NDArray[np.uint64]:
    """The least of each of `BANDS * ROWS` hashes over all words, as bytes of one array."""
    hashes = np.array([hash64(word) for word in shingles] or [0], dtype=np.uint64)
    least: npt.NDArray[np.uint64] = (hashes[:, None] * FACTORS + OFFSETS).min(axis=0)
    return least


@lru_cache(maxsize=65536)
def hash64(word: str) -> int:
    """64 bits of the hash of a word."""
    return hash_of(word.encode("utf-8", "surrogatepass"))


def hash_of(data: bytes) -> int:
    """64 bits of the hash of some bytes."""
    return int.from_bytes(blake2b(data, digest_size=8).digest())


def mixed(project_id: str, kind: str, value: int) -> int:
    """A number that Postgres takes as `bigint`, of a hash or a sum of hashes, of a kind in a project."""
    found = ((value + hash64(f"{kind}:{project_id}")) * ODD_64) & WORD_64
    found ^= found >> 32
    return found - 2**64 if found >= 2**63 else found
