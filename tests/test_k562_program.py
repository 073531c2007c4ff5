"""Programmes of single cells among controls, on planted arms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData
from sklearn.metrics import roc_auc_score

from benchmarks import datasets
from benchmarks.programmes import CLASSES, ERYTHROID, MYELOID, SIGNS
from benchmarks.suites import suites
from benchmarks.tasks.k562_program import K562Program
from representations.errors import InputError
from representations.keys import Obs, Obsm

GENES = (*ERYTHROID, *MYELOID, "MKI67", "PCNA")
ROWS = [row for row in suites.get("k562").rows if row.task == "k562_program"]
BASE = next(row for row in ROWS if row.model == "programme" and not row.variant)
CELLS = 80


def screen() -> AnnData:
    """Each arm of a class raises its programme a little, and its own gene, where counted, a lot."""
    rng = np.random.default_rng(0)
    arms = ["NTC"] * 3 + [arm for kind in CLASSES.values() for arm in kind]
    label_n = np.repeat(arms, CELLS)
    rate_ng = np.full((len(label_n), len(GENES)), 3.0)
    for kind, members in CLASSES.items():
        sign_g = np.array([SIGNS[kind].get(gene, 0.0) for gene in GENES])
        rate_ng[np.isin(label_n, members)] *= np.where(
            sign_g > 0, 1.8, np.where(sign_g < 0, 0.7, 1)
        )
    for i, gene in enumerate(GENES):
        rate_ng[label_n == gene, i] = 400
    adata = AnnData(sp.csr_matrix(rng.poisson(rate_ng).astype(np.float32)))
    adata.var_names = list(GENES)
    adata.obs_names = [f"c{i}" for i in range(len(label_n))]
    adata.obs[Obs.PERTURBATION] = pd.Categorical(label_n)
    adata.obs[Obs.BATCH] = pd.Categorical(np.tile([str(i) for i in range(8)], len(label_n) // 8))
    total = pd.DataFrame({"total_umi": rng.integers(900, 1100, len(label_n))}, adata.obs_names)
    adata.obsm[Obsm.LIBRARY] = total
    return adata


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> AnnData:
    adata = screen()
    monkeypatch.setattr(datasets, "load", lambda name, progress=True: adata)
    return adata


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r.model} {dict(r.variant)}")
def test_what_is_planted_is_found_and_controls_find_nothing(row, planted) -> None:
    figures = K562Program("norman_cells", "norman_cells", 0).run(row).metrics
    blind = row.model == "chance" or row.variant
    for kind, arms in CLASSES.items():
        found = figures[f"auroc[{kind}]"]
        assert found.replicates is not None
        assert {f"auroc[{kind}: {arm}]" for arm in arms} <= set(figures)
        if blind:
            assert found.value == pytest.approx(0.5, abs=0.1)
        else:
            assert found.value > 0.75
    assert len(planted) == CELLS * 18


def test_the_activated_gene_itself_has_no_part(planted: AnnData) -> None:
    before = K562Program("norman_cells", "norman_cells", 0).run(BASE).metrics
    rng = np.random.default_rng(5)
    x_ng = planted.X.toarray()
    column = GENES.index("SPI1")
    rows = planted.obs[Obs.PERTURBATION].astype(str).to_numpy() == "SPI1"
    x_ng[rows, column] = rng.integers(0, 900, rows.sum())
    planted.X = sp.csr_matrix(x_ng)
    after = K562Program("norman_cells", "norman_cells", 0).run(BASE).metrics
    assert after["auroc[myeloid: SPI1]"].value == before["auroc[myeloid: SPI1]"].value


def test_depth_is_that_of_the_whole_cell(planted: AnnData) -> None:
    task = K562Program("norman_cells", "norman_cells", 0)
    total_n1 = planted.obsm[Obsm.LIBRARY].to_numpy()
    x_ng = np.log1p(planted.X.toarray() / total_n1 * 1e4)
    control_n = planted.obs[Obs.PERTURBATION].astype(str).to_numpy() == "NTC"
    taught_ng = x_ng[control_n & ~task._asked_n]
    expected_ng = (x_ng - taught_ng.mean(axis=0)) / taught_ng.std(axis=0)
    np.testing.assert_allclose(task._unit_ng, expected_ng, atol=1e-6)


def test_areas_are_those_of_scikit_learn(planted: AnnData) -> None:
    task = K562Program("norman_cells", "norman_cells", 3)
    figures = task.run(BASE).metrics
    arm_n = planted.obs[Obs.PERTURBATION].astype(str).to_numpy()[task._asked_n]
    sign_g = np.array([SIGNS["erythroid"].get(gene, 0.0) for gene in GENES])
    score_n = task._unit_ng[task._asked_n] @ sign_g
    judged = np.isin(arm_n, ["NTC", "CBL"])
    expected = roc_auc_score(arm_n[judged] == "CBL", score_n[judged])
    assert figures["auroc[erythroid: CBL]"].value == pytest.approx(expected)


def test_half_of_the_gem_groups_teach_and_the_others_are_asked(planted: AnnData) -> None:
    task = K562Program("norman_cells", "norman_cells", 1)
    batch_n = planted.obs[Obs.BATCH].astype(str).to_numpy()
    taught, asked = set(batch_n[~task._asked_n]), set(batch_n[task._asked_n])
    assert not taught & asked
    assert len(taught) == len(asked) == 4


def test_what_it_does_not_know_is_refused() -> None:
    with pytest.raises(InputError, match="one screen"):
        K562Program("kang", "norman_cells", 0)
    with pytest.raises(InputError, match="known"):
        K562Program.config(replace(BASE, model="ridge"))
    with pytest.raises(InputError, match="shuffled_arms"):
        K562Program.config(replace(BASE, variant={"panel_genes": "kept"}))
