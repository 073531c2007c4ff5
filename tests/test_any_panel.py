"""One model of both views on planted sets: any panel asks, nothing of the query is learnt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

from benchmarks import datasets, panel_cells, panel_models
from benchmarks.guard import LeakError
from benchmarks.panel_cells import PanelCells, cell_genes, panel_genes
from benchmarks.panel_regression import REGRESSIONS, PanelRegression
from benchmarks.run import identify
from benchmarks.set_cells import paired
from benchmarks.suites import Row, suites
from benchmarks.tasks import any_panel, tasks
from clip_align.config import bases
from clip_align.markers import load_panel, resolve_antibody
from clip_align.markers.two_views import MarkerColumns
from representations.errors import InputError
from representations.keys import Obs, Obsm

KINDS = ("B", "CD14 mono", "CD4 T", "NK")
FEW, MANY = ("CD3", "CD4", "CD14", "CD19"), ("CD14", "CD16", "CD19", "CD3", "CD4", "CD56", "CD8a")
ANTIBODIES = {"pbmc10k_cite": FEW, "teaseq": MANY}
SETS = ("kang", "pbmc10k_cite", "pbmc3k", "teaseq")
BOUND = tuple(dict.fromkeys(g for name in MANY for g in resolve_antibody(name).genes))
PANEL = tuple(dict.fromkeys((*BOUND, *load_panel().genes[:12])))
OTHERS = tuple(f"GENE{i:02d}" for i in range(60))
GENES = (*PANEL, *OTHERS)
LOADINGS = np.random.default_rng(0).normal(size=(4, len(GENES)))
CENTRES = 1.5 * np.random.default_rng(1).normal(size=(len(KINDS), 4))


def cells(name: str, n: int = 260) -> AnnData:
    """Four types in four hidden numbers; an antibody follows the mean of its genes."""
    rng = np.random.default_rng(len(name))
    kind_n = rng.integers(len(KINDS), size=n)
    log_ng = 0.4 * (CENTRES[kind_n] + rng.normal(size=(n, 4))) @ LOADINGS
    adata = AnnData(sp.csr_matrix(rng.poisson(np.exp(log_ng + 0.7)).astype(np.float32)))
    adata.var_names, adata.obs_names = list(GENES), [f"c{i}" for i in range(n)]
    terms = datasets.get(name).terms
    label = [next(x for x, term in terms.items() if term.coarse == kind) for kind in KINDS]
    adata.obs[Obs.CELL_TYPE] = pd.Categorical(np.array(label)[kind_n])
    if names := ANTIBODIES.get(name):
        column = {gene: i for i, gene in enumerate(GENES)}
        mean = [log_ng[:, [column[g] for g in resolve_antibody(x).genes]].mean(1) for x in names]
        adata.obsm[Obsm.PROTEIN] = pd.DataFrame(
            rng.poisson(np.exp(np.stack(mean, axis=1) + 4)), index=adata.obs_names, columns=names
        )
    return adata


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch):
    """The immune sets with planted content, small features, a short training."""
    held = {name: cells(name) for name in SETS}
    caches = [panel_genes, cell_genes, panel_models.panel_models, panel_models.ordered]
    for kept in caches:
        kept.cache_clear()
    monkeypatch.setattr(panel_cells, "_load", held.get)
    monkeypatch.setattr(datasets, "load", lambda name, progress=True: held[name])
    monkeypatch.setattr(panel_cells, "COMPONENTS", 6)
    monkeypatch.setattr(any_panel, "COMPONENTS", 6)
    monkeypatch.setattr(panel_cells, "IMMUNE", SETS)
    budget = dict(panel_models.BUDGET)
    marker = replace(budget["model"].marker, described=13, width=64)
    budget["model"] = replace(budget["model"], marker=marker)
    monkeypatch.setattr(panel_models, "BUDGET", budget | {"batch_size": 64})
    monkeypatch.setattr(panel_models, "STEPS", 120)
    yield held
    for kept in caches:
        kept.cache_clear()


OTHERS_OF = {test: "+".join(x for x in SETS if x != test) for test in SETS}


def row(view: str, test: str, model: str = "DiffMapProteinCLIP", **variant: str) -> Row:
    return Row(
        task=f"any_panel_{view}", train=OTHERS_OF[test], test=test, representation="X_pca",
        model=model, variant=variant,
    )  # fmt: skip


def asked(asking: Row):
    return tasks.get(asking.task)(asking.train, asking.test, 0, logs=None).run(asking)


def figure(asking: Row, name: str = "pair_accuracy") -> float:
    return asked(asking).metrics[name].value


@pytest.mark.parametrize("model", ["ridge", "knn", "DiffMapProteinCLIP"])
def test_one_training_is_asked_by_many_antibodies_few_or_none(planted, model) -> None:
    for view, test, n in (
        ("adt", "teaseq", len(MANY)), ("adt", "pbmc10k_cite", len(FEW)), ("rna", "kang", len(PANEL))
    ):  # fmt: skip
        outcome = asked(row(view, test, model))
        assert outcome.metrics["pair_accuracy"].value > 0.75
        assert int(outcome.facts["markers"]) <= n
    assert 0.4 < figure(row("adt", "teaseq", "chance")) < 0.6


def test_markers_never_met_are_read_by_what_they_are(planted) -> None:
    unknown = row("adt", "teaseq", asked="unknown")
    told = asked(unknown)
    assert (told.facts["markers"], told.facts["markers_known"]) == ("3", "0")
    dealt = row("adt", "teaseq", asked="unknown", descriptions="dealt")
    assert told.metrics["pair_accuracy"].value > figure(dealt) + 0.05
    assert figure(row("adt", "teaseq", "ridge", asked="unknown")) > 0.6
    assert asked(row("adt", "teaseq", asked="known")).facts["markers"] == "4"


def test_a_type_left_out_is_in_no_fit_and_still_judged(planted) -> None:
    left = PanelCells(OTHERS_OF["teaseq"], 0, without="B")
    terms = {name: datasets.get(name).terms for name in SETS}
    for pairs in left.known:
        of = [i.partition(":")[0] for i in pairs.ids_n]
        kinds = {terms[name][label].coarse for name, label in zip(of, pairs.types_n, strict=True)}
        assert kinds == set(KINDS) - {"B"}
    metrics = asked(row("adt", "teaseq", "ridge", without="B")).metrics
    assert {f"pair_accuracy[{kind}]" for kind in KINDS} < set(metrics)
    assert metrics["pair_accuracy[B]"].n < metrics["pair_accuracy"].n
    assert metrics["pair_accuracy[B]"].value != figure(
        row("adt", "teaseq", "ridge"), "pair_accuracy[B]"
    )


def test_the_figure_of_all_is_the_mean_of_the_types(planted) -> None:
    metrics = asked(row("rna", "kang", "ridge")).metrics
    parts = [metrics[f"pair_accuracy[{kind}]"] for kind in KINDS]
    mean = sum(part.value * part.n for part in parts) / sum(part.n for part in parts)
    assert mean == pytest.approx(metrics["pair_accuracy"].value)


def test_no_panel_gene_is_on_a_cell_side_and_no_query_in_a_fit(planted) -> None:
    assert set(cell_genes()) == set(OTHERS)
    assert set(BOUND) <= panel_genes()
    taught = PanelCells("pbmc3k+teaseq", 0)
    for name in ("pbmc3k", "teaseq"):
        with pytest.raises(LeakError, match="the pairs saw"):
            taught.check_apart(name, planted[name])
    taught.check_apart("kang", planted["kang"])
    train, held = taught.known
    assert not set(train.ids_n) & set(held.ids_n)
    assert np.isnan(train.marker_nm).any()
    rna_n = np.char.startswith(train.ids_n.astype(str), "pbmc3k:")
    assert np.isnan(train.marker_nm[rna_n][:, : len(MANY)]).all()


def test_every_row_of_the_suite_is_its_own_and_another_field_another_record() -> None:
    rows = suites.get("one_model").rows
    assert len({identify("one_model", one, 0).file_name for one in rows}) == len(rows)
    for one in rows:
        assert one.test not in one.train.split("+")
    with pytest.raises(InputError, match="asked=all: choose known or unknown"):
        identify("one_model", row("adt", "teaseq", asked="all"), 0)
    with pytest.raises(InputError, match="ridge reads no descriptions"):
        identify("one_model", row("adt", "teaseq", "ridge", panel="own"), 0)
    with pytest.raises(InputError, match="cca: any panel is asked of"):
        identify("one_model", row("adt", "teaseq", "cca"), 0)
    with pytest.raises(InputError, match="field of a row of any panel"):
        identify("one_model", row("adt", "teaseq", basis="own"), 0)
    base, own = (
        identify("one_model", row("adt", "teaseq", **x), 0) for x in ({}, {"panel": "own"})
    )
    assert base.config_hash != own.config_hash
    assert bases.get("DiffMapProteinCLIP").model.marker.described is None


def test_a_model_of_one_panel_alone_is_another_training(planted) -> None:
    own = row("adt", "teaseq", panel="own")
    own = replace(own, train="pbmc10k_cite")
    assert figure(own) > 0.75
    assert figure(own) != figure(replace(own, variant={"asked": "known"}))


@pytest.mark.parametrize("name", REGRESSIONS)
def test_a_regression_fits_each_marker_on_the_cells_that_have_it(name) -> None:
    rng = np.random.default_rng(3)
    x_nd = rng.normal(size=(400, 2))
    y_nm = np.stack([x_nd[:, 0], x_nd[:, 1]], axis=1)
    y_nm[:200, 1] = np.nan  # of one set
    columns = MarkerColumns((("rna", "CD4"), ("rna", "CD14")))
    parts = [paired(x_nd[i::2], y_nm[i::2], np.arange(200), np.full(200, "T")) for i in range(2)]
    told_nk = PanelRegression(*parts, columns, REGRESSIONS[name]).predict(
        x_nd, [("rna", "CD14"), ("rna", "CD4"), ("rna", "CD19")]
    )
    assert np.corrcoef(told_nk[:, 0], x_nd[:, 1])[0, 1] > 0.95
    assert np.corrcoef(told_nk[:, 1], x_nd[:, 0])[0, 1] > 0.95
    assert (told_nk[:, 2] == 0).all()  # nothing is known of it


def test_held_cells_choose_the_number_of_neighbours() -> None:
    rng = np.random.default_rng(4)
    x_nd, noise_nm = rng.normal(size=(300, 2)), rng.normal(size=(300, 1))

    def chosen(y_nm: np.ndarray) -> int:
        parts = ((x_nd[i::2], y_nm[i::2]) for i in range(2))
        return int(REGRESSIONS["knn"].fit(*parts).n_neighbors)

    assert chosen(x_nd[:, :1]) == 5
    assert chosen(noise_nm) >= 50
