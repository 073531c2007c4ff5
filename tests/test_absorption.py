"""Absorption of a walk: known answers, a dense oracle, and the kernel it walks on."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from representations import absorption as module
from representations.absorption import (
    TRANSIENT,
    absorption,
    entropy,
    forward,
    measured_kernel,
    transitions,
)
from representations.diffusion import diffusion_basis
from representations.errors import InputError
from representations.graph import fuzzy_graph
from representations.tips import shape


def path(n: int, ahead: float = 1.0) -> tuple[sp.csr_matrix, np.ndarray]:
    """A walk on a line that steps ahead ``ahead`` times as often as back; both ends terminal."""
    kernel = sp.diags([ahead, 1.0], [1, -1], shape=(n, n), format="csr")
    branch_c = np.full(n, TRANSIENT)
    branch_c[0], branch_c[-1] = 0, 1
    return kernel, branch_c


@pytest.mark.parametrize("dense_up_to", [0, 600], ids=["iterative", "dense"])
@pytest.mark.parametrize("ahead", [1.0, 1.5, 0.8])
def test_gamblers_ruin(monkeypatch, dense_up_to, ahead):
    monkeypatch.setattr(module, "DENSE_UP_TO", dense_up_to)
    n = 41
    kernel, branch_c = path(n, ahead)
    i = np.arange(n)
    wins = i / (n - 1) if ahead == 1 else (1 - ahead**-i) / (1 - ahead ** -(n - 1.0))
    np.testing.assert_allclose(absorption(kernel, branch_c)[:, 1], wins, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.booleans())
def test_same_as_a_dense_inverse(seed, n_branches, symmetric):
    """``(I - Q)^-1 R`` written out, for the iteration and for the factorisation."""
    rng = np.random.default_rng(seed)
    kernel = sp.random(60, 60, 0.1, random_state=rng).toarray() + 0.01
    kernel = kernel + kernel.T if symmetric else kernel
    branch_c = np.full(60, TRANSIENT)
    branch_c[rng.permutation(60)[: 3 * n_branches]] = np.repeat(np.arange(n_branches), 3)
    inner, ends = np.flatnonzero(branch_c < 0), np.flatnonzero(branch_c >= 0)
    p = kernel / kernel.sum(axis=1, keepdims=True)
    inverse = np.linalg.inv(np.eye(len(inner)) - p[np.ix_(inner, inner)])
    expected = inverse @ p[np.ix_(inner, ends)] @ np.eye(n_branches)[branch_c[ends]]
    for dense_up_to in (0, 600):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "DENSE_UP_TO", dense_up_to)
            p_cg = absorption(sp.csr_matrix(kernel), branch_c)
        np.testing.assert_allclose(p_cg[inner], expected, atol=1e-9)
        np.testing.assert_array_equal(p_cg[ends], np.eye(n_branches)[branch_c[ends]])
        np.testing.assert_allclose(p_cg.sum(axis=1), 1, rtol=0, atol=4e-16 * n_branches)


def test_the_start_of_the_iteration_does_not_matter(monkeypatch):
    monkeypatch.setattr(module, "DENSE_UP_TO", 0)
    kernel, branch_c = path(200, 1.02)
    cold = absorption(kernel, branch_c)
    warm = absorption(kernel, branch_c, start_cg=np.full((200, 2), 0.5))
    np.testing.assert_allclose(warm, cold, atol=1e-8)


def test_a_trap_is_left_in_the_end(monkeypatch):
    """A blind arm that the walk climbs out of once in a million steps: same as a dense inverse."""
    n = 900
    time_c = np.concatenate([np.linspace(0, 1, 600), np.linspace(0.5, 1, 300)])
    kernel = sp.lil_matrix(sp.diags([1.0, 1.0], [-1, 1], shape=(n, n)))
    kernel[599, 600] = kernel[600, 599] = 0
    kernel[300, 600] = kernel[600, 300] = 1
    branch_c = np.full(n, TRANSIENT)
    branch_c[0], branch_c[599] = 0, 1
    walk = forward(sp.csr_matrix(kernel), time_c, time_c, 28.0)
    monkeypatch.setattr(module, "DENSE_UP_TO", n)
    expected = absorption(walk, branch_c)
    monkeypatch.setattr(module, "DENSE_UP_TO", 0)
    np.testing.assert_allclose(absorption(walk, branch_c), expected, atol=1e-6)
    monkeypatch.setattr(module, "spilu", None)
    with pytest.raises(TypeError):  # the control: it takes more than a plain iteration
        absorption(walk, branch_c)


@pytest.mark.parametrize("dense_up_to", [0, 600])
def test_cells_that_reach_no_end_are_said(monkeypatch, dense_up_to):
    monkeypatch.setattr(module, "DENSE_UP_TO", dense_up_to)
    kernel, branch_c = path(10)
    apart = sp.block_diag([kernel, np.ones((3, 3))], format="csr")
    with pytest.raises(InputError, match="reach") as error:
        absorption(apart, np.concatenate([branch_c, [TRANSIENT] * 3]))
    assert "\n" not in str(error.value)


def test_steps_back_count_as_in_cellrank_at_nu_1():
    rng = np.random.default_rng(0)
    kernel, t = rng.uniform(size=(8, 8)), rng.uniform(size=8)
    biased = forward(sp.csr_matrix(kernel), t, t, 10.0).toarray()
    for i, j in np.ndindex(8, 8):
        dt = t[i] - t[j]
        expected = kernel[i, j] * (2.0 / (1.0 + np.exp(10.0 * dt)) if dt > 0 else 1.0)
        assert biased[i, j] == pytest.approx(expected)
    near = forward(sp.csr_matrix(kernel), t + 1e-9, t, 10.0).toarray()  # and no jump at 0
    np.testing.assert_allclose(near, biased, atol=1e-7)


def test_the_kernel_is_that_of_diffusion_maps():
    x_nd = np.random.default_rng(0).normal(size=(120, 4)).astype(np.float32)
    weights = fuzzy_graph(x_nd, k=10).weights_nn
    basis = diffusion_basis(weights, 3)
    kernel = measured_kernel(weights)
    np.testing.assert_allclose(kernel.sum(axis=1).A1, basis.degree_n, rtol=1e-6)
    walk = transitions(kernel)
    phi = shape(basis.values_c, basis.vectors_nc, basis.degree_n)
    np.testing.assert_allclose(walk @ phi, phi * basis.values_c, atol=1e-6)


def test_a_weight_of_two_is_two_cells():
    weights = np.exp(-np.random.default_rng(0).uniform(0, 3, (6, 6)))
    weights = weights + weights.T
    doubled = weights[np.ix_([0, 0, 1, 2, 3, 4, 5], [0, 0, 1, 2, 3, 4, 5])]
    mass = np.array([2.0, 1, 1, 1, 1, 1])
    one = transitions(measured_kernel(sp.csr_matrix(weights), mass)).toarray()
    two = transitions(measured_kernel(sp.csr_matrix(doubled))).toarray()
    np.testing.assert_allclose(one[1:, 1:], two[2:, 2:])
    np.testing.assert_allclose(one[1:, 0], two[2:, :2].sum(axis=1))


def test_entropy_of_known_rows():
    rows = np.array([[1, 0, 0, 0], [0.25] * 4, [0.5, 0.5, 0, 0]])
    np.testing.assert_allclose(entropy(rows), [0, 1, 0.5])
    np.testing.assert_array_equal(entropy(np.ones((3, 1))), 0)
