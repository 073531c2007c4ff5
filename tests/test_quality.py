"""Quality of representations: oracles, known answers, and nothing judged that was fitted."""

from __future__ import annotations

import time
import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.manifold import trustworthiness
from sklearn.metrics import f1_score

from representations import assess as assessing
from representations import combine, doctor, judged, quality, questions, registry, stability
from representations import report as reporting
from representations.assess import assess, folds_of
from representations.assess_config import AssessConfig
from representations.base import Coordinates
from representations.errors import InputError
from representations.held import Figure, Held
from representations.pca import Pca, PcaConfig
from representations.preprocess import PreprocessConfig
from representations.snapshot import digest, snapshot

CONFIG = PcaConfig(n_components=4, preprocess=PreprocessConfig(n_top_genes=100))
SMALL = AssessConfig(folds=3, k=5)
PAIRED = replace(SMALL, siblings=(("a", "b"),))


def cells(n: int = 240, *, seed: int = 0) -> AnnData:
    """Three types, two batches, a programme for each type."""
    rng = np.random.default_rng(seed)
    kind_n = rng.integers(3, size=n)
    rate_pg = np.random.default_rng(1).lognormal(0, 1, size=(3, 150))
    adata = AnnData(sp.csr_matrix(rng.poisson(rate_pg[kind_n]).astype(np.float32)))
    adata.obs_names = [f"c{i}" for i in range(n)]
    adata.var_names = [f"G{i}" for i in range(150)]
    adata.obs["type"] = np.array(list("abc"))[kind_n]
    adata.obs["batch"] = rng.choice(["x", "y"], n)
    return adata


@given(seed=st.integers(0, 1000), k=st.integers(1, 12))
@settings(max_examples=15, deadline=None)
def test_trustworthiness_is_that_of_sklearn(seed, k):
    rng = np.random.default_rng(seed)
    x_ng, x_nd = rng.normal(size=(50, 6)), rng.normal(size=(50, 2))
    expected = trustworthiness(x_ng, x_nd, n_neighbors=k)
    assert quality.trustworthiness(x_nd, x_ng, k).mean() == pytest.approx(expected)


def test_a_space_is_true_to_itself():
    x_nd = np.random.default_rng(0).normal(size=(60, 4))
    assert (quality.trustworthiness(x_nd, 3 * x_nd + 1, 9) == 1).all()
    near = quality.neighbours(x_nd, 9)
    assert (quality.recall(near, near) == 1).all()
    assert not (near == np.arange(60)[:, None]).any()
    with pytest.raises(ValueError, match="k=30 for 60 cells"):
        quality.trustworthiness(x_nd, x_nd, 30)


def test_effective_rank_known_answers():
    rng = np.random.default_rng(0)
    assert quality.effective_rank(rng.normal(size=(5000, 7))) == pytest.approx(7, abs=0.02)
    line = np.outer(rng.normal(size=50), [1, 2, 3])
    assert quality.effective_rank(line) == pytest.approx(1, abs=1e-6)
    assert quality.effective_rank(np.ones((9, 3))) == 1
    x_nd = rng.normal(size=(40, 3))
    twice = quality.effective_rank(np.r_[x_nd, x_nd[:10]])
    weighed = quality.effective_rank(x_nd, np.r_[np.full(10, 2.0), np.ones(30)])
    assert weighed == pytest.approx(twice)


def test_lisi_counts_batches_that_are_mixed():
    rng = np.random.default_rng(0)
    x_nd, batch = rng.normal(size=(900, 2)), np.tile(["x", "y", "z"], 300)
    assert 2.5 < quality.lisi(x_nd, batch).mean() < 3  # 30 neighbours do not see exact thirds
    apart = x_nd + 100 * (batch == "x")[:, None] + 500 * (batch == "y")[:, None]
    np.testing.assert_allclose(quality.lisi(apart, batch), 1.0)


def test_gaussian_weights_have_the_perplexity():
    distance = np.sort(np.random.default_rng(0).gamma(2, size=(20, 90)), axis=1)
    weight = quality.gaussian_weights(distance, 30.0)
    np.testing.assert_allclose(weight.sum(axis=1), 1)
    np.testing.assert_allclose(np.exp(-(weight * np.log(weight)).sum(axis=1)), 30.0, rtol=1e-6)


