"""One battery for every registered representation; a new one adds a row to ``ROWS``."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from anndata import AnnData, ImplicitModificationWarning
from scipy.optimize import nnls
from sklearn.decomposition import PCA

from representations import registry
from representations.base import Representation
from representations.branch_config import BranchConfig
from representations.coverage import min_gene_share
from representations.diffusion import DiffusionConfig
from representations.doctor import examine
from representations.errors import InputError
from representations.integrated_config import IntegratedConfig
from representations.paga import PagaConfig
from representations.pca import PcaConfig
from representations.preprocess import PreprocessConfig, Preprocessor, counts, log_normalise
from representations.pseudotime import PseudotimeConfig
from representations.questions import QUESTIONS
from representations.saved import ARRAY_FILE, META_FILE
from representations.scvi_input import ScviConfig

N_CELLS, N_GENES = 300, 400
GENES = PreprocessConfig(n_top_genes=200, exclude=("G3", "G11"))
PCA_CONFIG = PcaConfig(n_components=4, preprocess=GENES)


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
    x_nh = Preprocessor(rep.config.preprocess).fit_transform(adata)
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


def with_island(n_island: int = 25) -> AnnData:
    """Cells, the last of which express genes no other does."""
    adata = cells()
    x_ng = adata.X.toarray()
    x_ng[:, -60:] = 0
    x_ng[-n_island:] = 0
    x_ng[-n_island:, -60:] = np.random.default_rng(1).poisson(20, (n_island, 60))
    adata.X = sp.csr_matrix(x_ng)
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


def columns_of(rep: Representation, key: str) -> list[str]:
    """What ``annotate`` writes to ``obs``: a confidence where the representation has one."""
    sure_n = rep.place(cells(5)).confidence_n
    if sure_n is not None:
        assert sure_n.min() >= 0
        assert sure_n.max() <= 1
    return [f"{key}_reached", *([] if sure_n is None else [f"{key}_confidence"])]


def has_spread(rep: Representation) -> bool:
    """Whether there are deviations, of columns that there are."""
    placed = rep.place(cells(5))
    if placed.spread_ns is None:
        return False
    assert placed.spread_ns.min() >= 0
    assert placed.spread_ns.shape[1] <= placed.x_nd.shape[1]
    return True


def test_every_representation_has_a_row():
    assert {name.partition("/")[0] for name in ROWS} == set(registry.names())


@case
def test_transform_agrees_with_the_fit(name):
    adata = cells()
    x_nd = fitted(name).transform(adata)
    assert x_nd.dtype == np.float32
    assert x_nd.flags.c_contiguous
    assert gap(x_nd, ROWS[name].fitted(fitted(name), adata)) <= ROWS[name].agrees


@case
def test_fit_transform_gives_what_fit_then_transform_give(name):
    rep, adata = fresh(name), cells()
    x_nd = rep.fit_transform(adata)
    assert x_nd.dtype == np.float32
    assert x_nd.flags.c_contiguous
    assert rep.record == fitted(name).record
    assert gap(x_nd, rep.transform(adata)) <= 1e-4


@every
def test_components_carry_something(name):
    x_nd = fitted(name).transform(cells())
    assert (x_nd.std(axis=0) > 1e-6).all()
    assert np.linalg.matrix_rank(x_nd) == x_nd.shape[1]


@case
def test_a_fit_is_repeatable(name):
    again = fresh(name).fit(cells())
    np.testing.assert_array_equal(again.transform(cells()), fitted(name).transform(cells()))
    assert again.fit(cells()).record == fitted(name).record


@case
def test_save_and_load_give_the_same_bits(name, tmp_path):
    rep, new = fitted(name), cells(40, seed=5)
    rep.save(tmp_path)
    for loaded in (registry.load(tmp_path), kind(name).load(tmp_path)):
        assert type(loaded) is type(rep)
        assert loaded.config == rep.config
        assert loaded.record == rep.record
        assert loaded.genes == rep.genes
        np.testing.assert_array_equal(loaded.transform(new), rep.transform(new))
    assert {path.name for path in tmp_path.rglob("*")} == {META_FILE, ARRAY_FILE}  # and no pickle
    json.loads((tmp_path / META_FILE).read_text())
    loaded.save(tmp_path / "again")
    for file in (META_FILE, ARRAY_FILE):
        assert (tmp_path / "again" / file).read_bytes() == (tmp_path / file).read_bytes()


@case
def test_the_order_of_training_cells_is_irrelevant(name):
    adata = cells()
    shuffled = adata[np.random.default_rng(3).permutation(adata.n_obs)].copy()
    expected_nd = fitted(name).transform(adata)
    assert gap(fresh(name).fit(shuffled).transform(adata), expected_nd) <= ROWS[name].order


@case
@pytest.mark.parametrize("seed", [0, 9], ids=["training cells", "new cells"])
def test_a_cell_is_placed_on_its_own(name, seed):
    adata, rep = cells(seed=seed), fitted(name)
    whole_nd = rep.transform(adata)
    rows = np.random.default_rng(2).permutation(adata.n_obs)[:50]
    assert gap(rep.transform(adata[rows]), whole_nd[rows]) <= ROWS[name].batch
    alone_nd = np.concatenate([rep.transform(adata[[i]]) for i in rows])
    assert gap(alone_nd, whole_nd[rows]) <= ROWS[name].batch


@case
def test_no_cells_give_no_rows(name):
    rep = fitted(name)
    width = rep.transform(cells()).shape[1]
    for statistics in ("train", "own"):
        placed = rep.place(cells()[:0], statistics=statistics)
        assert placed.x_nd.shape == (0, width)
        assert placed.reached_n.shape == (0,)


@case
@pytest.mark.parametrize(
    "kind",
    [
        lambda x: x.toarray(), sp.csc_matrix, sp.csr_array, lambda x: x.astype(np.float64),
        lambda x: x.astype(np.int64), lambda x: x.toarray().astype(np.uint16),
        lambda x: np.asfortranarray(x.toarray()),
    ],
    ids=["dense", "csc", "array", "float64", "int64", "uint16", "fortran"],
)  # fmt: skip
def test_the_kind_of_matrix_is_irrelevant(name, kind):
    adata = cells(60, seed=4)
    other = adata.copy()
    other.X = kind(adata.X)
    np.testing.assert_array_equal(fitted(name).transform(other), fitted(name).transform(adata))


@case
def test_the_kind_of_matrix_is_irrelevant_to_a_fit(name):
    """Dense and of double precision: the same bits, so within any tolerance."""
    dense = cells()
    dense.X = dense.X.toarray().astype(np.float64)
    np.testing.assert_array_equal(
        fresh(name).fit(dense).transform(cells()), fitted(name).transform(cells())
    )


@case
def test_the_order_of_genes_is_irrelevant(name):
    adata = cells(60, seed=4)
    shuffled = adata[:, np.random.default_rng(3).permutation(adata.n_vars)].copy()
    np.testing.assert_array_equal(fitted(name).transform(shuffled), fitted(name).transform(adata))


@every
def test_foreign_genes_are_ignored(name):
    adata = cells(60, seed=4)
    foreign = AnnData(sp.csr_matrix(np.full((60, 5), 1e4, dtype=np.float32)))
    foreign.var_names = [f"foreign{i}" for i in range(5)]
    both = AnnData(sp.hstack([foreign.X, adata.X], format="csr"))
    both.var_names = [*foreign.var_names, *adata.var_names]
    np.testing.assert_array_equal(fitted(name).transform(both), fitted(name).transform(adata))


@every
def test_missing_genes_blur_but_do_not_break(name):
    adata, rep = cells(seed=4), fitted(name)
    kept = np.sort(np.random.default_rng(3).permutation(adata.n_vars)[: adata.n_vars * 3 // 4])
    found_nd, expected_nd = rep.transform(adata[:, kept]), rep.transform(adata)
    leading = [np.corrcoef(found_nd[:, c], expected_nd[:, c])[0, 1] for c in range(3)]
    assert min(leading) > 0.9


@every
def test_too_few_genes_are_refused(name):
    with pytest.raises(InputError, match="only 0 of the") as error:
        fitted(name).transform(_renamed(cells(5)))
    assert "var_names" in line(error)


@every
def test_the_doctor_finds_no_fault(name):
    checks = examine(name, cells(), config=SMALL[name])
    assert {check.name for check in checks} >= set(QUESTIONS)
    assert [(check.name, check.found) for check in checks if not check.ok] == []


@case
def test_half_of_the_genes_is_enough_and_fewer_are_not(name):
    rep = fitted(name)
    kept = list(rep.genes)[: -(-len(rep.genes) // 2)]
    others = [gene for gene in cells(5).var_names if gene not in rep.genes]
    assert np.isfinite(rep.transform(cells(5)[:, [*kept, *others]])).all()
    few = cells(5)[:, [*kept[: (len(rep.genes) - 1) // 2], *others]]
    with pytest.raises(InputError, match="half of them are needed") as error:
        rep.transform(few)
    line(error)
    with min_gene_share(0.1):
        assert np.isfinite(rep.transform(few)).all()


@case
def test_an_unseen_batch_is_placed_like_any_other(name):
    """Whether the fit was told of batches or not: what it has not seen cannot matter."""
    train, query = cells(), cells(40, seed=6)
    train.obs["batch"] = np.where(np.arange(N_CELLS) % 2, "x", "y")
    config = SMALL[name]
    told = replace(config, batch_key="batch") if hasattr(config, "batch_key") else config
    rep = kind(name)(told).fit(train)
    placed = {}
    for batch in ("x", "never seen"):
        query.obs["batch"] = batch
        placed[batch] = rep.place(query)
    np.testing.assert_array_equal(placed["never seen"].x_nd, placed["x"].x_nd)
    np.testing.assert_array_equal(placed["never seen"].reached_n, placed["x"].reached_n)
    assert placed["x"].reached_n.all()


@case
def test_one_cell_is_placed_with_all_that_is_said_of_it(name):
    rep, one = fitted(name), cells(1, seed=7)
    placed, among = rep.place(one), rep.place(cells(20, seed=7))
    assert placed.x_nd.shape == (1, among.x_nd.shape[1])
    assert placed.reached_n.tolist() == [True]
    if among.confidence_n is not None:
        assert placed.confidence_n.shape == (1,)
    assert rep.annotate(one, copy=True).obsm[f"X_{rep.name}"].shape == placed.x_nd.shape


def _renamed(adata: AnnData) -> AnnData:
    adata.var_names = [f"other{i}" for i in range(adata.n_vars)]
    return adata


@case
def test_cells_the_fit_cannot_reach_are_flagged(name):
    adata = with_island()
    rep = fresh(name).fit(adata)
    placed = rep.place(adata)
    assert np.isfinite(placed.x_nd).all()
    island_n = np.arange(adata.n_obs) >= adata.n_obs - 25
    np.testing.assert_array_equal(placed.reached_n, ~(island_n & ROWS[name].flags_islands))
    assert not placed.x_nd[~placed.reached_n].any()
    assert placed.x_nd[placed.reached_n].any(axis=1).all()


@case
@pytest.mark.parametrize("statistics", ["train", "own"])
def test_degenerate_cells_and_genes_stay_finite(name, statistics):
    adata = cells(80)
    x_ng = adata.X.toarray()
    x_ng[:, 0] = 0  # never seen
    x_ng[:, 1] = 5  # the same everywhere
    x_ng[:4] = 0  # empty cells
    x_ng[4] = 0
    x_ng[4, 2] = 1e6  # one gene and a great many counts
    x_ng[5:30] = x_ng[30]  # more twins than neighbours
    adata.X = sp.csr_matrix(x_ng)
    for rep in (fitted(name), fresh(name).fit(adata)):
        placed = rep.place(adata, statistics=statistics)
        assert np.isfinite(placed.x_nd).all()
        assert not placed.x_nd[~placed.reached_n].any()


@case
def test_a_fit_leaves_its_input_alone(name):
    adata, before = cells(), cells()
    for array in (adata.X.data, adata.X.indices, adata.X.indptr):
        array.setflags(write=False)
    fresh(name).fit(adata).transform(adata)
    assert (adata.X != before.X).nnz == 0
    assert adata.obs.equals(before.obs)
    assert adata.var.equals(before.var)
    kept = (adata.obsm, adata.varm, adata.obsp, adata.uns, adata.layers)
    assert [len(mapping) for mapping in kept] == [0] * 5


@every
def test_annotate_adds_three_things(name):
    adata, rep = cells(50, seed=4), fitted(name)
    adata.uns["mine"] = 1
    assert rep.annotate(adata) is None
    key = f"X_{name}"
    assert list(adata.obsm) == [key, *([f"{key}_spread"] if has_spread(rep) else [])]
    np.testing.assert_array_equal(adata.obsm[key], rep.transform(cells(50, seed=4)))
    assert list(adata.obs) == ["cell_type", *columns_of(rep, key)]
    assert adata.obs[f"{key}_reached"].dtype == bool
    assert list(adata.uns) == ["mine", key]
    assert json.loads(adata.uns[key]["params"]) == rep.record.params
    assert adata.uns[key]["package"] == rep.record.package
    assert adata.uns[key]["statistics"] == "train"
    assert adata.uns[key]["n_fitted"] == N_CELLS
    assert list(adata.uns[key]["labels_used"]) == list(rep.record.labels_used)
    assert (adata.X != cells(50, seed=4).X).nnz == 0


@every
def test_annotate_honours_key_added_and_copy(name):
    adata, rep = cells(50, seed=4), fitted(name)
    copy = rep.annotate(adata, key_added="mine", statistics="own", copy=True)
    assert copy is not None
    assert not adata.obsm
    assert not adata.uns
    assert list(adata.obs) == ["cell_type"]
    assert list(copy.obsm) == ["mine", *(["mine_spread"] if has_spread(rep) else [])]
    assert list(copy.uns) == ["mine"]
    assert list(copy.obs) == ["cell_type", *columns_of(rep, "mine")]
    assert copy.uns["mine"]["statistics"] == "own"
    np.testing.assert_array_equal(copy.obsm["mine"], rep.transform(adata, statistics="own"))


def test_annotate_leaves_nothing_of_an_earlier_placement():
    adata = cells(50, seed=4)
    fitted("branch").annotate(adata, key_added="mine")
    assert "mine_spread" in adata.obsm
    fitted("pca").annotate(adata, key_added="mine")
    assert list(adata.obsm) == ["mine"]
    assert list(adata.obs) == ["cell_type", "mine_reached"]


@every
def test_annotate_takes_a_view(name):
    adata = cells(50, seed=4)
    view = adata[10:20]
    with pytest.warns(ImplicitModificationWarning):
        fitted(name).annotate(view)
    assert not adata.obsm
    assert view.obsm[f"X_{name}"].shape[0] == 10


@every
def test_annotations_survive_a_file(name, tmp_path):
    adata = cells(50, seed=4)
    fitted(name).annotate(adata)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    import anndata

    read = anndata.read_h5ad(tmp_path / "cells.h5ad")
    np.testing.assert_array_equal(read.obsm[f"X_{name}"], adata.obsm[f"X_{name}"])
    assert json.loads(read.uns[f"X_{name}"]["params"]) == fitted(name).record.params
    assert list(read.uns[f"X_{name}"]["labels_used"]) == list(fitted(name).record.labels_used)


@every
def test_the_record_says_what_the_fit_saw(name):
    record = fitted(name).record
    assert record.cells == tuple(cells().obs_names)
    assert record.params == json.loads(json.dumps(asdict(SMALL[name])))
    assert record.labels_used == ()
    assert record.backend
    package, version = ("gene_programmes", "0.1.0") if name == "programmes" else OURS
    assert (record.package, record.version) == (package, version)
    assert json.loads(json.dumps([record.params, record.facts])) == [record.params, record.facts]


def test_what_a_person_said_of_cells_is_declared():
    said = {name: list(fitted(name).record.labels_used) for name in ROWS if "/" in name}
    assert said == {
        "dpt/given": ["roots", "marker_roots"], "paga/given": ["cell_type"],
        "branch/given": ["root", "terminals"], "integrated/leading": [],
    }  # fmt: skip


@every
def test_labels_do_not_enter(name):
    unlabelled = cells()
    del unlabelled.obs["cell_type"]
    np.testing.assert_array_equal(
        fresh(name).fit(unlabelled).transform(cells()), fitted(name).transform(cells())
    )


@every
def test_excluded_genes_do_not_enter(name):
    assert {"G3", "G11"}.isdisjoint(fitted(name).genes)
    changed = cells()
    x_ng = changed.X.toarray()
    x_ng[:, [3, 11]] = np.random.default_rng(7).poisson(500, (N_CELLS, 2))
    changed.X = sp.csr_matrix(x_ng)
    rep = fresh(name).fit(changed)
    np.testing.assert_array_equal(rep.transform(cells()), fitted(name).transform(cells()))
    np.testing.assert_array_equal(rep.transform(changed), fitted(name).transform(cells()))


@every
def test_unfitted_is_said(name, tmp_path):
    rep = fresh(name)
    for use in (
        lambda: rep.transform(cells(5)), lambda: rep.annotate(cells(5)),
        lambda: rep.save(tmp_path / "folder"), lambda: rep.record,
    ):  # fmt: skip
        with pytest.raises(InputError, match="fit") as error:
            use()
        assert name in line(error)
    assert not list(tmp_path.iterdir())


@every
def test_a_failed_fit_cannot_be_used(name):
    rep = fresh(name).fit(cells())
    with pytest.raises(InputError):
        rep.fit(cells(3))
    with pytest.raises(InputError, match="not fitted"):
        rep.transform(cells(5))


@case
def test_too_many_components_are_refused(name):
    with pytest.raises(InputError, match="n_components") as error:
        kind(name)(ROWS[name].too_many).fit(cells())
    assert ": give " in line(error)


@every
@pytest.mark.parametrize("n", [0, 1])
def test_too_few_cells_are_refused(name, n):
    with pytest.raises(InputError, match=f"got {n}") as error:
        fresh(name).fit(cells()[:n])
    line(error)


@every
def test_hostile_input_is_refused_in_one_line(name):
    rep = fitted(name)

    def with_value(value: float) -> AnnData:
        adata = cells(5)
        adata.X = adata.X.toarray()
        adata.X[2, 2] = value
        return adata

    for adata, says in (
        (with_value(np.nan), "nan"), (with_value(np.inf), "infinite"),
        (with_value(-1.0), "negative"), (AnnData(obs=cells(5).obs, var=cells(5).var), "absent"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=says) as error:
            rep.transform(adata)
        line(error)
        with pytest.raises(InputError, match=says):
            fresh(name).fit(adata)


@every
@pytest.mark.filterwarnings("ignore:.*names are not unique")
def test_repeated_names_are_refused(name):
    repeated_cells, repeated_genes = cells(5), cells(5)
    repeated_cells.obs_names = ["c"] * 5
    repeated_genes.var_names = ["G0"] * N_GENES
    for adata, says in ((repeated_cells, "obs_names"), (repeated_genes, "var_names")):
        for use in (fitted(name).transform, fresh(name).fit):
            with pytest.raises(InputError, match=says) as error:
                use(adata)
            line(error)


@every
def test_statistics_of_the_query(name):
    rep = fitted(name)
    with pytest.raises(InputError, match="'train' or 'own'") as error:
        rep.transform(cells(5), statistics="query")
    line(error)
    with pytest.raises(InputError, match="2 cells") as error:
        rep.transform(cells(1), statistics="own")
    line(error)
    same = rep.transform(cells(), statistics="own")  # its own statistics are the fitted ones
    np.testing.assert_allclose(same, rep.transform(cells()), atol=1e-4)
    assert gap(rep.transform(cells(40, seed=8), statistics="own"), rep.transform(cells(40, seed=8)))


@every
@pytest.mark.parametrize("file", [META_FILE, ARRAY_FILE])
@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-20]),
        lambda path: path.write_bytes(b"\xff\x00" + path.read_bytes()),
        lambda path: path.write_bytes(b"[1, 2]"),
    ],
    ids=["missing", "empty", "cut", "garbled", "foreign"],
)
def test_a_damaged_folder_is_refused(name, file, harm, tmp_path):
    fitted(name).save(tmp_path)
    harm(tmp_path / file)
    with pytest.raises(InputError, match=str(tmp_path)) as error:
        registry.load(tmp_path)
    line(error)


@every
def test_what_an_earlier_revision_saved_is_refused(name, tmp_path, monkeypatch):
    fitted(name).save(tmp_path)
    monkeypatch.setattr(kind(name), "revision", kind(name).revision + 1)
    with pytest.raises(InputError, match="fit it again") as error:
        registry.load(tmp_path)
    assert line(error).startswith(f"{tmp_path}: saved by revision {kind(name).revision - 1} of")


def test_a_block_of_an_earlier_revision_is_refused(tmp_path, monkeypatch):
    fitted("integrated").save(tmp_path)
    monkeypatch.setattr(kind("diffmap"), "revision", 7)
    with pytest.raises(
        InputError, match="saved by revision 2 of 'diffmap', which is at 7"
    ) as error:
        registry.load(tmp_path)
    assert "damaged" not in line(error)


@every
@pytest.mark.parametrize("drop", ["name", "config", "record", "arrays_sha256"])
def test_an_incomplete_description_is_refused(name, drop, tmp_path):
    fitted(name).save(tmp_path)
    meta = json.loads((tmp_path / META_FILE).read_text())
    for broken in ({k: v for k, v in meta.items() if k != drop}, {**meta, drop: ["?"]}):
        (tmp_path / META_FILE).write_text(json.dumps(broken))
        with pytest.raises(InputError, match=str(tmp_path)) as error:
            registry.load(tmp_path)
        line(error)


@every
def test_files_of_two_saves_do_not_mix(name, tmp_path):
    fitted(name).save(tmp_path / "a")
    fresh(name).fit(cells(200, seed=1)).save(tmp_path / "b")
    (tmp_path / "b" / ARRAY_FILE).replace(tmp_path / "a" / ARRAY_FILE)
    with pytest.raises(InputError, match="damaged"):
        registry.load(tmp_path / "a")


@every
def test_one_changed_bit_is_noticed(name, tmp_path):
    fitted(name).save(tmp_path)
    data = bytearray((tmp_path / ARRAY_FILE).read_bytes())
    data[-100] ^= 1
    (tmp_path / ARRAY_FILE).write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        registry.load(tmp_path)


@every
def test_a_folder_of_another_class_is_refused(name, tmp_path):
    other = next(n for n in registry.names() if n != name)
    fitted(other).save(tmp_path)
    with pytest.raises(InputError, match=f"'{other}'.*'{name}'") as error:
        kind(name).load(tmp_path)
    assert str(tmp_path) in line(error)


@every
def test_absent_folders_and_files_in_their_place(name, tmp_path):
    with pytest.raises(InputError, match="no saved representation") as error:
        kind(name).load(tmp_path / "nowhere")
    line(error)
    (tmp_path / "file").write_text("")
    for use in (registry.load, fitted(name).save):
        with pytest.raises(InputError, match="file") as error:
            use(tmp_path / "file")
        line(error)


@every
def test_names_are_found_with_and_without_prefix(name):
    assert registry.get(name) is registry.get(f"X_{name}")
    assert registry.get(name).name == name
    assert registry.get(name).__doc__
