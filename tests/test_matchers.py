"""Matchers: what they are shown, what they cannot know, and other people's packages among them."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp
import torch
from anndata import AnnData

from benchmarks import matchers, task_cells
from benchmarks.guard import LeakError
from benchmarks.lessons import lesson as lesson_of
from benchmarks.matchers import Blind, Lesson, create, names
from benchmarks.matchers._variable import most_variable
from benchmarks.matchers.base import PROFILE, InOneSpace
from benchmarks.task_cells import TaskCells
from benchmarks.tasks import NotRun
from benchmarks.tasks.align_adt import AlignAdt
from clip_align.markers import clr, log_normalise
from clip_align.retrieval import pair_scores
from representations.errors import InputError
from representations.keys import Obsm
from representations.threads import one_thread
from tests.absent import assert_says_so
from tests.test_alignment_task import ANTIBODIES, GENES, TINY, row, tiny, tiny_sets  # noqa: F401

N = 120
OWN_GENES = 5  # the first genes of the tiny cells are those of their antibodies
PACKAGES = {
    "matchclot": "matchclot", "maxfuse": "maxfuse", "multivi": "scvi-tools", "scglue": "scglue",
    "totalvi": "scvi-tools",
}  # fmt: skip
SHORT = {name: {"max_epochs": 2} for name in ("matchclot", "multivi", "totalvi")}
SHORT["scglue"] = {"max_epochs": 4, "balanced": False}
LINKED = ("maxfuse", "scglue")


def missing(package):
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return True
    return False


EACH = [
    pytest.param(
        name,
        marks=(
            pytest.mark.slow,
            pytest.mark.filterwarnings("ignore"),  # at their import
            pytest.mark.skipif(
                missing(package), reason=f"{package} is not installed: make matchers"
            ),
        ),
    )
    for name, package in PACKAGES.items()
]


def part(seed, n, *, kept):
    """Tiny cells whose own genes follow their antibodies."""
    found = tiny(seed, n)
    protein = found.obsm[Obsm.PROTEIN].copy()
    counts = found.X.toarray()
    counts[:, :OWN_GENES] = np.random.default_rng(seed).poisson(protein.to_numpy() / 10)
    shown = slice(None) if kept else slice(OWN_GENES, None)
    obs = pd.DataFrame(index=[f"set{seed}:{name}" for name in found.obs_names])
    adata = AnnData(sp.csr_matrix(counts[:, shown]), obs=obs)
    adata.var_names = list(GENES[shown])
    adata.obsm[Obsm.PROTEIN] = protein.set_axis(obs.index)
    adata.obsm[PROFILE] = clr(protein.to_numpy())
    return adata


def lesson(seed=0, *, kept=False, **changes):
    query = part(2, N, kept=kept)
    profiles = AnnData(query.obsm[Obsm.PROTEIN], layers={PROFILE: query.obsm[PROFILE]})
    bare = AnnData(query.X, obs=query.obs[[]], var=query.var[[]])
    given = {"train": part(0, N, kept=kept), "validation": part(1, 40, kept=kept), "query": bare}
    given |= {"profiles": profiles, "markers": ANTIBODIES, "view": "adt"}
    return Lesson(**given | changes, seed=seed)


def shuffled(given, order_n):
    return replace(given, profiles=given.profiles[order_n].copy())


@dataclass(kw_only=True)
class ByPlace(InOneSpace):
    """Takes the first profile for the first cell, and so on, or tells what it was shown."""

    epochs: int = 3

    def settings(self):
        return {"epochs": self.epochs}

    def fit(self, given):
        self.shown = given
        self.told = {"kind": "by place"}
        angle_n = np.arange(given.query.n_obs) / given.query.n_obs * 2 * np.pi
        self.cell_nd = self.profile_nd = np.stack([np.cos(angle_n), np.sin(angle_n)], axis=1)
        return self


class ByCounts(ByPlace):
    """Has the profiles as they are in place of the cells, in the order given."""

    def fit(self, given):
        super().fit(given)
        self.profile_nd = np.asarray(given.profiles.layers[PROFILE])
        self.cell_nd = np.random.default_rng(0).normal(size=self.profile_nd.shape)
        return self


def test_the_order_of_the_profiles_tells_nothing():
    given, order_n = lesson(), np.random.default_rng(5).permutation(N)
    one, two = Blind(matcher=ByCounts()).fit(given), ByCounts()
    other = Blind(matcher=two).fit(shuffled(given, order_n))
    rows = np.arange(N)
    np.testing.assert_array_equal(other.similarity(rows), one.similarity(rows)[:, order_n])
    shown = one.matcher.shown.profiles
    np.testing.assert_array_equal(two.shown.profiles.X, shown.X)
    assert not set(shown.obs_names) & set(given.query.obs_names)
    assert sorted(map(tuple, shown.X)) == sorted(map(tuple, given.profiles.X))
    np.testing.assert_array_equal(clr(shown.X), shown.layers[PROFILE])


def test_the_diagonal_is_the_true_pairs_and_place_is_worth_nothing():
    given = lesson()
    oracle = Blind(matcher=ByCounts()).fit(given)
    oracle.matcher.cell_nd = given.profiles.layers[PROFILE]  # what no matcher has
    rows = np.random.default_rng(1).choice(N, 50, replace=False)
    assert pair_scores(oracle.similarity(rows)).pair_accuracy_n.mean() > 0.99
    score = pair_scores(Blind(matcher=ByPlace()).fit(given).similarity(np.arange(N)))
    assert abs(score.pair_accuracy_n.mean() - 0.5) < 0.15


def test_equal_profiles_may_be_exchanged():
    given = lesson()
    counts_nm = np.tile(given.profiles.X[:1], (N, 1))
    same = replace(given, profiles=AnnData(counts_nm, layers={PROFILE: clr(counts_nm)}))
    assert np.isfinite(Blind(matcher=ByCounts()).fit(same).similarity(np.arange(N))).all()


def with_markers(query):
    query.obsm[Obsm.PROTEIN] = np.ones((query.n_obs, 1))


def with_types(query):
    query.obs["cell_type"] = "B"


@pytest.mark.parametrize(("spoil", "key"), [(with_markers, "protein"), (with_types, "cell_type")])
def test_a_query_that_shows_more_than_its_genes_is_a_leak(spoil, key):
    given = lesson()
    spoil(given.query)
    with pytest.raises(LeakError, match=f"more than its genes: {key}"):
        Blind(matcher=ByPlace()).fit(given)


@pytest.mark.parametrize("known", ["train", "validation"])
def test_a_query_cell_to_learn_from_is_a_leak(known):
    given = lesson()
    cells = getattr(given, known)
    cells.obs_names = [given.query.obs_names[7], *cells.obs_names[1:]]
    with pytest.raises(LeakError, match=f"the {known} cells of a matcher saw 1 test cell"):
        Blind(matcher=ByPlace()).fit(given)


@pytest.fixture
def by_place(tiny_sets, monkeypatch):  # noqa: F811
    """A matcher of ours among the others, and two tiny data sets."""
    names()
    monkeypatch.setitem(matchers.matchers._members, "by_place", ByPlace)
    return tiny_sets


@pytest.mark.parametrize("test", TINY)
def test_a_row_of_a_matcher(by_place, test):
    task = AlignAdt(TINY[0], test, 0)
    asked = row("by_place", "none", test=test)
    outcome = task.run(asked)
    value = outcome.metrics["pair_accuracy"]
    assert value.low < 0.5 < value.high
    assert outcome.facts == {"kind": "by place"}
    assert AlignAdt.config(asked)["matcher"] == {"epochs": 3}
    with pytest.raises(InputError, match="reads counts, not X_pca"):
        task.run(row("by_place", test=test))


@pytest.mark.parametrize("known", ["train", "validation"])
def test_a_leaked_test_cell_fails_the_run(by_place, monkeypatch, known):
    honest = task_cells.split

    def leaky(adata, *, seed):
        found = honest(adata, seed=seed)
        grown = np.append(getattr(found, f"{known}_index"), found.test_index[:1])
        object.__setattr__(found, f"{known}_index", grown)
        return found

    monkeypatch.setattr(task_cells, "split", leaky)
    with pytest.raises(LeakError, match="1 test cell"):
        AlignAdt(TINY[0], TINY[0], 0).run(row("by_place", "none"))


@pytest.mark.parametrize("view", ["adt", "rna"])
@pytest.mark.parametrize("panel_genes", ["removed", "kept"])
def test_a_lesson_has_the_counts_of_the_genes_that_may_be_shown(tiny_sets, view, panel_genes):  # noqa: F811
    reversed_genes = tiny_sets[TINY[1]][:, ::-1].copy()
    tiny_sets[TINY[1]] = reversed_genes
    cells = TaskCells(*TINY, 0, view=view)
    given = lesson_of(cells, panel_genes)
    genes = set(GENES) if panel_genes == "kept" else set(GENES[OWN_GENES:])
    assert set(given.train.var_names) == genes
    for one in (given.validation, given.query):
        assert one.var_names.equals(given.train.var_names)
    source = cells.query[:, given.query.var_names].X
    np.testing.assert_array_equal(given.query.X.toarray(), source.toarray())
    markers = list(ANTIBODIES if view == "adt" else cells.markers)
    assert list(given.profiles.var_names) == list(given.markers) == markers
    raw = cells.query.obsm[Obsm.PROTEIN][markers] if view == "adt" else cells.query.to_df()[markers]
    np.testing.assert_array_equal(given.profiles.X, raw.to_numpy())
    depth_n = np.asarray(cells.query.X.sum(axis=1)).ravel()
    expected = clr(raw.to_numpy()) if view == "adt" else log_normalise(raw.to_numpy(), depth_n)
    np.testing.assert_allclose(given.profiles.layers[PROFILE], expected, rtol=1e-5)
    assert given.train.obsm[Obsm.PROTEIN].shape == (given.train.n_obs, len(markers))
    assert given.train.obsm[PROFILE].shape == (given.train.n_obs, len(markers))


@pytest.mark.parametrize("name", PACKAGES)
def test_without_its_package_it_says_so(monkeypatch, name):
    assert name in names()
    said = rf"{PACKAGES[name]} is not installed: (make matchers|pip)"
    assert_says_so(monkeypatch, create(name), lesson(kept=True), said)


@pytest.mark.parametrize("name", LINKED)
def test_links_need_the_genes_of_the_markers(name):
    with pytest.raises(NotRun, match=rf"^{name} links .* with panel_genes=kept alone$"):
        create(name).fit(lesson())


def test_choosing_genes_leaves_torch_the_threads_it_had(monkeypatch):
    """Kernels of scanpy set as many as there are cores, which would then train on each other."""
    found = sc.pp.highly_variable_genes

    def theirs(*args, **kwargs):
        torch.set_num_threads(3)
        return found(*args, **kwargs)

    monkeypatch.setattr(sc.pp, "highly_variable_genes", theirs)
    rng = np.random.default_rng(0)
    counts = AnnData(sp.csr_matrix(rng.poisson(rng.gamma(1.0, size=60), size=(200, 60)) * 1.0))
    with one_thread():
        chosen_g = most_variable(counts, 7)
        assert torch.get_num_threads() == 1
    assert chosen_g.dtype == bool
    assert chosen_g.sum() == 7


def test_settings_tell_options_apart():
    assert create("totalvi", {"max_epochs": 7}).settings() != create("totalvi").settings()
    assert "told" not in create("maxfuse").settings()
    for name in ("matchclot", "multivi", "scglue", "totalvi"):
        with pytest.raises(InputError, match=f"{name}: give one epoch"):
            create(name, {"max_epochs": 0})
    with pytest.raises(InputError, match="totalvi"):
        create("totalvy")


@pytest.mark.parametrize("name", EACH)
def test_an_answer_hangs_on_the_seed_and_not_on_the_order_of_the_profiles(name):
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    rows, order_n = np.arange(N), np.random.default_rng(5).permutation(N)
    given = lesson(kept=name in LINKED)
    one, two = (
        create(name, SHORT.get(name)).fit(each) for each in (given, shuffled(given, order_n))
    )
    found = one.similarity(rows)
    assert found.shape == (N, N)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[:, order_n], two.similarity(rows), rtol=1e-9)
    few = np.array([3, 50, 7])
    if name != "matchclot":  # whose plan is of the whole pool
        np.testing.assert_allclose(one.similarity(few), found[np.ix_(few, few)], rtol=1e-5)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    assert one.facts()[PACKAGES[name]] == importlib.metadata.version(PACKAGES[name])
    other = create(name, SHORT.get(name)).fit(replace(given, seed=1))
    assert not np.allclose(other.similarity(rows), found)


@pytest.mark.parametrize("name", [each for each in EACH if each.values[0] == "totalvi"])
def test_imputed_markers_find_their_cells(name):
    given = lesson(train=part(0, 500, kept=False))
    found = create(name, {"max_epochs": 40, "samples": 5}).fit(given).similarity(np.arange(N))
    assert pair_scores(found).pair_accuracy_n.mean() > 0.6
