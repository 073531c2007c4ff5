"""Annotators that are other people's packages: CellTypist and scANVI."""

from __future__ import annotations

import importlib.metadata
import logging
import os
import sys

import numpy as np
import pytest
import scipy.sparse as sp
from anndata import AnnData
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from benchmarks.annotators import Cells, Lesson, create, names
from benchmarks.annotators import celltypist as ours
from benchmarks.annotators._celltypist import FOLDER, OneVersusRest, library
from representations.errors import InputError
from tests.absent import assert_says_so
from tests.three_types import cells

TYPES = ("a", "absent", "b", "c")
SHORT = {"scanvi": {"epochs": 12, "tuning_epochs": 6}, "celltypist": {}}
PACKAGES = {"scanvi": "scvi-tools", "celltypist": "celltypist"}


def missing(package):
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return True
    return False


needs_celltypist = pytest.mark.skipif(
    missing("celltypist"), reason="celltypist is not installed: make peers"
)
EACH = [
    pytest.param(
        name,
        marks=(
            pytest.mark.slow,
            pytest.mark.skipif(missing(package), reason=f"{package} is not installed"),
        ),
    )
    for name, package in PACKAGES.items()
]


def part(n, seed):
    adata = cells(n, seed=seed)
    return Cells(adata=adata, type_n=np.array([TYPES.index(one) for one in adata.obs["type"]]))


def lesson(seed=0, **changes):
    def no_source():
        raise AssertionError("it asks for the source model")

    given = {"known": part(150, 0), "held": part(60, 1), "types": TYPES}
    return Lesson(**given | changes, seed=seed, source=no_source)


@pytest.fixture(scope="module")
def fitted():
    made = {}

    def get(name):
        if name not in made:
            made[name] = create(name, SHORT[name]).fit(lesson())
        return made[name]

    return get


@pytest.mark.parametrize("name", EACH)
def test_it_learns_three_types(fitted, name):
    asked = part(100, 2)
    answer = fitted(name).annotate(asked.adata)
    assert np.mean(answer.p_nt.argmax(axis=1) == asked.type_n) > 0.95
    np.testing.assert_allclose(answer.p_nt.sum(axis=1), 1)
    assert answer.p_nt.shape == (100, len(TYPES))
    assert not answer.p_nt[:, TYPES.index("absent")].any()
    assert answer.z_nd is None or np.isfinite(answer.z_nd).all()
    package = PACKAGES[name]
    assert fitted(name).facts()[package] == importlib.metadata.version(package)


@pytest.mark.parametrize("name", EACH)
def test_the_same_seed_gives_the_same_answer(fitted, name):
    asked = part(20, 2).adata
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    again = create(name, SHORT[name]).fit(lesson())
    np.testing.assert_array_equal(again.annotate(asked).p_nt, fitted(name).annotate(asked).p_nt)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@pytest.mark.parametrize("name", EACH)
def test_an_answer_hangs_on_no_other_cell_nor_on_the_order_of_genes(fitted, name):
    asked = part(20, 2).adata
    shuffled = asked[::-1, np.random.default_rng(0).permutation(asked.n_vars)].copy()
    p_nt = fitted(name).annotate(asked).p_nt
    np.testing.assert_allclose(fitted(name).annotate(shuffled).p_nt[::-1], p_nt, atol=1e-5)


@pytest.mark.parametrize("name", EACH)
def test_missing_genes_are_told(fitted, name):
    asked, model = part(40, 2), fitted(name)
    answer = model.annotate(asked.adata[:, 30:].copy())
    assert np.isfinite(answer.p_nt).all()
    assert np.mean(answer.p_nt.argmax(axis=1) == asked.type_n) > 0.8
    assert model.facts()["missing genes"] == "30 of 150"
    model.annotate(part(5, 3).adata)  # asked later, and lacking none
    assert model.facts()["missing genes"] == "30 of 150"
    asked.adata.var_names = [f"other{i}" for i in range(150)]
    with pytest.raises(InputError, match="gene symbols"):
        model.annotate(asked.adata)


@pytest.mark.parametrize("name", EACH)
def test_a_cell_without_counts_is_no_obstacle(name):
    known, asked = part(150, 0), part(10, 2).adata
    empty = sp.csr_matrix((1, 150), dtype=np.float32)
    blank = sp.vstack([empty, known.adata.X], format="csr")
    adata = AnnData(blank, var=known.adata.var)
    taught = Cells(adata=adata, type_n=np.append(0, known.type_n))
    model = create(name, dict.fromkeys(SHORT[name], 1)).fit(lesson(known=taught))
    asked.X = sp.vstack([empty, asked.X[1:]], format="csr")
    assert np.isfinite(model.annotate(asked).p_nt).all()


@pytest.mark.parametrize("name", PACKAGES)
def test_without_its_package_it_says_so(monkeypatch, name):
    assert name in names()
    said = rf"{PACKAGES[name]} is not installed: (make peers|pip)"
    assert_says_so(monkeypatch, create(name), lesson(), said)


