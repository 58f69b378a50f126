"""What questions mean, as embeddings: copies that say the same in other words.

Which known questions may be near a new one is told by 256 signs of random projections (M. Charikar,
Similarity estimation techniques from rounding algorithms, 2002): they differ in as large a share as their
angle is of half a turn. Postgres counts that over all questions of a project; the few that are near are then
compared exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from services.generation.calls.embeddings import Vectors
from services.generation.gates.copies import Wording, before, copy_of, is_wanted
from services.generation.generations.kinds import Gates
from services.runtime.failures import Failure
from services.runtime.names import named

SIGNS = 256
DEVIATIONS = 3.3
"""Of the binomial distribution above what is expected: 1 of 2,000 that are near is missed."""


@dataclass(frozen=True)
class Meanings:
    """Embeddings of some questions.

    Args:
        space: names the model and its dimensions; others cannot be compared.
        keys: by what the embedding of the same text is found again, by the id of the question.
        vectors: of length 1, by the id of the question.
    """

    space: str
    keys: Mapping[str, bytes]
    vectors: Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Known:
    """A question of the project with its embedding."""

    wording: Wording
    vector: npt.NDArray[np.float32]


def meanings_of(model: str, keys: Mapping[str, bytes], vectors: Vectors) -> Meanings:
    """The embeddings of questions, made as long as each other."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return Meanings(f"{model}:{vectors.shape[1]}", keys, dict(zip(keys, units, strict=True)))


def joined(some: Iterable[Meanings]) -> Meanings | None:
    """Embeddings of one space as one; nothing of none."""
    every = list(some)
    if not every:
        return None
    keys = {question_id: key for one in every for question_id, key in one.keys.items()}
    vectors = {question_id: vector for one in every for question_id, vector in one.vectors.items()}
    return Meanings(every[0].space, keys, vectors)


def signs(vector: npt.NDArray[np.float32]) -> str:
    """On which side of random planes a vector lies, as Postgres writes bits."""
    return "".join("1" if one > 0 else "0" for one in planes(len(vector)) @ vector)


@lru_cache(maxsize=4)
def planes(dimensions: int) -> npt.NDArray[np.float32]:
    """Random planes, always the same of so many dimensions."""
    dice = np.random.default_rng(20240613)
    return dice.standard_normal((SIGNS, dimensions), dtype=np.float32)


def most_different(similarity: float) -> int:
    """In how many signs two vectors of a cosine similarity differ at most, but for very few."""
    share = math.acos(max(-1.0, min(1.0, similarity))) / math.pi
    return math.ceil(SIGNS * share + DEVIATIONS * math.sqrt(SIGNS * share * (1 - share)))


def same_meaning(
    new: Sequence[Wording], meanings: Meanings, known: Mapping[str, Sequence[Known]], gates: Gates
) -> dict[str, Failure]:
    """Which of some questions mean what another one does that is known or stands before them.

    Forms of a question about one fact are to mean the same, and are no copies; nor are questions that differ
    in a number or a name, which embeddings hardly tell apart.
    """
    kept: list[Known] = []
    found = {}
    for one in new:
        vector = meanings.vectors[one.id]
        copied = nearest(one, vector, [*known.get(one.id, ()), *kept], gates.meaning_similarity)
        if copied:
            found[one.id] = copy_of("MEANING_COPY", copied)
        else:
            kept.append(Known(one, vector))
    return found


def nearest(new: Wording, vector: npt.NDArray[np.float32], known: Iterable[Known], least: float) -> str:
    """The id of the question that is nearest to another one, and near enough; empty for none."""
    by_id = {one.wording.id: one for one in known}
    earlier = before(new, [one.wording for one in by_id.values()])
    others = [by_id[one.id] for one in earlier if may_be_copy(new, one)]
    if not others:
        return ""
    cosines = np.stack([one.vector for one in others]) @ vector
    best = int(cosines.argmax())
    return others[best].wording.id if cosines[best] >= least - 1e-3 else ""


def may_be_copy(new: Wording, known: Wording) -> bool:
    """Whether a question is not wanted if it means another one, and both name the same numbers and names."""
    return not is_wanted(new, known) and named(new.text) == named(known.text)