def test_procrustes_knows_rotation_and_nothing():
    rng = np.random.default_rng(0)
    x_nd = rng.normal(size=(400, 4))
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    assert quality.procrustes_fit(x_nd, -3 * x_nd @ turn + 5) == pytest.approx(1)
    assert quality.procrustes_fit(x_nd, rng.normal(size=(400, 4))) < 0.1
    assert quality.procrustes_fit(x_nd[:, :2], x_nd) < 1
    assert quality.procrustes_fit(x_nd, np.ones((400, 4))) == 0


def test_folds_cover_every_cell_once_whatever_the_order():
    adata = cells()
    parts = folds_of(adata, SMALL)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(240))
    turned = adata[::-1]
    for one, other in zip(parts, folds_of(turned, SMALL), strict=True):
        assert set(adata.obs_names[one]) == set(turned.obs_names[other])
    with pytest.raises(InputError, match="give at least 60"):
        assess(adata[:40], ["pca"], config=SMALL)


def test_no_judged_cell_is_in_a_fit(monkeypatch):
    """Between two places of cells, every fit leaves those cells out."""
    fitted, placed_by = [], []
    honest_fit, honest_place = Pca.fit_transform, Pca.place

    def fit_transform(self, adata):
        fitted.append(set(adata.obs_names))
        return honest_fit(self, adata)

    def place(self, adata, **options):
        placed_by.append((set(adata.obs_names), fitted[-1]))
        return honest_place(self, adata, **options)

    monkeypatch.setattr(Pca, "fit_transform", fit_transform)
    monkeypatch.setattr(Pca, "place", place)
    assess(cells(), ["pca"], config=SMALL, configs={"pca": CONFIG})
    assert len(placed_by) == 9  # three fits a fold, two of them for stability
    for placed, seen in placed_by:
        assert placed
        assert not placed & seen


def placed_cells(monkeypatch) -> list[list[str]]:
    """Names of the cells that are placed, in the order of a table's making."""
    placed, honest_place = [], Pca.place

    def place(self, adata, **options):
        placed.append(list(adata.obs_names))
        return honest_place(self, adata, **options)

    monkeypatch.setattr(Pca, "place", place)
    return placed


def test_cells_are_judged_whatever_their_place_in_the_file(monkeypatch):
    """Two batches, one after the other: a fold judges both, and the same cells read backwards."""
    adata = cells()
    adata.obs["batch"] = np.repeat(["x", "y"], 120)
    config, placed = replace(SMALL, cells=40), placed_cells(monkeypatch)
    options = {"labels": "type", "batch": "batch", "config": config, "configs": {"pca": CONFIG}}
    table = assess(adata, ["pca"], **options)
    forward = list(placed)
    placed.clear()
    turned = assess(adata[::-1].copy(), ["pca"], **options)
    assert placed == forward
    for names in forward:
        shares = adata.obs.loc[names, "batch"].value_counts(normalize=True)
        assert len(names) == 40
        assert shares.min() > 0.25
    pd.testing.assert_frame_equal(table, turned, rtol=1e-3)
    assert table.set_index("metric").loc["reached", "n"] == 120
    assert "Judged: 120 held-out cells in 3 folds" in reporting.markdown(table)


def test_a_table_of_true_types_is_better_than_one_of_shuffled_types():
    adata = cells()
    adata.obs["noise"] = np.random.default_rng(5).permutation(adata.obs["type"])
    options = {"config": PAIRED, "configs": {"pca": CONFIG}}
    true = assess(adata, ["pca"], labels="type", batch="batch", **options).set_index("metric")
    false = assess(adata, ["pca"], labels="noise", **options).set_index("metric")
    for metric in ("purity", "probe_macro_f1", "purity[a|b]"):
        assert true.loc[metric, "low"] > 0.8 > false.loc[metric, "high"], metric
        assert true.loc[metric, "low"] <= true.loc[metric, "value"] <= true.loc[metric, "high"]
    shuffled = false.loc["purity"]  # within four standard errors
    assert abs(shuffled["value"] - shuffled["chance"]) < shuffled["high"] - shuffled["low"]
    assert true.loc["reached", "value"] == 1
    assert true.loc["ilisi", "value"] > 0.7
    assert true.loc["bras", "value"] > 0.7
    assert true.loc["purity", "n"] == 240
    for name in "abc":
        figure = true.loc[f"purity_of[{name}]"]
        assert figure["low"] > 0.8 > 0.5 > figure["chance"]
        assert figure["n"] == (adata.obs["type"] == name).sum()
    assert "ilisi" not in false.index


