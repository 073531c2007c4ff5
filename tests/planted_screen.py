"""A screen and two immune sets that share programmes, in place of those of the K562 tasks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

from benchmarks import effect_cells
from benchmarks.relatives import targets_of
from benchmarks.suites import Row
from benchmarks.tasks.k562_profile import ADAPT
from clip_align.adapt import STUDENT
from clip_align.config import bases
from clip_align.markers import load_panel
from representations.keys import Obs

PANEL = load_panel().genes[:12]
OTHERS = tuple(f"GENE{i}" for i in range(60))
GENES = (*PANEL, *OTHERS)
TARGETS = OTHERS[:20]
SETS = "kang+pbmc3k"
LOADINGS = np.random.default_rng(0).normal(size=(4, len(GENES)))


def immune(seed: int, n: int = 300) -> AnnData:
    rng = np.random.default_rng(seed)
    rate_ng = np.exp(0.5 * rng.normal(size=(n, 4)) @ LOADINGS + 0.5)
    adata = AnnData(sp.csr_matrix(rng.poisson(rate_ng).astype(np.float32)))
    adata.var_names, adata.obs_names = list(GENES), [f"c{i}" for i in range(n)]
    adata.obs[Obs.CELL_TYPE] = pd.Categorical(["CD4 T cells"] * n)
    return adata


def effects(n: int = 60) -> AnnData:
    """Singles of each target, then pairs; programmes of the cells, and a rise in the target."""
    rng = np.random.default_rng(9)
    singles = [(gene, "") for gene in TARGETS]
    pairs = [(TARGETS[i % 20], TARGETS[(3 * i + 1) % 20]) for i in range(n - 20)]
    named = singles + pairs
    x_ng = (rng.normal(size=(n, 4)) @ LOADINGS + 0.3 * rng.normal(size=(n, len(GENES)))) * 0.2
    adata = AnnData(sp.csr_matrix(x_ng.astype(np.float32)))
    adata.var_names = list(GENES)
    adata.obs_names = ["+".join(filter(None, pair)) + f"/{i}" for i, pair in enumerate(named)]
    for column, values in zip(Obs.TARGETS, zip(*named, strict=True), strict=True):
        adata.obs[column] = pd.Categorical(list(values))
    adata.obs[Obs.CELL_TYPE] = pd.Categorical(["K562"] * n)
    return adata


def additive(n: int = 120) -> AnnData:
    """The same, but two genes do what each does by itself, and nothing else."""
    adata = effects(n)
    x_sg = adata.X.toarray()
    first, second = targets_of(adata)
    alone = {gene: x_sg[i] for i, gene in enumerate(first) if not second[i]}
    for i in np.flatnonzero(second != ""):
        x_sg[i] = alone[first[i]] + alone[second[i]]
    adata.X = sp.csr_matrix(x_sg)
    return adata


def plant(monkeypatch: pytest.MonkeyPatch) -> AnnData:
    """Put them where the tasks look, with short trainings; returns the screen."""
    screens = effects()
    monkeypatch.setattr(effect_cells, "_load", {"kang": immune(1), "pbmc3k": immune(2)}.get)
    monkeypatch.setattr("benchmarks.tasks.k562_inside.HELD", 12)
    for module in ("effect_cells", *(f"tasks.k562_{x}" for x in ("profile", "target", "doubles"))):
        monkeypatch.setattr(f"benchmarks.{module}.screen", lambda name: screens)
    for name in bases.names():
        small = replace(bases.get(name), epochs=3, batch_size=64)
        monkeypatch.setitem(bases._members, name, small)
    quick = replace(STUDENT, batch_size=30)
    monkeypatch.setattr(
        "benchmarks.tasks.k562_profile.ADAPT", replace(ADAPT, steps=20, train=quick)
    )
    return screens


def row(model: str, representation: str = "X_pca", task: str = "k562_profile", **variant: str):
    return Row(
        task=task, train=SETS, test="norman_effects", representation=representation, model=model,
        variant=variant,
    )  # fmt: skip
