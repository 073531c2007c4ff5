"""scVI: what the library's own model says, saved without pickle, and nothing left behind."""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from anndata import AnnData
from sklearn.neighbors import KNeighborsClassifier

from representations import registry
from representations.errors import InputError
from representations.preprocess import PreprocessConfig
from representations.scvi_input import ScviConfig
from representations.scvi_latent import ScviLatent
from representations.scvi_model import contained, library, split

pytest.importorskip("scvi", reason="the extra clip_align[scvi] is not installed")

N_GENES = 120
CONFIG = ScviConfig(
    n_components=5, n_hidden=32, max_epochs=25, batch_size=64, learning_rate=5e-3,
    preprocess=PreprocessConfig(n_top_genes=100, exclude=("G7",)),
)  # fmt: skip
BATCHED = replace(CONFIG, batch_key="batch")
ENCODED = replace(BATCHED, encode_batch=True)


def cells(n: int = 240, *, seed: int = 0, batches: tuple[str, ...] = ("a", "b")) -> AnnData:
    """Three kinds of cells in batches that capture each gene differently."""
    rng = np.random.default_rng(0)
    rate_kg = rng.lognormal(0, 1, (3, N_GENES))
    capture = {name: rng.lognormal(0, 0.8, N_GENES) for name in ("a", "b", "c")}
    rng = np.random.default_rng(seed + 1)
    kind_n, batch_n = rng.integers(0, 3, n), rng.choice(batches, n)
    depth_n1 = rng.lognormal(0, 0.3, (n, 1))
    rate_ng = rate_kg[kind_n] * depth_n1 * np.array([capture[b] for b in batch_n])
    adata = AnnData(sp.csr_matrix(rng.poisson(rate_ng), dtype=np.float32))
    adata.obs_names = [f"s{seed}_{i}" for i in range(n)]
    adata.var_names = [f"G{i}" for i in range(N_GENES)]
    adata.obs["kind"], adata.obs["batch"] = kind_n.astype(str), batch_n
    return adata


@pytest.fixture(scope="module")
def plain() -> ScviLatent:
    return ScviLatent(CONFIG).fit(cells())


@pytest.fixture(scope="module")
def batched() -> ScviLatent:
    return ScviLatent(BATCHED).fit(cells())


@pytest.fixture(scope="module")
def encoded() -> ScviLatent:
    return ScviLatent(ENCODED).fit(cells())


@pytest.fixture(scope="module")
def adapted(encoded) -> ScviLatent:
    return encoded.adapt(cells(60, seed=2, batches=("c",)))


def between_batches(rep: ScviLatent, adata: AnnData) -> float:
    """Share of the latent variance that lies between the batches."""
    x_nd, in_a = rep.transform(adata), (adata.obs["batch"] == "a").to_numpy()
    gap_d = x_nd[in_a].mean(axis=0) - x_nd[~in_a].mean(axis=0)
    return float((gap_d**2).sum() * in_a.mean() * (1 - in_a.mean()) / x_nd.var(axis=0).sum())


def test_it_is_what_the_library_finds(plain):
    """Trained and asked through the public class alone, from the same seed."""
    import scvi

    adata = cells()
    adata = adata[np.argsort(adata.obs_names), list(plain.genes)].copy()
    with contained(0, progress=False):
        scvi.model.SCVI.setup_anndata(adata)
        model = scvi.model.SCVI(adata, n_latent=5, n_hidden=32, gene_likelihood="nb")
        rows = [*split(adata.n_obs, 64, 0), np.array([], dtype=int)]
        model.train(
            25, accelerator="cpu", devices=1, batch_size=64, early_stopping=True,
            early_stopping_patience=8, early_stopping_warmup_epochs=8, log_every_n_steps=1,
            enable_progress_bar=False, datasplitter_kwargs={"external_indexing": rows},
            plan_kwargs={"lr": 5e-3, "n_epochs_kl_warmup": 8},
        )  # fmt: skip
        expected_nd = model.get_latent_representation()
    model.deregister_manager(adata)
    np.testing.assert_allclose(plain.transform(adata), expected_nd, atol=1e-5)