def test_stability_is_of_seeds_and_of_subsamples_and_knows_a_fit_that_is_not():
    adata = cells()
    honest = assess(adata, ["pca"], config=SMALL, configs={"pca": CONFIG}).set_index("metric")
    for kind in stability.KINDS:
        assert honest.loc[f"aligned_stability[{kind}]", "low"] > 0.7
        near = honest.loc[f"neighbour_stability[{kind}]"]
        assert near["low"] > 3 * near["chance"]

    class Restless(Pca):
        """Another space with every seed."""

        def _fit(self, adata):
            placed, facts = super()._fit(adata)
            rng = np.random.default_rng(self.config.seed)
            self.loadings_hd = rng.normal(size=self.loadings_hd.shape).astype(np.float32)
            return placed, facts

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "get", lambda name: Restless)
        whole = {"pca": PcaConfig(n_components=4)}  # of all genes, so that a draw changes none
        found = assess(adata, ["pca"], config=SMALL, configs=whole).set_index("metric")
    for figure in ("aligned_stability", "neighbour_stability"):
        seed, cells_alone = (found.loc[f"{figure}[{x}]", "value"] for x in stability.KINDS)
        assert seed < 0.8 < 0.9 < cells_alone  # the same seed, the same directions


def test_reseeding_reaches_every_seed_and_nothing_else():
    config = registry.get("integrated").Config(blocks=("pca", "diffmap"))
    other = stability.reseeded(config)
    assert other.configs["pca"].seed == 1
    assert (other.configs["diffmap"].seed, other.configs["diffmap"].pca.seed) == (1, 1)
    assert other.blocks == config.blocks
    assert other.configs["pca"].preprocess == config.configs["pca"].preprocess


def test_chance_is_what_dealing_anew_scores():
    rng = np.random.default_rng(0)
    x_nd, x_ng = rng.normal(size=(300, 5)), rng.normal(size=(300, 20))
    found = quality.trustworthiness(x_nd, x_ng, 15).mean()
    assert found == pytest.approx(quality.chance_trustworthiness(300, 15), abs=0.02)
    types_n = rng.choice(list("aabc"), 300)
    placed = Coordinates(x_nd=x_nd, reached_n=np.ones(300, dtype=bool))
    held = Held(placed=placed, expression_ng=x_ng, types_n=types_n, batch_n=types_n)
    for name, figure in judged.figures(held, k=15, folds=3, seed=0).items():
        if figure.chance is not None:
            value = figure.combine(figure.values_n, np.ones(len(figure.values_n)))
            assert value == pytest.approx(figure.chance, abs=0.07), name


def test_macro_f1_is_that_of_sklearn():
    rng = np.random.default_rng(0)
    both_n, weight_n = rng.integers(5, size=(60, 2)), rng.exponential(size=60)
    both_n[both_n[:, 0] == 3, 0] = 2  # a label that is only said
    expected = f1_score(*both_n.T, average="macro", sample_weight=weight_n, zero_division=0)
    assert combine.macro_f1(both_n, weight_n) == pytest.approx(expected)


def test_a_weighted_median_is_that_of_repeated_values():
    values_n, weight_n = np.array([3.0, 1.0, 2.0, 9.0]), np.array([1.0, 2.0, 1.0, 4.0])
    expected = np.median(np.repeat(values_n, weight_n.astype(int)))
    assert combine.median(values_n, weight_n) == expected


@pytest.mark.parametrize(
    ("labels", "siblings", "said"),
    [
        ("kind", (), "obs has no column 'kind'"),
        ("empty", (), "obs\\['empty'\\] is empty"),
        (None, (("a", "b"),), "siblings are types, and no labels"),
        ("type", (("a", "bb"),), "'bb' is no type of obs\\['type'\\] \\(is it 'b'"),
        ("type", (("a", "b"), ("c", "c")), "c twice"),
    ],
)
def test_what_cannot_be_judged_is_one_line(labels, siblings, said):
    adata = cells()
    adata.obs["empty"] = np.nan
    with pytest.raises(InputError, match=said) as error:
        assess(adata, ["pca"], labels=labels, config=replace(SMALL, siblings=siblings))
    assert "\n" not in str(error.value)


