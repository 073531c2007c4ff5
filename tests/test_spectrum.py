"""Leading eigenpairs are those of a dense factorisation, each as often as it is there."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from representations import spectrum
from representations.errors import InputError
from representations.spectrum import leading_eigenpairs

N = 700  # more than are factorised densely


def walk(weights: sp.spmatrix) -> sp.csr_matrix:
    """Symmetric form of the random walk on a graph."""
    root = 1 / np.sqrt(np.asarray(weights.sum(axis=1)).ravel())
    return sp.csr_matrix(sp.diags(root) @ weights @ sp.diags(root))


def ring(n: int, reach: int = 1) -> sp.csr_matrix:
    """A cycle: every eigenvalue but the first twice."""
    steps = range(-reach, reach + 1)
    row = np.repeat(np.arange(n), len(steps))
    col = (row + np.tile(list(steps), n)) % n
    return sp.csr_matrix((np.ones(len(row)), (row, col)), shape=(n, n))


def cloud(n: int, seed: int) -> sp.csr_matrix:
    """A random graph in the plane."""
    x = np.random.default_rng(seed).normal(size=(n, 2))
    squared = ((x[:, None] - x[None]) ** 2).sum(-1)
    kernel = np.exp(-squared / 0.05)
    kernel[squared > 0.2] = 0
    return sp.csr_matrix(kernel)


def check(matrix: sp.csr_matrix, k: int, atol: float = 1e-7) -> None:
    values, vectors = leading_eigenpairs(matrix, k)
    expected = np.linalg.eigvalsh(matrix.toarray())[::-1][:k]
    np.testing.assert_allclose(values, expected, atol=atol)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(k), atol=max(atol, 1e-9))
    assert np.linalg.norm(matrix @ vectors - vectors * values, axis=0).max() <= max(atol, 1e-8)


@given(seed=st.integers(0, 1000), k=st.integers(1, 60))
@settings(max_examples=10, deadline=None)
def test_as_a_dense_factorisation(seed, k):
    check(walk(cloud(N, seed)), k)


@pytest.mark.parametrize("n", [spectrum.DENSE_UP_TO, spectrum.DENSE_UP_TO + 1])
def test_both_sides_of_the_bound_agree(n):
    check(walk(cloud(n, 0)), 20)


def test_both_vectors_of_a_double_eigenvalue_are_found():
    check(walk(ring(N, reach=20)), 31)


def test_as_many_islands_as_there_are():
    """An eigenvalue of 1 for each."""
    islands = sp.block_diag([ring(50, reach=5)] * 40, format="csr")
    values, vectors = leading_eigenpairs(walk(islands), 45)
    np.testing.assert_allclose(values[:40], 1, atol=1e-9)
    assert values[40] < 0.99
    inside = vectors[:, :40].reshape(40, 50, 40)
    assert np.abs(inside - inside.mean(axis=1, keepdims=True)).max() < 1e-6


def test_single_precision_keeps_its_word(monkeypatch):
    monkeypatch.setattr(spectrum, "DOUBLE_UP_TO", 1)
    check(walk(cloud(N, 1)), 30, atol=1e-4)


def test_negative_eigenvalues_do_not_come_back_large():
    """Without self-affinity a walk on two sides has -1, which a filter could blow up."""
    sides = sp.random_array((350, 350), density=0.05, rng=0, format="csr")
    both = sp.block_array([[None, sides], [sides.T, None]], format="csr") + 1e-3 * sp.eye_array(700)
    check(walk(sp.csr_matrix(both)), 20)


def test_the_same_seed_gives_the_same_bits():
    matrix = walk(cloud(N, 2))
    first, second = leading_eigenpairs(matrix, 20), leading_eigenpairs(matrix, 20)
    np.testing.assert_array_equal(first[1], second[1])
    other = leading_eigenpairs(matrix, 20, seed=1)
    np.testing.assert_allclose(other[0], first[0], atol=1e-9)


def test_what_does_not_converge_is_refused(monkeypatch):
    monkeypatch.setattr(spectrum, "PASSES", 1)
    monkeypatch.setattr(spectrum, "GROWTH", 2.0)
    with pytest.raises(InputError, match="lie too close together") as error:
        leading_eigenpairs(walk(ring(4000)), 20)
    assert "\n" not in str(error.value)