@pytest.mark.parametrize("which", ["plain", "batched", "encoded"])
def test_training_cells_fall_where_the_fit_had_them(which, request):
    rep, adata = request.getfixturevalue(which), cells()
    again = ScviLatent(rep.config)
    np.testing.assert_allclose(again.fit_transform(adata), rep.transform(adata), atol=1e-5)
    np.testing.assert_array_equal(again.transform(adata), rep.transform(adata))
    assert again.record == rep.record


def test_kinds_are_found_again_in_new_cells(plain):
    train, new = cells(), cells(100, seed=3)
    near = KNeighborsClassifier(5).fit(plain.transform(train), train.obs["kind"])
    assert near.score(plain.transform(new), new.obs["kind"]) > 0.9


def test_a_batch_key_takes_the_batch_out(plain, batched):
    adata = cells(200, seed=3)
    assert between_batches(plain, adata) > 0.3
    assert between_batches(batched, adata) < 0.5 * between_batches(plain, adata)
    assert batched.record.labels_used == ("batch",)
    assert batched.record.facts["batches"] == ["a", "b"]
    assert plain.record.labels_used == ()


def test_an_unseen_or_unnamed_batch_is_placed_by_an_encoder_that_reads_none(batched):
    query = cells(50, seed=3)
    expected_nd = batched.transform(query)
    query.obs["batch"] = "never seen"
    np.testing.assert_array_equal(batched.transform(query), expected_nd)
    del query.obs["batch"]
    np.testing.assert_array_equal(batched.transform(query), expected_nd)


def test_an_encoder_that_reads_batches_refuses_one_it_does_not_know(encoded):
    query = cells(20, seed=3, batches=("a", "c"))
    with pytest.raises(InputError, match=r"'batch'.* holds c, unseen.*adapt\(query\)") as error:
        encoded.transform(query)
    assert "\n" not in str(error.value)
    swapped = query[query.obs["batch"] == "a"].copy()
    before_nd = encoded.transform(swapped)
    swapped.obs["batch"] = "b"
    assert np.abs(encoded.transform(swapped) - before_nd).max() > 1e-3


def test_adapting_teaches_a_new_batch_and_moves_no_other(encoded, adapted, tmp_path):
    known, query = cells(), cells(60, seed=2, batches=("c",))
    np.testing.assert_allclose(adapted.transform(known), encoded.transform(known), atol=1e-5)
    assert adapted.batches == ("a", "b", "c")
    assert set(adapted.record.facts["adapted_on"]) == set(query.obs_names)
    assert adapted.record.cells == encoded.record.cells
    assert "adapted_on" not in encoded.record.facts
    near = KNeighborsClassifier(5).fit(adapted.transform(known), known.obs["kind"])
    assert near.score(adapted.transform(query), query.obs["kind"]) > 0.8
    adapted.save(tmp_path)
    loaded = registry.load(tmp_path)
    assert loaded.record == adapted.record
    np.testing.assert_array_equal(loaded.transform(query), adapted.transform(query))
    with pytest.raises(InputError, match="unseen"):
        encoded.transform(query)


def test_adapting_to_a_query_that_lacks_genes(encoded):
    query = cells(60, seed=2, batches=("c",))[:, list(encoded.genes[:80])].copy()
    placed = encoded.adapt(query).place(query)
    assert np.isfinite(placed.x_nd).all()
    near = KNeighborsClassifier(5).fit(encoded.transform(cells()), cells().obs["kind"])
    assert near.score(placed.x_nd, query.obs["kind"]) > 0.8