def held_out(types_n, *, batch_n=None, n: int = 90) -> Held:
    """Three clouds apart, a type each."""
    rng = np.random.default_rng(0)
    x_nd = rng.normal(size=(n, 4)) + 9 * np.eye(4)[np.arange(n) % 3]
    placed = Coordinates(x_nd=x_nd, reached_n=np.arange(n) != 7)
    return Held(
        placed=placed, expression_ng=x_nd, types_n=types_n, batch_n=batch_n,
        siblings=[(frozenset("a"), frozenset("b"), "a|b")],
    )  # fmt: skip


@pytest.mark.parametrize("nothing", [np.nan, None, pd.NA])
def test_cells_without_a_type_are_no_type_and_judge_none(nothing):
    """They are among no neighbours either: the labelled cells alone have the same figures."""
    types_n = np.array(list("abc") * 30, dtype=object)
    batch_n = np.array(list("xxyyy") * 18, dtype=object)
    types_n[::4] = nothing
    whole = held_out(types_n, batch_n=batch_n)
    known_n = ~pd.isna(types_n)
    alone = replace(
        whole, types_n=types_n[known_n], batch_n=batch_n[known_n],
        expression_ng=whole.expression_ng[known_n],
        placed=Coordinates(
            x_nd=whole.placed.x_nd[known_n], reached_n=whole.placed.reached_n[known_n]
        ),
    )  # fmt: skip
    found, expected = (judged.figures(held, k=5, folds=3, seed=0) for held in (whole, alone))
    assert found.keys() == expected.keys()
    typed = {"purity", "probe_macro_f1", "purity[a|b]", "bras", "graph_connectivity"}
    assert {m for m in found if m.startswith("purity_of")} == {f"purity_of[{t}]" for t in "abc"}
    for name in (*(typed - {"bras"}), "purity_of[a]"):
        np.testing.assert_array_equal(found[name].values_n, expected[name].values_n)
        assert found[name].chance == expected[name].chance
    reached = np.flatnonzero(whole.placed.reached_n)
    for name in typed:
        assert known_n[reached[found[name].rows]].all()
    assert len(found["neighbour_recall"].values_n) == 89  # of all cells, as before


def test_a_cell_without_a_batch_is_of_no_batch():
    batch_n = np.array(list("xxyyy") * 18, dtype=object)
    batch_n[::4] = np.nan
    found = judged.figures(held_out(None, batch_n=batch_n), k=5, folds=3, seed=0)
    known = int((~pd.isna(batch_n)).sum()) - 1  # less one out of reach, which has a batch
    assert len(found["ilisi"].values_n) == len(found["pcr_comparison"].values_n) == known


def test_a_healthy_representation_passes_the_doctor():
    checks = doctor.examine("pca", cells(), config=CONFIG)
    assert [check.name for check in checks if not check.ok] == []
    assert len(checks) == len(questions.QUESTIONS) + 3
    said = "\n".join(doctor.lines(checks))
    assert "FAULT" not in said
    assert "cells/s placed" in said


class Sick(Pca):
    """A fault at a time."""

    name = "sick"
    fault = ""

    def fit_transform(self, adata):
        x_nd = super().fit_transform(adata)
        if self.fault == "record names the cells":  # one that was never shown
            self._record = replace(self._record, cells=(*self._record.cells[1:], "c1", "c0"))
        if self.fault == "memory of a fit":
            self.hoard = np.ones(50_000_000)
        return x_nd.astype(np.float64) if self.fault == "shapes" else x_nd

    def _fit(self, adata):
        placed, facts = super()._fit(adata)
        if self.fault == "input untouched":
            adata.obs["mine"] = 1
        if self.fault == "repeatable":
            self.loadings_hd = self.loadings_hd * np.float32(np.random.default_rng().uniform(1, 2))
        if self.fault == "labels declared":
            first = (adata.obs["type"] == "a").to_numpy()[:50].sum()
            self.loadings_hd = self.loadings_hd * np.float32(first)
        if self.fault == "speed of a fit":
            time.sleep(0.5)
        return placed, facts

    def _place(self, adata, statistics):
        placed = super()._place(adata, statistics)
        if self.fault == "finite":
            placed.x_nd[:1] = np.nan
        if self.fault == "transform agrees with fit":
            placed.x_nd[:] = placed.x_nd * 2
        if self.fault == "cells stand alone" and len(placed.x_nd):
            placed.x_nd[:] -= placed.x_nd[0]
        if self.fault == "flags and confidence":
            return replace(placed, confidence_n=np.full(len(placed.x_nd), 1.5))
        if self.fault == "no cells" and not len(placed.x_nd):
            return replace(placed, x_nd=np.zeros((0, 1)))
        if self.fault == "placing teaches nothing":  # it adapts to whatever it is shown
            self.centre_h = self.centre_h + np.float32(1e-3)
        if self.fault == "speed of placing":
            time.sleep(0.2)
        return placed

    def _state(self):
        return {} if self.fault == "save and load" else super()._state()


