"""Tables of quality: nothing judged that was fitted, known answers, and honest intervals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from representations import assess as assessing
from representations import combine, quality, registry, stability
from representations import report as reporting
from representations.assess import assess, folds_of
from representations.assess_config import AssessConfig
from representations.errors import InputError
from representations.held import Figure
from representations.pca import Pca, PcaConfig
from tests.three_types import CONFIG, cells

SMALL = AssessConfig(folds=3, k=5)
PAIRED = replace(SMALL, siblings=(("a", "b"),))


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