def test_adapting_needs_something_to_adapt(plain, encoded):
    for rep, query, says in (
        (plain, cells(30), "encode_batch"), (encoded, cells(30), "no batch that is new"),
        (encoded, cells(5, batches=("c",)), "got 5"), (ScviLatent(ENCODED), cells(), "not fitted"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=says) as error:
            rep.adapt(query)
        assert "\n" not in str(error.value)


def test_a_fit_leaves_the_process_as_it_was(capfd, tmp_path, monkeypatch):
    from scvi.model import SCVI

    monkeypatch.chdir(tmp_path)
    torch.backends.cudnn.benchmark = True

    def state() -> list:
        loggers = [logging.getLogger(name).level for name in ("lightning.pytorch", "scvi")]
        return [
            torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(),  # noqa: NPY002
            random.getstate(), dict(os.environ), library().settings.seed, torch.get_num_threads(),
            torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic, loggers,
            len(SCVI._setup_adata_manager_store), list(tmp_path.iterdir()),
        ]  # fmt: skip

    try:
        torch.set_num_threads(2)
        before = state()
        x_nd = ScviLatent(replace(CONFIG, max_epochs=2)).fit_transform(cells())
        assert state() == before
        assert capfd.readouterr() == ("", "")
        torch.rand(3)
        np.random.rand(3)  # noqa: NPY002 - another global state must not change the fit
        torch.set_num_threads(1)
        again_nd = ScviLatent(replace(CONFIG, max_epochs=2)).fit_transform(cells())
    finally:
        torch.backends.cudnn.benchmark = False
        torch.set_num_threads(before[5] if before else 1)
    np.testing.assert_array_equal(again_nd, x_nd)
    seeded_nd = ScviLatent(replace(CONFIG, max_epochs=2, seed=1)).fit_transform(cells())
    assert np.abs(seeded_nd - x_nd).max() > 1e-3


def test_progress_is_shown_when_asked(capfd):
    ScviLatent(replace(CONFIG, max_epochs=2), progress=True).fit(cells())
    assert "Epoch 2/2" in "".join(capfd.readouterr())


def test_training_stops_early():
    rep = ScviLatent(replace(CONFIG, max_epochs=100, patience=1, learning_rate=0.03)).fit(cells())
    assert rep.record.facts["epochs"] < 100
    assert rep.record.facts["validation_cells"] == 24


def test_nothing_is_unpickled(plain, tmp_path, monkeypatch):
    plain.save(tmp_path)

    def refuse(*args, **kwargs):
        raise AssertionError("unpickled")

    monkeypatch.setattr(torch, "load", refuse)
    monkeypatch.setattr("pickle.load", refuse)
    monkeypatch.setattr("pickle.loads", refuse)
    loaded = registry.load(tmp_path)
    np.testing.assert_array_equal(loaded.transform(cells(20)), plain.transform(cells(20)))


def test_weights_of_another_network_are_refused(plain, tmp_path):
    plain.save(tmp_path)
    loaded = ScviLatent.load(tmp_path)
    loaded.weights = {k: v for k, v in loaded.weights.items() if "mean_encoder" not in k}
    with pytest.raises(InputError, match="do not fit the network"):
        loaded.transform(cells(5))


def test_without_the_library_all_but_placing_works(plain, tmp_path, monkeypatch):
    plain.save(tmp_path)
    monkeypatch.setitem(sys.modules, "scvi", None)
    loaded = registry.load(tmp_path)
    assert loaded.record == plain.record
    for use in (ScviLatent(CONFIG).fit, loaded.transform):
        with pytest.raises(InputError, match=r"pip install 'clip_align\[scvi\]'") as error:
            use(cells())
        assert "\n" not in str(error.value)


def test_finding_the_representations_does_not_import_the_library():
    code = (
        "import sys; from representations import registry; assert 'scvi' in registry.names();"
        "assert not {'scvi', 'torch', 'lightning'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_confidence_falls_with_counts_and_genes(plain):
    adata = cells(100, seed=4)
    thin, empty = adata.copy(), adata.copy()
    dense = adata.X.toarray().astype(int)
    thin.X = sp.csr_matrix(np.random.default_rng(0).binomial(dense, 0.1), dtype=np.float32)
    empty.X = sp.csr_matrix(adata.shape, dtype=np.float32)
    sure_n, unsure_n = plain.place(adata).confidence_n, plain.place(thin).confidence_n
    assert (unsure_n < sure_n).mean() > 0.9
    fewer = adata[:, list(plain.genes[:75])]
    assert (plain.place(fewer).confidence_n < 0.8 * sure_n).all()
    placed = plain.place(empty)
    assert not placed.reached_n.any()
    assert not placed.confidence_n.any()
    assert not placed.x_nd.any()


def test_a_missing_gene_sits_at_its_training_mean(plain):
    adata = cells(30, seed=4)
    gone = plain.genes[0]
    without_nd = plain.transform(adata[:, adata.var_names != gone])
    log_nh = np.log1p(adata[:, list(plain.genes)].X.toarray())
    train_nh = np.log1p(cells()[:, [gone]].X.toarray())
    log_nh[:, 0] = train_nh.mean()
    with torch.inference_mode():
        expected_nd = plain.module.z_encoder(torch.from_numpy(log_nh), None)[0].loc.numpy()
    np.testing.assert_allclose(without_nd, expected_nd, atol=1e-5)


def test_own_statistics_bring_a_badly_captured_query_back(plain):
    """Cells of batch a, their genes captured otherwise: gene moments are what differs."""
    adata = cells(200, seed=5)
    factor_g = np.random.default_rng(1).choice([1, 4], N_GENES)
    other = adata.copy()
    other.X = sp.csr_matrix(adata.X.toarray() * factor_g)
    home_nd = plain.transform(adata)
    off = np.linalg.norm(plain.transform(other) - home_nd, axis=1).mean()
    own = np.linalg.norm(plain.transform(other, statistics="own") - home_nd, axis=1).mean()
    assert own < 0.7 * off


def test_bad_input_is_one_line():
    adata, logged, nameless, empty = cells(40), cells(40), cells(40), cells(40)
    logged.X = logged.X.log1p()
    nameless.obs["batch"] = nameless.obs["batch"].astype(object)
    nameless.obs.iloc[0, 1] = None
    empty.X = sp.csr_matrix(empty.shape, dtype=np.float32)
    few = replace(CONFIG, n_components=1)
    for config, given, says in (
        (CONFIG, logged, "fractions.*raw counts"), (CONFIG, empty, "fewer than 2 expressed"),
        (replace(CONFIG, batch_key="donor"), adata, "'donor' is no column of obs.*kind, batch"),
        (BATCHED, nameless, "without a batch"), (few, cells(8), "at least 10 .*got 8"),
        (replace(CONFIG, n_components=0), adata, "give 1 to 40"),
        (replace(CONFIG, n_components=41), adata, "give 1 to 40"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=says) as error:
            ScviLatent(config).fit(given)
        assert "\n" not in str(error.value)


def test_under_half_of_the_genes_is_too_few(plain):
    plain.transform(cells(5)[:, list(plain.genes[:50])])
    with pytest.raises(InputError, match=r"only 49 of the 100 genes.*half") as error:
        plain.transform(cells(5)[:, list(plain.genes[:49])])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "wrong",
    [{"max_epochs": 0}, {"batch_size": 2}, {"gene_likelihood": "normal"}, {"encode_batch": True}],
)
def test_a_config_that_cannot_be_is_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))) as error:
        replace(CONFIG, **wrong)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("n", "batch_size"), [(10, 4), (10, 8), (240, 64), (285, 256), (287, 256)])
def test_no_minibatch_is_left_with_one_cell(n, batch_size):
    train_i, valid_i = split(n, batch_size, 0)
    assert sorted([*train_i, *valid_i]) == list(range(n))
    assert len(train_i) % batch_size not in (1, 2)
    assert len(valid_i) >= 1
    assert not np.array_equal(split(n, batch_size, 1)[1], valid_i)
