from __future__ import annotations

import random

import numpy as np
import pytest

from services.dataset.copies.grouping import group_near_copies, leaks
from services.dataset.copies.sketches import sketch
from tests.unit.dataset.copies.planted import planted

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
TEMPLATE = "According to the text what is the value that belongs to the item "


@pytest.mark.parametrize("language", ["en", "zh"])
def test_planted_copies_are_caught_and_hardly_anything_else(language: str) -> None:
    kept, others, copies = planted(language, 10_000, 1_000)
    found = set(leaks(kept, others, 0.7).tolist())
    caught = found & set(copies)
    assert len(caught) >= 0.99 * len(copies)
    assert len(found - caught) <= 0.01 * (len(others) - len(copies))
    groups = group_near_copies([*kept, *others], 0.7)
    with_kept = set(groups[: len(kept)].tolist())
    grouped = {at for at, group in enumerate(groups[len(kept) :].tolist()) if group in with_kept}
    assert len(grouped & set(copies)) >= 0.99 * len(copies)
    assert len(grouped - set(copies)) <= 0.01 * (len(others) - len(copies))


def test_copies_among_texts_of_one_template_are_caught_in_bounded_time() -> None:
    draw = random.Random(3)  # noqa: S311  # no secret
    texts = [TEMPLATE + "".join(draw.choices(LETTERS, k=17)) for _ in range(10_000)]
    copies = [
        draw.choice(["Please: " + text, text[:-3], text.replace("value", "price")]) for text in texts[:500]
    ]
    groups = group_near_copies(sketch([*texts, *copies]), 0.7)
    assert np.count_nonzero(groups[:500] == groups[10_000:]) >= 495
    assert len(set(groups.tolist())) >= 9_900
    found = leaks(copies, texts, 0.7).tolist()
    assert len(set(found) & set(range(500))) >= 495
    assert len(found) <= 600
