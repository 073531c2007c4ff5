"""Leading eigenpairs of a large sparse symmetric matrix whose spectrum lies in ``[-1, 1]``.

Chebyshev-filtered subspace iteration (Zhou, Saad et al. 2006, doi:10.1016/j.jcp.2006.03.017). A
block finds every vector of an eigenvalue that has several, where Lanczos with one start vector may
stop at the first, and it multiplies the matrix with many columns at once, which is what costs.

Shapes: ``n`` rows, ``k`` wanted pairs, ``b`` columns of the block.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from scipy.linalg import eigh
from scipy.sparse.csgraph import reverse_cuthill_mckee
from scipy.sparse.linalg import eigsh

from representations.errors import InputError
from representations.threads import one_blas_thread

if TYPE_CHECKING:
    import torch

DENSE_UP_TO = 300  # rows: a dense factorisation is quicker
DOUBLE_UP_TO = 20_000  # rows: polished in double precision where that costs little
GROWTH = 1e5  # of eigenvalue 1 by the filter: rounding of the leading vectors drowns no other
DEGREE = 40  # of the filter, at most
PASSES = 40
DEPENDENT = 1e-6  # smallest eigenvalue of the inner products of unit columns, else they want a QR
ROWS = 8192  # at once, where many are summed
PIECE = 6_500_000  # numbers multiplied at once: they stay in the processor's cache
LINE = 16  # columns of a row that start where a cache line does
SLACK = 0.01  # below the lowest eigenvalue found, which is one from above

STAGES = (("float32", 1e-4), ("float64", 1e-8))  # precision, largest residual

Product = Callable[["torch.Tensor"], "torch.Tensor"]


def leading_eigenpairs(
    matrix_nn: sp.csr_matrix, k: int, *, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` largest eigenvalues, descending, and their unit vectors, float64.

    Each has ``|A v - lambda v|`` of at most 1e-4. Up to ``DOUBLE_UP_TO`` rows it is brought to 1e-8
    where ``PASSES`` suffice for that.

    Parameters
    ----------
    matrix_nn
        Symmetric, with all eigenvalues in ``[-1, 1]``.

    Raises
    ------
    InputError
        When the eigenvalues lie too close to tell apart.
    """
    n = matrix_nn.shape[0]
    if n <= DENSE_UP_TO:
        values, vectors = np.linalg.eigh(matrix_nn.toarray())
        return values[::-1][:k], vectors[:, ::-1][:, :k]
    with one_blas_thread():
        return _iterated(matrix_nn, k, seed)


