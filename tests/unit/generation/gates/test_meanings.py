from __future__ import annotations

import numpy as np
import pytest

from services.generation.gates.copies import Wording
from services.generation.gates.meanings import Known, meanings_of, most_different, same_meaning, signs
from services.generation.generations.kinds import Gates

DIMENSIONS = 512
DICE = np.random.default_rng(5)


def turned(vector: np.ndarray, cosine: float) -> np.ndarray:
    """A vector of length 1 of this cosine similarity to another one."""
    across = DICE.standard_normal(len(vector))
    across -= (across @ vector) * vector
    across /= np.linalg.norm(across)
    return np.asarray(cosine * vector + np.sqrt(1 - cosine**2) * across, dtype=np.float32)


def unit() -> np.ndarray:
    found = DICE.standard_normal(DIMENSIONS)
    return np.asarray(found / np.linalg.norm(found), dtype=np.float32)


@pytest.mark.parametrize(("cosine", "most_far"), [(0.8, 30), (0.9, 3), (0.95, 0), (0.99, 0)])
def test_what_is_near_is_found_by_its_signs_and_what_is_far_is_not(cosine: float, most_far: int) -> None:
    near = far = 0
    for _ in range(300):
        one = unit()
        for other, most in (
            (turned(one, cosine), most_different(cosine)),
            (turned(one, 0.5), most_different(cosine)),
        ):
            differ = sum(left != right for left, right in zip(signs(one), signs(other), strict=True))
            near += other is not one and differ <= most and one @ other > 0.7
            far += differ <= most and one @ other < 0.7
    assert near >= 297
    assert far <= most_far


def test_a_copy_by_meaning_names_what_it_copies_but_forms_and_other_numbers_are_kept() -> None:
    texts = {
        "a": ("How many people work at Beichen?", "fact 1"),
        "b": ("What is the head count of Beichen?", "fact 2"),
        "c": ("How many are employed by Beichen?", "fact 1"),
        "d": ("How many people worked at Beichen in 2015?", "fact 3"),
    }
    one = unit()
    vectors = np.stack([turned(one, 0.995) * 7 for _ in texts])
    meanings = meanings_of("m", {name: name.encode() for name in texts}, vectors)
    assert meanings.space == f"m:{DIMENSIONS}"
    new = [Wording(name, "g", *said) for name, said in texts.items()]
    found = same_meaning(new, meanings, {}, Gates())
    assert {name: failure.metadata["question_id"] for name, failure in found.items()} == {"b": "a"}
    assert found["b"].reason == "MEANING_COPY"
    known = {
        "d": [
            Known(Wording("z", "g", "How many did Beichen employ in 2015?", "fact 9"), meanings.vectors["d"])
        ]
    }
    assert same_meaning(new, meanings, known, Gates())["d"].message.endswith("question z")
    assert same_meaning(new, meanings, known, Gates(meaning_similarity=1.0)).keys() == {"d"}
