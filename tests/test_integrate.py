"""One space for all blocks: shares, bounds, gaps and corrections that are what they are said to be.

Blocks of other people stand in for the project's own: they read chosen genes and can be made to
lose cells.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from anndata import AnnData
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import iqr, ortho_group

from representations import registry
from representations.base import Coordinates, Representation
from representations.block_weights import pair_accuracy, tune_weights
from representations.coverage import missing_blocks
from representations.errors import InputError
from representations.integrate import Integrated
from representations.integrated_config import IntegratedConfig
from representations.pca import PcaConfig
from representations.preprocess import PreprocessConfig
from representations.robust import Scale, match_columns, spread

N, G = 200, 12


@dataclass(frozen=True, kw_only=True)
class GenesConfig:
    """Columns ``first`` to ``last``, times ``factor``, plus ``offset``."""

    first: int = 0
    last: int = 4
    factor: float = 1.0
    offset: float = 0.0
    lost: tuple[str, ...] = ()
    label: str | None = None


class Genes(Representation):
    """Some genes as they are; a cell named in ``lost`` is not reached."""

    name = "mine"
    Config = GenesConfig

    def _fit(self, adata: AnnData) -> tuple[Coordinates, dict[str, Any]]:
        self.seen = np.array([adata.n_obs])
        label = self.config.label
        return self._place(adata, "train"), {"labels_used": (label,) if label else ()}

    def _place(self, adata: AnnData, statistics: str) -> Coordinates:
        c = self.config
        x_nd = adata.X[:, c.first : c.last] * c.factor + c.offset + 100 * (statistics == "own")
        reached_n = ~np.isin(adata.obs_names, c.lost)
        x_nd[~reached_n] = 0
        return Coordinates(x_nd=x_nd, reached_n=reached_n, confidence_n=0.5 * reached_n)

    def _state(self) -> dict[str, np.ndarray]:
        return {"seen": self.seen}

    def _load_state(self, state: dict[str, np.ndarray]) -> None:
        self.seen = state["seen"]


class Others(Genes):
    """The same under another name."""

    name = "yours"


@pytest.fixture(autouse=True)
def third_parties(monkeypatch):
    registry.names()
    for cls in (Genes, Others):
        monkeypatch.setitem(registry._FAMILY._members, cls.name, cls)


def cells(n: int = N, *, seed: int = 0) -> AnnData:
    x_ng = np.random.default_rng(seed).normal(3, 1, (n, G)).astype(np.float32) * np.arange(1, G + 1)
    adata = AnnData(x_ng)
    adata.obs_names = [f"c{seed}_{i}" for i in range(n)]
    return adata


def config(mine: Any = None, yours: Any = None, **more: Any) -> IntegratedConfig:
    blocks = {"mine": mine or GenesConfig(), "yours": yours or GenesConfig(first=4, last=G)}
    return IntegratedConfig(blocks=("mine", "yours"), configs=blocks, **more)


def shares(x_nd: np.ndarray) -> np.ndarray:
    var_d = x_nd.var(axis=0, dtype=np.float64)
    return np.array([var_d[:4].sum(), var_d[4:].sum()]) / var_d.sum()


def line(error: pytest.ExceptionInfo[InputError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


@settings(max_examples=15, deadline=None)
@given(st.floats(0, 50), st.floats(0.01, 50))
def test_weights_are_shares_of_the_variance(mine, yours):
    rep = Integrated(config(weights={"mine": mine, "yours": yours}))
    x_nd = rep.fit_transform(cells())
    expected = np.array([mine, yours]) / (mine + yours)
    np.testing.assert_allclose(shares(x_nd), expected, atol=1e-5)
    np.testing.assert_allclose(list(rep.record.facts["variance_shares"].values()), expected)


@pytest.mark.parametrize(("rule", "mine"), [("leading", 8 / 9), ("columns", 4 / G), ("equal", 0.5)])
def test_a_rule_gives_the_shares_and_a_column_has_variance_one_on_average(rule, mine):
    rep = Integrated(config(weights=rule))
    x_nd = rep.fit_transform(cells())
    np.testing.assert_allclose(shares(x_nd), [mine, 1 - mine], atol=1e-6)
    np.testing.assert_allclose(x_nd.var(axis=0).mean(), 1, rtol=1e-5)
    assert rep.record.facts["weights"] == pytest.approx({"mine": mine, "yours": 1 - mine})
    assert (rule == "leading") == (Integrated(config()).config == rep.config)


@pytest.mark.parametrize("factor", [1e-5, 30.0])
def test_the_units_of_a_block_do_not_matter(factor):
    plain = Integrated(config()).fit(cells())
    other = Integrated(config(yours=GenesConfig(first=4, last=G, factor=factor, offset=factor)))
    other.fit(cells())
    np.testing.assert_allclose(
        other.transform(cells(seed=1)), plain.transform(cells(seed=1)), atol=1e-4
    )


def test_columns_are_named_by_block():
    record = Integrated(config(mine=GenesConfig(last=2))).fit(cells()).record
    assert record.columns[:3] == ("mine_0", "mine_1", "yours_0")
    assert record.backend == "mine: numpy; yours: numpy"


@pytest.mark.parametrize("asked", [True, False])
def test_a_block_shows_its_progress_where_that_is_asked_for(asked):
    rep = Integrated(config())
    rep.progress = asked
    rep.fit(cells())
    assert [part.progress for part in rep.parts.values()] == [asked, asked]


def test_labels_of_any_block_are_said():
    rep = Integrated(config(mine=GenesConfig(label="type"), yours=GenesConfig(label="lineage")))
    assert rep.fit(cells()).record.labels_used == ("lineage", "type")


def test_a_cell_one_block_cannot_reach_keeps_the_other():
    lost = ("c1_0", "c1_1")
    blocks = {"mine": GenesConfig(lost=lost), "yours": GenesConfig(lost=lost[1:])}
    rep = Integrated(config(**blocks, weights="equal")).fit(cells())
    placed = rep.place(cells(5, seed=1))
    np.testing.assert_array_equal(placed.reached_n, [True, False, True, True, True])
    assert not placed.x_nd[0, :4].any()
    assert placed.x_nd[0, 4:].all()
    assert not placed.x_nd[1].any()
    np.testing.assert_allclose(placed.confidence_n, [0.25, 0, 0.5, 0.5, 0.5])


def test_lost_training_cells_count_as_the_median():
    adata = cells()
    lost = GenesConfig(lost=tuple(adata.obs_names[:50]))
    rep = Integrated(config(mine=lost, weights="equal"))
    x_nd = rep.fit_transform(adata)
    assert not x_nd[:50, :4].any()
    np.testing.assert_allclose(np.median(x_nd[50:, :4], axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(shares(x_nd), 0.5, atol=1e-6)
    assert rep.record.facts["unreached"] == {"mine": 50, "yours": 0}


def test_values_out_of_bounds_are_clipped_and_counted():
    rep = Integrated(config(clip=5, weights="equal")).fit(cells())
    query = cells(6, seed=1)
    home = rep.place(query)
    query.X[1, 0], query.X[2, :3], query.X[3, 7] = 1e6, -1e6, 1e6
    placed = rep.place(query)
    np.testing.assert_array_equal(rep.clipped(query), [0, 1, 3, 1, 0, 0])
    scale = rep.scales["mine"]
    z_nd = rep.blocks(query)["mine"] * scale.norm / scale.keep_d
    np.testing.assert_allclose([z_nd[1, 0], z_nd[2, 0]], [5, -5], rtol=1e-5)
    np.testing.assert_array_equal(placed.x_nd[[0, 4, 5]], home.x_nd[[0, 4, 5]])
    expected = 0.5 * np.array([1, 1 - 0.5 / 4, 1 - 0.5 * 3 / 4, 1 - 0.5 / 8, 1, 1])
    np.testing.assert_allclose(placed.confidence_n, expected, rtol=1e-6)
    assert rep.record.facts["clipped_share"] == {"mine": 0.0, "yours": 0.0}


def test_a_fit_of_what_is_no_block_is_refused():
    with pytest.raises(InputError, match="fitted: mine is none of the blocks yours"):
        Integrated(IntegratedConfig(blocks=("yours",)), fitted={"mine": Genes().fit(cells())})


def test_what_was_clipped_is_said_of_every_query():
    rep, query = Integrated(config(clip=3.0)).fit(cells()), cells(50, seed=1)
    query.X[:7, 0] = 1e6
    rep.annotate(query)
    (note,) = [note for note in query.uns["X_integrated"]["notes"] if "'mine'" in note]
    assert "of 200 values" in note
    assert "clipped to 3 robust deviations" in note
    assert Integrated(config(clip=1e9)).fit(cells()).place(query).notes == ()


def test_a_block_that_cannot_place_a_query_is_left_out_where_that_is_allowed(monkeypatch):
    rep, query = Integrated(config()).fit(cells()), cells(50, seed=1)
    whole = rep.place(query)

    def cannot(*_: object) -> Coordinates:
        raise InputError("no counts here")

    monkeypatch.setattr(rep.parts["yours"], "_place", cannot)
    with pytest.raises(InputError, match="block 'yours': no counts here"):
        rep.place(query)
    with missing_blocks():
        placed = rep.place(query)
    np.testing.assert_array_equal(placed.x_nd[:, :4], whole.x_nd[:, :4])
    assert not placed.x_nd[:, 4:].any()
    assert placed.reached_n.all()
    assert (placed.confidence_n < whole.confidence_n).all()
    assert any("'yours' is missing" in note and "no counts here" in note for note in placed.notes)
    monkeypatch.setattr(rep.parts["mine"], "_place", cannot)
    with missing_blocks(), pytest.raises(InputError, match="no counts here"):
        rep.place(query)


def test_own_columns_undo_a_shift_and_a_stretch():
    rep = Integrated(config(own="columns")).fit(cells())
    query = cells()
    query.X = query.X * np.arange(1, G + 1, dtype=np.float32) - 7
    np.testing.assert_allclose(
        rep.transform(query, statistics="own"), rep.transform(cells()), atol=1e-4
    )
    assert np.abs(rep.transform(query) - rep.transform(cells())).max() > 1
    np.testing.assert_allclose(
        rep.transform(cells(), statistics="own"), rep.transform(cells()), atol=1e-5
    )


@pytest.mark.parametrize(("own", "moved"), [("genes", True), ("columns", False), ("both", False)])
def test_own_says_what_is_taken_from_the_query(own, moved):
    """The stand-in adds 100 when its own statistics are asked for; matched columns take it out."""
    rep = Integrated(config(own=own)).fit(cells())
    found_nd = rep.transform(cells(), statistics="own")
    assert (np.abs(found_nd - rep.transform(cells())).max() > 1) == moved


def test_unreached_and_single_cells_are_not_matched():
    scale = Scale.fit(Coordinates(x_nd=np.eye(4), reached_n=np.ones(4, dtype=bool)), 10)
    one = Coordinates(x_nd=np.eye(4)[:2], reached_n=np.array([True, False]))
    assert match_columns(one, scale) is one
    two = Coordinates(x_nd=np.diag([5.0, 0, 3, 1]), reached_n=np.array([True, False, True, True]))
    assert not match_columns(two, scale).x_nd[1].any()


def test_blocks_come_back_from_one_folder(tmp_path):
    adata = cells()
    rep = Integrated(config(mine=GenesConfig(lost=("c0_3",)), weights={"mine": 2, "yours": 1}))
    rep.fit(adata).save(tmp_path)
    loaded = registry.load(tmp_path)
    assert loaded.config == rep.config
    assert loaded.parts["mine"].config == GenesConfig(lost=("c0_3",))
    assert loaded.parts["mine"].seen == [N]
    assert loaded.parts["mine"].record == rep.parts["mine"].record
    np.testing.assert_array_equal(loaded.transform(adata), rep.transform(adata))
    np.testing.assert_array_equal(loaded.clipped(adata), rep.clipped(adata))


def test_a_nested_config_survives_json(tmp_path):
    pca = PcaConfig(n_components=2, preprocess=PreprocessConfig(exclude=("1", "2")))
    adata = cells()
    adata.X = np.abs(np.rint(adata.X))
    rep = Integrated(IntegratedConfig(blocks=("pca", "mine"), configs={"pca": pca})).fit(adata)
    rep.save(tmp_path)
    assert Integrated.load(tmp_path).config == rep.config
    assert Integrated.load(tmp_path).config.configs["mine"] == GenesConfig()
    assert {"1", "2"}.isdisjoint(rep.genes)


def test_reweighting_is_fitting_with_these_weights():
    rep = Integrated(config()).fit(cells())
    before_nd = rep.transform(cells(seed=1))
    other = rep.reweighted({"mine": 3, "yours": 1}, tuned_on=["v1", "v2"])
    fresh = Integrated(config(weights={"mine": 3, "yours": 1})).fit(cells())
    np.testing.assert_array_equal(other.transform(cells(seed=1)), fresh.transform(cells(seed=1)))
    assert other.config == fresh.config
    assert other.record.params == fresh.record.params
    assert other.record.facts == {**fresh.record.facts, "tuned_on": ["v1", "v2"]}
    other.fit(cells(50, seed=2))
    np.testing.assert_array_equal(rep.transform(cells(seed=1)), before_nd)
    assert "tuned_on" not in rep.record.facts


def test_a_weight_of_zero_leaves_zeros():
    rep = Integrated(config(weights={"yours": 1})).fit(cells())
    x_nd = rep.transform(cells())
    assert not x_nd[:, :4].any()
    np.testing.assert_allclose(x_nd[:, 4:].var(axis=0).mean(), 1, rtol=1e-5)


def test_a_block_that_never_varies_gives_zeros_and_no_share():
    rep = Integrated(config(mine=GenesConfig(factor=0.0, offset=3.3))).fit(cells())
    assert not rep.transform(cells())[:, :4].any()
    assert rep.record.facts["variance_shares"] == {"mine": 0.0, "yours": 1.0}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"blocks": ()}, "at least one block"), ({"blocks": ("pca", "pca")}, "each once"),
        ({"blocks": ("pcaa",)}, "no representation 'pcaa'"), ({"clip": 0}, "clip=0"),
        ({"own": "cells"}, "own='cells'"), ({"weights": {"pca": -1, "scvi": 2}}, "0 or more"),
        ({"weights": {"pca": 0}}, "0 or more"), ({"weights": {"mine": 1}}, "none of the blocks"),
        ({"weights": "alike"}, "weights='alike': give leading, columns, equal or a dict"),
        ({"configs": {"mine": 1}}, "none of the blocks"),
        ({"configs": {"pca": GenesConfig()}}, "GenesConfig: give PcaConfig"),
        ({"weights": {"pca": float("nan")}}, "0 or more"),
    ],
)  # fmt: skip
def test_a_config_that_cannot_be_is_refused(given, says):
    with pytest.raises(InputError, match=says) as error:
        IntegratedConfig(**given)
    line(error)


def test_the_scale_is_median_and_interquartile_range():
    x_nd = np.random.default_rng(0).standard_t(3, (500, 3))
    scale = Scale.fit(Coordinates(x_nd=x_nd, reached_n=np.ones(500, dtype=bool)), 10)
    np.testing.assert_allclose(scale.centre_d, np.median(x_nd, axis=0))
    np.testing.assert_allclose(scale.spread_d, iqr(x_nd, axis=0, scale="normal"), rtol=1e-3)


def test_a_mostly_equal_column_is_scaled_by_its_deviation():
    x_nd = np.zeros((100, 3), dtype=np.float32)
    x_nd[:10, 0], x_nd[:, 1] = np.arange(1, 11), 0.1
    x_nd[:, 2] = 1e4 + np.arange(100) % 2 * 1e-4  # rounding, not signal
    np.testing.assert_allclose(spread(x_nd), [x_nd[:, 0].std(), 1, 1], rtol=1e-6)


def test_pair_accuracy_is_one_minus_foscttm():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 30, 4))
    b += a
    unit_a, unit_b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    sim = unit_a @ unit_b.T
    closer = [np.mean([(s[i] > s[i, i]).sum() / 29 for i in range(30)]) for s in (sim, sim.T)]
    np.testing.assert_allclose(pair_accuracy(a, b), 1 - np.mean(closer))
    assert pair_accuracy(a, a) == 1.0
    assert pair_accuracy(np.ones((9, 2)), np.ones((9, 2))) == pytest.approx(0.5)


def pairs(n: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """A block that tells the markers, one that is noise, and one that tells less."""
    rng = np.random.default_rng(seed)
    loads = np.random.default_rng(0).normal(size=(6, 10))
    hidden = rng.normal(size=(n, 6))
    profile = hidden @ loads + 0.3 * rng.normal(size=(n, 10))
    noise = rng.normal(size=(n, 60)) / np.sqrt(60)
    weak = (hidden @ ortho_group.rvs(6, random_state=1) + 2 * rng.normal(size=(n, 6))) / np.sqrt(30)
    return {"good": hidden / np.sqrt(6), "noise": noise, "weak": weak}, profile


def test_tuned_weights_favour_the_block_that_tells_markers_apart():
    (train, y), (valid, v) = pairs(120, 1), pairs(100, 2)
    weights, score = tune_weights(train, y, valid, v)
    assert sum(weights.values()) == pytest.approx(1)
    assert weights["good"] > 0.6
    assert weights["noise"] < 0.1
    assert score > tune_weights(train, y, valid, v, rounds=0)[1]
    assert tune_weights(train, y, valid, v) == (weights, score)


def test_without_a_better_choice_weights_stay_equal():
    rng = np.random.default_rng(0)
    block = rng.normal(size=(50, 3))
    twins = {"a": block, "b": block}
    weights, _ = tune_weights(twins, block, twins, block)
    assert weights == {"a": 0.5, "b": 0.5}


def test_pairs_that_do_not_match_are_refused():
    train, y = pairs(20, 1)
    fewer = {"good": train["good"]}
    for wrong, says in (
        ((train, y[:-1], train, y), "19 marker profiles.*good"),
        (({}, y, {}, y), "blocks differ"), ((train, y, fewer, y), "blocks differ"),
        ((train, y, {k: x[:1] for k, x in train.items()}, y[:1]), "at least 2"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=says) as error:
            tune_weights(*wrong)
        line(error)


def test_two_blocks_of_the_project_by_default():
    assert IntegratedConfig().blocks == ("pca", "scvi")
    assert replace(IntegratedConfig(), clip=3).configs == IntegratedConfig().configs


@pytest.mark.parametrize("equal", [False, True])
def test_columns_keep_their_ratio_or_count_alike(equal):
    rep = Integrated(config(equal_columns=equal)).fit(cells())
    x_nd = rep.parts["mine"].transform(cells())
    z_nd = rep.blocks(cells())["mine"]
    ratio_d = spread(z_nd) / spread(z_nd)[0]
    expected_d = np.ones(len(ratio_d)) if equal else spread(x_nd) / spread(x_nd)[0]
    np.testing.assert_allclose(ratio_d, expected_d, rtol=0.1)  # a few values are clipped


def test_blocks_that_are_fitted_are_taken_as_they_are():
    made = Integrated(config()).fit(cells())
    again = Integrated(config(), fitted=made.parts).fit(cells())
    np.testing.assert_array_equal(again.transform(cells()), made.transform(cells()))
    assert again.parts["mine"] is made.parts["mine"]
    assert again.record.params == made.record.params
    with pytest.raises(InputError, match="saw other cells"):
        Integrated(config(), fitted=made.parts).fit(cells()[:100])