FAULTS = (*questions.QUESTIONS, "speed of a fit", "speed of placing", "memory of a fit")


@pytest.mark.parametrize("fault", FAULTS)
def test_the_doctor_finds_every_fault_it_asks_about(monkeypatch, fault):
    limits = {"PLACED_PER_S": 400.0, "FITTED_PER_S": 400.0, "MEGABYTES": 300.0}
    for limit, value in limits.items():  # of a block as small as this
        monkeypatch.setattr(doctor, limit, value)
    monkeypatch.setattr(registry, "get", lambda name: Sick)
    healthy = doctor.examine("sick", cells(), config=CONFIG)
    assert [check.name for check in healthy if not check.ok] == []
    monkeypatch.setattr(Sick, "fault", fault)
    checks = doctor.examine("sick", cells(), config=CONFIG)
    assert fault in [check.name for check in checks if not check.ok]


def found_in(name: str, adata: AnnData, config=CONFIG) -> dict[str, doctor.Check]:
    return {check.name: check for check in doctor.examine(name, adata, config=config)}


class Labelled(Pca):
    """Reads what it does not need; declares what it is told to."""

    name = "labelled"
    reads, declared = "type", ()

    def _fit(self, adata):
        placed, facts = super()._fit(adata)
        value = (adata.obs == "a")[["type"]] if self.reads == "type" else adata.obsm[self.reads]
        first = np.asarray(value[:50].sum(axis=0)).item()
        self.loadings_hd = self.loadings_hd * np.float32(1 + first / 100)
        return placed, {**facts, "labels_used": self.declared}


@pytest.mark.parametrize("kind", [np.asarray, pd.DataFrame, sp.csr_matrix])
@pytest.mark.parametrize(
    ("reads", "declared", "ok"),
    [
        ("type", ("type",), True),
        ("type", ("roots", "type"), True),
        ("type", ("batch",), False),
        ("type", ("roots",), False),
        ("protein", ("type",), False),
        ("protein", ("protein",), True),
    ],
)
def test_a_declared_label_excuses_no_other(monkeypatch, kind, reads, declared, ok):
    adata = cells()
    adata.obs["type"] = adata.obs["type"].astype("category")
    protein_nd = np.random.default_rng(0).normal(size=(240, 1))
    adata.obsm["protein"] = (
        pd.DataFrame(protein_nd, index=adata.obs_names) if kind is pd.DataFrame
        else kind(protein_nd)
    )  # fmt: skip
    monkeypatch.setattr(registry, "get", lambda name: Labelled)
    monkeypatch.setattr(Labelled, "reads", reads)
    monkeypatch.setattr(Labelled, "declared", declared)
    answer = found_in("labelled", adata)["labels declared"]
    assert answer.ok == ok, answer.found


def test_a_fit_is_shown_nothing_but_its_own_cells(monkeypatch):
    """What a block says of all its cells together does not reach the fit."""
    shown, honest = [], Pca._fit

    def fit(self, adata):
        shown.append(adata)
        return honest(self, adata)

    monkeypatch.setattr(Pca, "_fit", fit)
    adata = cells()
    adata.raw = adata
    adata.uns["everyone"] = list(adata.obs_names)
    adata.var["mean"] = np.asarray(adata.X.mean(axis=0)).ravel()
    adata.varm["loadings"] = np.ones((150, 2))
    adata.obsp["near"] = sp.eye_array(240, format="csr")
    adata.layers["counts"] = adata.X.copy()
    adata.obs["own"] = pd.Categorical(adata.obs_names)
    assert all(check.ok for check in found_in("pca", adata).values())
    for train in shown:
        assert train.raw is None
        assert not any(map(len, (train.uns, train.var.columns, train.varm, train.obsp)))
        assert set(train.obs["own"].cat.categories) == set(train.obs_names)
        assert (train.layers["counts"] != train.X).nnz == 0
        assert 0 < train.n_obs < 240