def _iterated(matrix_nn: sp.csr_matrix, k: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    n = matrix_nn.shape[0]
    # Neighbours side by side: what a row gathers is then mostly in the cache already.
    order_n = reverse_cuthill_mckee(matrix_nn, symmetric_mode=True)
    matrix_nn = matrix_nn[order_n][:, order_n]
    low, width = _lowest(matrix_nn, seed) - SLACK, min(n, LINE * -(-(k + max(16, k // 2)) // LINE))
    import torch  # takes its time

    block_nb = torch.from_numpy(np.random.default_rng(seed).standard_normal((n, width)))
    cut = (1 + low) / 2
    for precision, tolerance in STAGES[: 2 if n <= DOUBLE_UP_TO else 1]:
        dtype = getattr(torch, precision)
        product, block_nb = _product(matrix_nn, dtype), block_nb.to(dtype)
        for _ in range(PASSES):
            block_nb = _filtered(product, block_nb, low, cut)
            values_b, block_nb, residual_b = _rayleigh_ritz(product, block_nb)
            cut, worst = float(values_b[-1]), float(residual_b[:k].max())
            if worst <= tolerance:
                break
        if worst > STAGES[0][1]:
            raise InputError(
                f"the {k} leading eigenvalues of {n} cells lie too close together: a vector is "
                f"off by {worst:.1g} after {PASSES} passes; give fewer components"
            )
    return values_b[:k], block_nb[torch.from_numpy(np.argsort(order_n)), :k].double().numpy()


def _product(matrix_nn: sp.csr_matrix, dtype: torch.dtype) -> Product:
    """Sparse times dense; torch's weighted bag of rows is the quickest of its kind on a CPU."""
    import torch

    indices, offsets, data = (
        torch.from_numpy(part) for part in (matrix_nn.indices, matrix_nn.indptr, matrix_nn.data)
    )
    weights = data.to(dtype)

    def product(block_nb: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.embedding_bag(
            indices, block_nb, offsets, mode="sum", per_sample_weights=weights,
            include_last_offset=True,
        )  # fmt: skip

    return product


def _lowest(matrix_nn: sp.csr_matrix, seed: int) -> float:
    """The lowest eigenvalue, roughly."""
    rng = np.random.default_rng(seed)
    start_n = rng.standard_normal(matrix_nn.shape[0])
    options = {"tol": 1e-2, "v0": start_n, "return_eigenvectors": False, "rng": rng}
    return float(eigsh(matrix_nn, k=1, which="SA", **options)[0])


def _filtered(product: Product, block_nb: torch.Tensor, low: float, cut: float) -> torch.Tensor:
    """A Chebyshev polynomial of the matrix: at most 1 in ``[low, cut]``, growing fast above.

    Scaled to 1 at eigenvalue 1, so that nothing overflows. Some columns after others: they do not
    meet.
    """
    import torch

    columns = LINE * max(PIECE // (LINE * len(block_nb)), 1)
    pieces = block_nb.split(columns, dim=1)
    return torch.cat([_filter(product, piece.contiguous(), low, cut) for piece in pieces], dim=1)


def _filter(product: Product, block_nb: torch.Tensor, low: float, cut: float) -> torch.Tensor:
    half, centre = (cut - low) / 2, (cut + low) / 2
    first = scale = half / (1 - centre)
    degree = int(np.clip(np.arccosh(GROWTH) / np.arccosh(1 / first), 2, DEGREE))
    before_nb = block_nb
    now_nb = product(block_nb).sub_(block_nb, alpha=centre).mul_(first / half)
    for _ in range(degree - 1):
        after = 1 / (2 / first - scale)
        step_nb = product(now_nb).sub_(now_nb, alpha=centre).mul_(2 * after / half)
        before_nb, now_nb = now_nb, step_nb.sub_(before_nb, alpha=scale * after)
        scale = after
    return now_nb


def _rayleigh_ritz(
    product: Product, block_nb: torch.Tensor
) -> tuple[np.ndarray, torch.Tensor, np.ndarray]:
    """Ritz values descending, their vectors, and the norms of their residuals."""
    import torch

    block_nb /= block_nb.norm(dim=0)
    inner_bb = _gram(block_nb, block_nb)
    if np.linalg.eigvalsh(inner_bb)[0] < DEPENDENT:
        block_nb = torch.linalg.qr(block_nb)[0]
        inner_bb = _gram(block_nb, block_nb)
    image_nb = product(block_nb)
    outer_bb = _gram(block_nb, image_nb)
    values, mix_bb = eigh((outer_bb + outer_bb.T) / 2, inner_bb)
    values_b = values[::-1].copy()
    mix = torch.from_numpy(mix_bb[:, ::-1].copy()).to(block_nb.dtype)
    ritz_b, squares_b = torch.from_numpy(values_b).to(block_nb.dtype), torch.zeros(len(values_b))
    for vectors_rb, image_rb in zip(block_nb.split(ROWS), image_nb.split(ROWS), strict=True):
        vectors_rb.copy_(vectors_rb @ mix)
        squares_b = squares_b + (image_rb @ mix).sub_(vectors_rb * ritz_b).square_().sum(dim=0)
    return values_b, block_nb, squares_b.sqrt().numpy()


def _gram(a_nb: torch.Tensor, b_nb: torch.Tensor) -> np.ndarray:
    """``a^T b``, the parts summed in double precision."""
    import torch

    parts = zip(a_nb.split(ROWS), b_nb.split(ROWS), strict=True)
    total_bb = torch.zeros(a_nb.shape[1], b_nb.shape[1], dtype=torch.float64)
    for a, b in parts:
        total_bb += a.T @ b
    return total_bb.numpy()
