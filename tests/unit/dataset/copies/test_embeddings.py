from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.dataset.copies import embeddings
from services.dataset.copies.embeddings import near_by_embedding

Vectors = npt.NDArray[np.float32]


def drawn(count: int, dimensions: int, seed: int = 1) -> Vectors:
    return np.random.Generator(np.random.PCG64(seed)).standard_normal((count, dimensions), dtype=np.float32)


def near(vectors: Vectors, cosine: float, seed: int) -> Vectors:
    """Vectors with a given cosine to others."""
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    other = drawn(len(vectors), vectors.shape[1], seed)
    other -= (other * units).sum(axis=1, keepdims=True) * units
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    found: Vectors = 3 * (cosine * units + np.sqrt(1 - cosine**2) * other)
    return found


def by_comparing_all(vectors: Vectors, threshold: float) -> list[int]:
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    groups = list(range(len(vectors)))
    for left, right in np.argwhere(units @ units.T >= threshold).tolist():
        low, high = sorted((groups[left], groups[right]))
        groups = [low if group == high else group for group in groups]
    return groups


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 40), st.integers(1, 5), st.integers(0, 100), st.sampled_from([0.5, 0.8, 0.95]))
def test_groups_are_those_that_comparing_all_pairs_finds(
    count: int, dimensions: int, seed: int, threshold: float
) -> None:
    vectors = drawn(count, dimensions, seed)
    assert near_by_embedding(vectors, threshold).tolist() == by_comparing_all(vectors, threshold)


def test_groups_are_found_across_blocks_whatever_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "BLOCK", 64)
    vectors = drawn(400, 32)
    both = np.concatenate([vectors, near(vectors[:100], 0.93, 2), near(vectors[100:200], 0.87, 3)])
    groups = near_by_embedding(both, 0.9)
    assert groups.tolist() == [*range(400), *range(100), *range(500, 600)]
    order = np.random.Generator(np.random.PCG64(5)).permutation(600)
    again = order[near_by_embedding(both[order], 0.9)]
    assert len(set(zip(groups[order].tolist(), again.tolist(), strict=True))) == len(set(groups.tolist()))


@pytest.mark.parametrize("centre", [0.0, 2.0])
def test_of_many_vectors_nearly_all_copies_are_found(monkeypatch: pytest.MonkeyPatch, centre: float) -> None:
    monkeypatch.setattr(embeddings, "EXACT", 1000)
    monkeypatch.setattr(embeddings, "LEAF", 128)
    # Vectors of a model have much in common.
    vectors = drawn(8000, 64) + np.float32(centre) * drawn(1, 64, 9)
    both = np.concatenate([vectors, near(vectors[:1000], 0.95, 2)])
    groups = near_by_embedding(both, 0.949)
    assert np.mean(groups[8000:] == np.arange(1000)) >= 0.99
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    alone = [at for at in range(2000, 2100) if np.sort(units[at] @ units.T)[-2] < 0.94]
    assert [int(groups[at]) for at in alone] == alone


def test_equal_vectors_are_one_group_in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "EXACT", 1000)
    vectors = np.repeat(drawn(3, 16), 100_000, axis=0)
    assert set(near_by_embedding(vectors, 1.0).tolist()) == {0, 100_000, 200_000}
    assert near_by_embedding(vectors[:0], 0.9).tolist() == []


def test_vectors_that_are_all_alike_but_not_equal_are_one_group() -> None:
    vectors = drawn(1, 32) + np.float32(0.01) * drawn(9000, 32, 2)
    assert not near_by_embedding(vectors, 0.9).any()


@pytest.mark.parametrize("wrong", [0.0, np.nan, np.inf])
def test_a_vector_that_has_no_direction_is_named(wrong: float) -> None:
    vectors = drawn(5, 3)
    vectors[3] = wrong
    with pytest.raises(ValueError, match="vector 3 is 0 or not finite"):
        near_by_embedding(vectors, 0.9)