def changes():
    """Ways to change a block, by the part that each changes."""

    def entry(x):
        x.data[0] += 1

    return {
        "X": lambda a: entry(a.X), "obs": lambda a: a.obs.__setitem__("type", "a"),
        "var": lambda a: a.var.__setitem__("mine", 1.0), "uns": lambda a: a.uns.update(mine=1),
        "layers": lambda a: entry(a.layers["counts"]),
        "obsm": lambda a: a.obsm["protein"].__setitem__((3, 1), 9),
        "varm": lambda a: a.varm.__setitem__("mine", np.ones((150, 1))),
        "obsp": lambda a: a.obsp.__setitem__("mine", sp.eye_array(240, format="csr")),
    }  # fmt: skip


@pytest.mark.parametrize("part", changes())
def test_a_snapshot_sees_what_has_changed_and_nothing_else(part):
    adata = cells()
    adata.layers["counts"] = adata.X.copy()
    adata.obsm["protein"] = np.zeros((240, 2))
    before = snapshot(adata)
    assert snapshot(adata) == before == snapshot(adata.copy())
    changes()[part](adata)
    after = snapshot(adata)
    assert [name for name in before if before[name] != after[name]] == [part]


@pytest.mark.parametrize(
    "values",
    [
        np.array([[i] for i in range(5000)] + [None], dtype=object),
        pd.Series(np.arange(5000)),
        pd.DataFrame({"lists": [[i] for i in range(5000)]}),
    ],
    ids=["objects", "series", "lists in a table"],
)
def test_a_digest_sees_the_middle_of_what_a_repr_shortens(values):
    changed = values.copy()
    where = changed if isinstance(changed, np.ndarray) else changed.iloc
    where[2500] = where[2499]
    assert digest(values) == digest(values.copy()) != digest(changed)


def test_a_digest_sees_the_order_of_categories():
    first, second = (
        pd.DataFrame({"x": pd.Categorical(["a"], c)}) for c in (["a", "b"], ["b", "a"])
    )
    assert digest(first) != digest(second)


def test_a_snapshot_makes_nothing_dense():
    """A dense copy of this block would be 3 GB."""
    each = np.arange(30_000)
    x_ng = sp.csr_matrix((np.ones(30_000, np.float32), (each, each % 25_000)))
    adata = AnnData(x_ng)
    tracemalloc.start()
    snapshot(adata)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6


@pytest.mark.parametrize(("exact", "off", "ok"), [(1, 1e-3, 0), (0, 1e-3, 1), (1, 1e-6, 1)])
def test_an_exact_representation_is_held_to_exactness(monkeypatch, exact, off, ok):
    honest = Pca._place

    def beside(self, adata, statistics):
        placed = honest(self, adata, statistics)
        return replace(placed, x_nd=placed.x_nd + off * placed.x_nd.std(axis=0))

    assert Pca.exact
    monkeypatch.setattr(Pca, "exact", bool(exact))
    assert found_in("pca", cells())["transform agrees with fit"].ok
    monkeypatch.setattr(Pca, "_place", beside)
    assert found_in("pca", cells())["transform agrees with fit"].ok == bool(ok)


def test_one_cell_that_ruins_a_column_is_found(monkeypatch):
    """The few cells that the bound on deviations leaves out may not turn a column round."""
    monkeypatch.setattr(Pca, "exact", False)
    honest = Pca._place

    def outliers(self, adata, statistics):
        placed = honest(self, adata, statistics)
        if len(placed.x_nd) > 100:
            placed.x_nd[0] = -50 * np.abs(placed.x_nd).max()
        return placed

    monkeypatch.setattr(Pca, "_place", outliers)
    agreement = found_in("pca", cells())["transform agrees with fit"]
    assert not agreement.ok
    within = float(agreement.found.split("within ")[1].split()[0])
    assert within <= questions.AGREES  # by that bound alone it would pass


def test_the_interval_of_a_rank_holds_its_value():
    x_nd = np.random.default_rng(0).normal(size=(80, 30))
    figure = Figure(values_n=x_nd, combine=quality.effective_rank)
    found = assessing._estimate([figure], SMALL)
    assert found["low"] < found["value"] < found["high"]


def test_every_replicate_is_of_the_same_cells():
    figure = Figure(values_n=np.full(30, 0.25), combine=combine.mean)
    found = assessing._estimate([figure, figure], SMALL)
    assert found["value"] == pytest.approx(found["low"]) == pytest.approx(found["high"]) == 0.25
    assert (found["n"], found["folds"]) == (60, 2)
