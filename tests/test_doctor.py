"""The doctor finds every fault it asks about, and none in a healthy representation."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

from representations import doctor, questions, registry
from representations.pca import Pca
from tests.three_types import CONFIG, cells


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
