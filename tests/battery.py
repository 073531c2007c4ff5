"""Rows, cells and fits of the battery; a new representation adds a row to ``ROWS``."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from anndata import AnnData
from scipy.optimize import nnls
from sklearn.decomposition import PCA

from representations import registry
from representations.base import Representation
from representations.branch_config import BranchConfig
from representations.diffusion import DiffusionConfig
from representations.errors import InputError
from representations.integrated_config import IntegratedConfig
from representations.paga import PagaConfig
from representations.pca import PcaConfig
from representations.preprocess import PreprocessConfig, counts, log_normalise
from representations.pseudotime import PseudotimeConfig
from representations.residual import AllGenesConfig
from representations.scvi_input import ScviConfig

N_CELLS, N_GENES = 300, 400
GENES = PreprocessConfig(n_top_genes=200, exclude=("G3", "G11"))
PCA_CONFIG = PcaConfig(n_components=4, preprocess=GENES)
ALL_GENES = AllGenesConfig(n_components=4, preprocess=GENES)


@dataclass(frozen=True, kw_only=True)
class Row:
    """What the battery has to know about a representation.

    ``fitted`` gives the coordinates the fit itself found, to which ``transform`` is held within
    ``agrees`` (in deviations of a component, as every bound here). ``order`` bounds what the order
    of the training cells may change. ``batch`` bounds what the cells beside it may change for a
    placed cell: float32 products and, in a graph, neighbours that are equally near.
    """

    small: Any
    too_many: Any
    fitted: Callable[[Any, AnnData], np.ndarray]
    agrees: float
    order: float
    batch: float
    flags_islands: bool


def exact_pca(rep: Any, adata: AnnData) -> np.ndarray:
    """Scores by a full singular value decomposition, signs as in ``rep``."""
    x_nh = rep.Preprocessor(rep.config.preprocess).fit_transform(adata)
    scores = PCA(rep.config.n_components, svd_solver="full").fit(x_nh)
    signs = np.sign(np.einsum("hd,dh->d", rep.loadings_hd, scores.components_))
    return scores.transform(x_nh) * signs


SCVI_CONFIG = ScviConfig(
    n_components=4, n_hidden=32, max_epochs=20, batch_size=64, learning_rate=5e-3, preprocess=GENES
)
BLOCKS = {
    "pca": PCA_CONFIG,
    "diffmap": DiffusionConfig(n_components=6, n_neighbors=12, pca=PCA_CONFIG),
}


def side_by_side(rep: Any, adata: AnnData) -> np.ndarray:
    """Blocks fitted alone, scaled by hand: a column has variance 1 on average, a block a share."""
    scaled = []
    for name, config in rep.config.configs.items():
        x_nd = kind(name)(config).fit_transform(adata)
        low_d, middle_d, high_d = np.quantile(x_nd, [0.25, 0.5, 0.75], axis=0)
        width_d = (high_d - low_d) / 1.349
        z_nd = np.clip((x_nd - middle_d) / width_d, -10, 10) * width_d
        scaled.append(z_nd / np.sqrt(z_nd.var(axis=0).sum()) * np.sqrt(rep.shares[name]))
    x_nd = np.concatenate(scaled, axis=1)
    return x_nd * np.sqrt(x_nd.shape[1])


def programme_scores(rep: Any, adata: AnnData) -> np.ndarray:
    """Scores by an exact solver, cell by cell, of what lies above the mean of a gene."""
    allowed = adata[:, ~np.isin(adata.var_names, GENES.exclude)].copy()
    kept = allowed.var_names.get_indexer(rep.genes)
    log_nh = log_normalise(counts(allowed))[:, kept].toarray().astype(float)
    x_nh = np.clip((log_nh - log_nh.mean(axis=0)) / log_nh.std(axis=0), 0, GENES.max_value)
    return np.stack([nnls(rep.parts_dh.T.astype(float), x_h)[0] for x_h in x_nh])


# Of another distribution, which conftest.py installs: known by its entry point alone.
OURS = ("clip_align", importlib.metadata.version("clip_align"))
ProgrammesConfig = registry.get("programmes").Config
ROWS = {
    "pca": Row(
        small=PCA_CONFIG, too_many=PcaConfig(n_components=N_CELLS + 1),
        fitted=exact_pca, agrees=1e-3, order=1e-4, batch=1e-5, flags_islands=False,
    ),
    **{
        name: Row(
            small=ALL_GENES, too_many=AllGenesConfig(n_components=N_CELLS + 1),
            fitted=exact_pca, agrees=1e-3, order=1e-4, batch=1e-5, flags_islands=False,
        )
        for name in ("residual", "sqrt")
    },
    "diffmap": Row(
        small=DiffusionConfig(n_components=6, n_neighbors=12, pca=PCA_CONFIG),
        too_many=DiffusionConfig(n_components=N_CELLS, pca=PCA_CONFIG),
        fitted=lambda rep, _: rep.basis.vectors_nc, agrees=1e-4, order=1e-3, batch=1e-4,
        flags_islands=True,
    ),
    "dpt": Row(
        small=PseudotimeConfig(n_components=6, n_anchors=3, n_neighbors=12, pca=PCA_CONFIG),
        too_many=PseudotimeConfig(n_components=N_CELLS, pca=PCA_CONFIG),
        fitted=lambda rep, _: rep.pseudotimes(rep.basis.vectors_nc)[0], agrees=1e-4, order=1e-3,
        batch=1e-4, flags_islands=True,
    ),
    "paga": Row(
        small=PagaConfig(
            n_neighbors=12, resolution=0.3, ks=(10, 12), n_resamples=6, n_seeds=2, pca=PCA_CONFIG
        ),
        too_many=PagaConfig(pca=PcaConfig(n_components=N_CELLS + 1)),
        fitted=lambda rep, _: rep.features(rep.manifold.weights_cc)[0], agrees=1e-4, order=1e-4,
        batch=1e-4, flags_islands=True,
    ),
    "branch": Row(
        small=BranchConfig(
            n_components=5, n_neighbors=12, terminal_size=8, n_bootstraps=3, pca=PCA_CONFIG
        ),
        too_many=BranchConfig(n_components=N_CELLS, pca=PCA_CONFIG),
        fitted=lambda rep, _: rep._fitted().x_nd, agrees=1e-4, order=1e-3, batch=1e-4,
        flags_islands=True,
    ),
    "scvi": Row(
        small=SCVI_CONFIG, too_many=replace(SCVI_CONFIG, n_components=N_CELLS + 1),
        fitted=lambda rep, adata: fresh(rep.name).fit_transform(adata), agrees=1e-4, order=1e-4,
        batch=1e-4, flags_islands=False,
    ),
    "integrated": Row(
        small=IntegratedConfig(blocks=tuple(BLOCKS), configs=BLOCKS, weights="equal"),
        too_many=IntegratedConfig(configs={"pca": PcaConfig(n_components=N_CELLS + 1)}),
        fitted=side_by_side, agrees=1e-3, order=1e-3, batch=1e-3, flags_islands=False,
    ),
    "dpt/given": Row(
        small=PseudotimeConfig(
            n_components=6, roots=("s0_c63",), marker_roots=("G7",), n_neighbors=12, pca=PCA_CONFIG
        ),
        too_many=PseudotimeConfig(n_components=N_CELLS, roots=("s0_c63",), pca=PCA_CONFIG),
        fitted=lambda rep, _: rep.pseudotimes(rep.basis.vectors_nc)[0], agrees=1e-4, order=1e-3,
        batch=1e-4, flags_islands=True,
    ),
    "paga/given": Row(
        small=PagaConfig(
            n_neighbors=12, groups="cell_type", ks=(10, 12), n_resamples=6, pca=PCA_CONFIG
        ),
        too_many=PagaConfig(groups="cell_type", pca=PcaConfig(n_components=N_CELLS + 1)),
        fitted=lambda rep, _: rep.features(rep.manifold.weights_cc)[0], agrees=1e-4, order=1e-4,
        batch=1e-4, flags_islands=True,
    ),
    "branch/given": Row(
        small=BranchConfig(
            n_components=5, n_neighbors=12, terminal_size=8, n_bootstraps=3, pca=PCA_CONFIG,
            root="s0_c60", terminals=("s0_c61", "s0_c66"),
        ),
        too_many=BranchConfig(n_components=N_CELLS, root="s0_c60", pca=PCA_CONFIG),
        fitted=lambda rep, _: rep._fitted().x_nd, agrees=1e-4, order=1e-3, batch=1e-4,
        flags_islands=True,
    ),
    "integrated/leading": Row(
        small=IntegratedConfig(
            blocks=("pca", "scvi"), configs={"pca": PCA_CONFIG, "scvi": SCVI_CONFIG}, own="both"
        ),
        too_many=IntegratedConfig(configs={"pca": PcaConfig(n_components=N_CELLS + 1)}),
        fitted=side_by_side, agrees=1e-3, order=1e-3, batch=1e-3, flags_islands=False,
    ),
    "programmes": Row(
        small=ProgrammesConfig(n_components=5, preprocess=GENES),
        too_many=ProgrammesConfig(n_components=N_CELLS + 1),
        fitted=programme_scores, agrees=1e-4, order=1e-3, batch=1e-5, flags_islands=False,
    ),
}  # fmt: skip
SMALL = {name: row.small for name, row in ROWS.items()}
every = pytest.mark.parametrize("name", registry.names())
case = pytest.mark.parametrize("name", tuple(ROWS))  # with other settings too: after the slash


def kind(name: str) -> type[Representation]:
    """The class of a row."""
    return registry.get(name.partition("/")[0])


def cells(n: int = N_CELLS, *, seed: int = 0) -> AnnData:
    """Counts of cells between five programmes, with depths and dropout as in real ones."""
    rng = np.random.default_rng(0)
    programme_pg = rng.lognormal(-2, 1, N_GENES) * rng.lognormal(0, 1.2, (5, N_GENES))
    rng = np.random.default_rng(seed)
    mixture_np = rng.dirichlet(np.full(5, 0.35), n)
    rate_ng = mixture_np @ (programme_pg / programme_pg.sum(axis=1, keepdims=True))
    depth_n = rng.lognormal(6.5, 0.3, n)
    x_ng = rng.poisson(depth_n[:, None] * rate_ng)
    adata = AnnData(sp.csr_matrix(x_ng, dtype=np.float32))
    adata.obs_names = [f"s{seed}_c{i}" for i in range(n)]
    adata.var_names = [f"G{i}" for i in range(N_GENES)]
    adata.obs["cell_type"] = mixture_np.argmax(axis=1).astype(str)
    return adata


def fresh(name: str) -> Representation:
    return kind(name)(SMALL[name])


@lru_cache
def fitted(name: str) -> Representation:
    return fresh(name).fit(cells())


def gap(found_nd: np.ndarray, expected_nd: np.ndarray) -> float:
    """Largest difference, in deviations of the component over the training cells."""
    scale_d = expected_nd.std(axis=0) if len(expected_nd) > 30 else 1.0
    return float((np.abs(found_nd - expected_nd) / scale_d).max())


def line(error: pytest.ExceptionInfo[InputError]) -> str:
    """The message, which is one line."""
    assert "\n" not in str(error.value)
    return str(error.value)
