"""One diffusion map two ways, ours and scanpy's: how to call them, how well they agree.

Shapes: ``n`` cells, ``d`` dimensions, ``k`` neighbours, ``c`` components.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import scanpy as sc
import torch
from anndata import AnnData
from scipy.linalg import subspace_angles
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from benchmarks import stats
from representations.diffusion import DiffusionBasis, diffusion_basis
from representations.graph import FuzzyGraph, fuzzy_graph

K = 15
WARM_CELLS = 500
N_REPLICATES = 200
X_PCA, X_DIFFMAP = "X_pca", "X_diffmap"


def ours(x_nd: np.ndarray, *, n_components: int, seed: int) -> tuple[FuzzyGraph, DiffusionBasis]:
    """Graph and basis of :mod:`representations`."""
    graph = fuzzy_graph(x_nd, k=K)
    return graph, diffusion_basis(graph.weights_nn, n_components, seed=seed)


def with_scanpy(x_nd: np.ndarray, *, n_components: int, seed: int) -> AnnData:
    """``sc.pp.neighbors`` and ``sc.tl.diffmap``; its first component is the steady state."""
    obs = pd.DataFrame(index=np.arange(len(x_nd)).astype(str))
    adata = AnnData(obs=obs, obsm={X_PCA: x_nd})
    sc.pp.neighbors(adata, n_neighbors=K, use_rep=X_PCA, random_state=seed)
    sc.tl.diffmap(adata, n_comps=n_components + 1, random_state=seed)
    return adata


def scanpy_on_exact_neighbours(x_nd: np.ndarray, *, n_components: int, seed: int) -> AnnData:
    """``sc.tl.diffmap`` of the connectivities that scanpy would find if it missed no neighbour."""
    weights = fuzzy_graph(x_nd, k=K, exact_up_to=len(x_nd)).weights_nn
    adata = AnnData(obs=pd.DataFrame(index=np.arange(len(x_nd)).astype(str)))
    adata.obsp["connectivities"] = weights
    params = {"n_neighbors": K, "method": "umap"}
    adata.uns["neighbors"] = {"connectivities_key": "connectivities", "params": params}
    adata.obsp["distances"] = adata.obsp["connectivities"]
    adata.uns["neighbors"]["distances_key"] = "distances"
    sc.tl.diffmap(adata, n_comps=n_components + 1, random_state=seed)
    return adata


SIDES: dict[str, Callable[..., Any]] = {"ours": ours, "scanpy": with_scanpy}


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Both sides on so many cores.

    numba needs no limit here: scanpy asks it for ``settings.n_jobs``, one unless changed.
    """
    jobs, torchs = sc.settings.n_jobs, torch.get_num_threads()
    sc.settings.n_jobs = count
    torch.set_num_threads(count)
    try:
        with threadpool_limits(count):
            yield
    finally:
        sc.settings.n_jobs = jobs
        torch.set_num_threads(torchs)


def warm_up(x_nd: np.ndarray, *, n_components: int, sides: Sequence[str] = tuple(SIDES)) -> None:
    """One small call of each: compiles what is compiled at first use.

    Above 4,096 cells scanpy searches with pynndescent, which a small call would not compile.
    """
    x_nd = x_nd[:WARM_CELLS]
    with threads(1):
        for side in sides:
            SIDES[side](x_nd, n_components=n_components, seed=0)
        if "scanpy" in sides:
            obs = pd.DataFrame(index=np.arange(len(x_nd)).astype(str))
            adata = AnnData(obs=obs, obsm={X_PCA: x_nd})
            sc.pp.neighbors(adata, n_neighbors=K, use_rep=X_PCA, transformer="pynndescent")


def subspace_cosine(basis: DiffusionBasis, theirs: AnnData, dims: int) -> float:
    """Smallest cosine of the principal angles (Björck 1973) of the leading non-trivial spans.

    Both graphs are taken as connected: with several parts the steady state is not one column.
    """
    mine_nc = basis.vectors_nc[:, :dims]
    other_nc = np.asarray(theirs.obsm[X_DIFFMAP][:, 1 : dims + 1], dtype=np.float64)
    return float(np.cos(subspace_angles(mine_nc, other_nc)).min())


def knn_recall(
    x_nd: np.ndarray, neighbours: Callable[[np.ndarray], np.ndarray], *, sample: int, seed: int
) -> tuple[stats.Estimate, int]:
    """Share of true neighbours found for ``sample`` rows; the truth is brute force in float64.

    The cell itself, which every search finds, does not count.

    Parameters
    ----------
    neighbours
        Row numbers ``(s,)`` to their neighbours ``(s, k)``, the cell itself among them.

    Returns
    -------
    The share with its interval over cells, and how many cells it is over.
    """
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(x_nd), size=min(sample, len(x_nd)), replace=False)
    exact = NearestNeighbors(n_neighbors=K, algorithm="brute").fit(x_nd.astype(np.float64))
    true_sk = exact.kneighbors(x_nd[rows].astype(np.float64), return_distance=False)
    pairs = zip(neighbours(rows), true_sk, rows, strict=True)
    share_s = np.array([np.isin(true[true != row], found).mean() for found, true, row in pairs])
    again_bs = rng.integers(len(share_s), size=(N_REPLICATES, len(share_s)))
    return stats.estimate(float(share_s.mean()), share_s[again_bs].mean(axis=1)), len(rows)


def neighbours_of_ours(graph: FuzzyGraph, rows: np.ndarray) -> np.ndarray:
    """What the graph's index finds, the cell itself first."""
    return graph.index.search(graph.index.x_nd[rows], K)


def neighbours_of_scanpy(adata: AnnData, rows: np.ndarray) -> np.ndarray:
    """The ``K - 1`` stored neighbours and the cell itself."""
    stored = adata.obsp["distances"]
    found = [stored.indices[stored.indptr[row] : stored.indptr[row + 1]] for row in rows]
    return np.array([np.append(near, row)[-K:] for near, row in zip(found, rows, strict=True)])