def test_settings_tell_variants_apart_and_strange_options_are_refused():
    told = [create("celltypist", {"tuning": one}).settings() for one in ("default", "validation")]
    assert told[0] != told[1]
    assert create("scanvi", {"epochs": 7}).settings() != create("scanvi").settings()
    with pytest.raises(InputError, match="tuning='best'"):
        create("celltypist", {"tuning": "best"})
    with pytest.raises(InputError, match="one epoch"):
        create("scanvi", {"epochs": 0})


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_scanvi_answers_as_the_library_predicts(monkeypatch):
    scvi = pytest.importorskip("scvi")
    kept = []
    made = scvi.model.SCANVI.from_scvi_model
    monkeypatch.setattr(
        scvi.model.SCANVI, "from_scvi_model", lambda *a, **k: kept.append(made(*a, **k)) or kept[0]
    )
    monkeypatch.setattr(scvi.model.SCANVI, "deregister_manager", lambda self, adata: None)
    model = create("scanvi", SHORT["scanvi"]).fit(lesson())
    (theirs,), asked = kept, part(50, 2).adata
    own = asked[:, model.genes_h].copy()
    own.obs["type"] = "-1"
    answer = model.annotate(asked)
    soft = theirs.predict(own, soft=True)
    np.testing.assert_allclose(answer.p_nt[:, soft.columns.astype(int)], soft.to_numpy(), atol=1e-5)
    np.testing.assert_allclose(answer.z_nd, theirs.get_latent_representation(own), atol=1e-5)
    assert model.facts()["epochs"] == "12 and 6"


@pytest.mark.parametrize("n_types", [2, 3])
def test_one_versus_rest_is_scikit_learn_s(n_types):
    rng = np.random.default_rng(0)
    type_n = rng.integers(n_types, size=80) * 3
    x_ng = rng.normal(size=(80, 5)) + type_n[:, None] * rng.normal(size=5)
    options = {"C": 0.3, "solver": "lbfgs", "max_iter": 500}
    found = OneVersusRest(multi_class="ovr", **options).fit(x_ng, type_n)
    reference = OneVsRestClassifier(LogisticRegression(**options)).fit(x_ng, type_n)
    np.testing.assert_array_equal(found.classes_, np.unique(type_n))
    np.testing.assert_allclose(found.decision_function(x_ng), reference.decision_function(x_ng))
    with pytest.raises(ValueError, match="multinomial"):
        OneVersusRest(multi_class="multinomial")


def test_shares_sum_to_one_however_small_the_sigmoids():
    score_nk = np.array([[-2000.0, -2001.0, -2500.0], [3.0, -1.0, 2.0], [30.0, 29.0, -5.0]])
    p_nk = ours.shares(score_nk)
    np.testing.assert_allclose(p_nk.sum(axis=1), 1)
    np.testing.assert_array_equal(p_nk.argmax(axis=1), score_nk.argmax(axis=1))
    sigmoid_k = 1 / (1 + np.exp(-score_nk[1]))
    np.testing.assert_allclose(p_nk[1], sigmoid_k / sigmoid_k.sum())


@needs_celltypist
@pytest.mark.slow
def test_the_likeliest_type_is_celltypist_s_best_match(fitted):
    known = lesson().known
    hard = part(300, 3).adata
    rng = np.random.default_rng(0)
    hard.X = sp.csr_matrix(rng.binomial(hard.X.toarray().astype(int), 0.02).astype(np.float32))
    p_nt = fitted("celltypist").annotate(hard).p_nt
    query = ours._normalised(hard)
    with library() as celltypist:
        model = celltypist.train(ours._normalised(known.adata), labels=known.type_n)
        theirs = celltypist.annotate(query, model=model)
    best_n = theirs.predicted_labels["predicted_labels"].to_numpy(int)
    assert p_nt.max(axis=1).min() < 0.6  # some are hard to tell
    np.testing.assert_array_equal(p_nt.argmax(axis=1), best_n)
    share_nk = theirs.probability_matrix.to_numpy()
    share_nk /= share_nk.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(p_nt[:, theirs.probability_matrix.columns], share_nk, rtol=1e-6)


@needs_celltypist
@pytest.mark.slow
def test_genes_are_selected_once_for_all_penalties(monkeypatch):
    monkeypatch.setattr(ours, "TOP_GENES", 20)
    model, known = create("celltypist", {"tuning": "validation"}), lesson()
    tried = dict(model._trained(known))
    assert len(tried) == 8
    assert next(iter(tried)) == "C=1, all genes"
    mine, options = tried["C=0.1, 20 genes a type"], {"C": 0.1, "top_genes": 20}
    theirs = ours._train(
        ours._normalised(known.known.adata), labels=known.known.type_n, random_state=0,
        feature_selection=True, **options,
    )  # fmt: skip
    np.testing.assert_array_equal(mine.features, theirs.features)
    np.testing.assert_allclose(mine.classifier.coef_, theirs.classifier.coef_, atol=1e-5)
    assert model.fit(known).facts()["chosen"] in tried


@needs_celltypist
def test_celltypist_leaves_nothing_behind(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv(FOLDER, raising=False)
    for name in [one for one in sys.modules if one.partition(".")[0] == "celltypist"]:
        monkeypatch.delitem(sys.modules, name)
    root = logging.getLogger()
    before = list(root.handlers), root.level
    with library() as celltypist:
        assert celltypist.models
    assert (list(root.handlers), root.level) == before
    assert not list(tmp_path.iterdir())
    assert FOLDER not in os.environ
