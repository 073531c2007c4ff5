"""Datasets keep one contract; what is published about each is what is loaded."""

from __future__ import annotations

import importlib
from dataclasses import replace

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import benchmarks.datasets as datasets
from benchmarks.datasets import teaseq
from benchmarks.datasets.vocabulary import COARSE
from representations.errors import InputError
from representations.genes import to_symbols
from representations.keys import Obs, Obsm, Uns

SHAPES = {
    "teaseq": (6310, 9855, 45),
    "pbmc3k": (2638, 32573, 0),
    "pbmc10k_cite": (6854, 4000, 14),
    "kang": (13999, 14037, 0),
    "marrow": (4142, 16096, 0),
    "pollen": (299, 23741, 0),
    "brain_gw10": (4474, 2000, 0),
    "norman_cells": (65359, 23, 0),
    "norman_effects": (234, 2000, 0),
}
LABELS = {
    "teaseq": {
        "T.CD4.Memory": 1486,
        "T.CD4.Naive": 1275,
        "B.Naive": 1002,
        "Mono.CD14": 799,
        "T.CD8.Effector": 720,
        "T.CD8.Naive": 373,
        "NK": 354,
        "B.Activated": 225,
        "Mono.CD16": 47,
        "Platelets": 15,
        "DC.Myeloid": 14,
    },
    "pbmc3k": {
        "CD4 T cells": 1144,
        "CD14+ Monocytes": 480,
        "B cells": 342,
        "CD8 T cells": 316,
        "NK cells": 154,
        "FCGR3A+ Monocytes": 150,
        "Dendritic cells": 37,
        "Megakaryocytes": 15,
    },
    "pbmc10k_cite": {
        "classical monocyte": 1581,
        "memory CD4": 1084,
        "naive CD4": 1029,
        "CD16+ NK": 837,
        "memory CD8": 613,
        "B": 514,
        "naive CD8": 460,
        "undefined": 359,
        "Treg": 160,
        "intermediate monocyte": 78,
        "CD4 T": 67,
        "CD16- NK": 44,
        "CD8 T": 19,
        "monocytes": 7,
        "NK": 2,
    },
    "kang": {
        "CD4 T cells": 5214,
        "CD14+ Monocytes": 4295,
        "FCGR3A+ Monocytes": 1388,
        "B cells": 1334,
        "NK cells": 651,
        "CD8 T cells": 578,
        "Dendritic cells": 407,
        "Megakaryocytes": 132,
    },
    "marrow": {"CD34+ bone marrow cell": 4142},
    "pollen": {
        "HL60": 54,
        "K562": 42,
        "Kera": 40,
        "BJ": 37,
        "GW16": 25,
        "iPS": 24,
        "2338": 22,
        "2339": 17,
        "GW21+3": 15,
        "NPC": 15,
        "GW21": 8,
    },
    "brain_gw10": {
        "glutamatergic neuron": 1767,
        "glioblast": 1262,
        "forebrain neuroblast": 811,
        "radial glial cell": 226,
        "GABAergic neuron": 175,
        "Cajal-Retzius cell": 62,
        "oligodendrocyte precursor cell": 53,
        "microglial cell": 50,
        "progenitor cell": 37,
        "unknown": 27,
        "erythrocyte": 4,
    },
    "norman_cells": {"K562": 65359},
    "norman_effects": {"K562": 234},
}
# Expressed by the first type far more than by the second: labels sit on the right cells.
MARKERS = {
    "teaseq": [("MS4A1", "B.Naive", "NK"), ("NKG7", "NK", "B.Naive")],
    "pbmc3k": [("MS4A1", "B cells", "NK cells"), ("LYZ", "CD14+ Monocytes", "B cells")],
    "pbmc10k_cite": [("MS4A1", "B", "CD16+ NK"), ("NKG7", "CD16+ NK", "B")],
    "kang": [("CD79A", "B cells", "NK cells"), ("PPBP", "Megakaryocytes", "B cells")],
    "pollen": [
        ("HBG1", "K562", "HL60"),
        ("MPO", "HL60", "K562"),
        ("COL1A1", "BJ", "Kera"),
        ("MS4A1", "2339", "2338"),  # the B line of the patient
        ("ERBB2", "2338", "2339"),  # amplified in her carcinoma
    ],
    "brain_gw10": [
        ("GAD1", "GABAergic neuron", "glutamatergic neuron"),
        ("RELN", "Cajal-Retzius cell", "glutamatergic neuron"),
        ("AIF1", "microglial cell", "glioblast"),
        ("TTR", "progenitor cell", "glioblast"),
    ],
    "marrow": [],  # one label; test_marrow_results_sit_on_the_right_cells instead
    "norman_cells": [],  # one label; test_norman instead
    "norman_effects": [],
}
every_dataset = pytest.mark.parametrize("name", sorted(SHAPES))


@every_dataset
def test_counts_and_labels_are_the_published_ones(name, request):
    adata = request.getfixturevalue(name)
    cells, genes, antibodies = SHAPES[name]
    assert adata.shape == (cells, genes)
    assert adata.obs[Obs.CELL_TYPE].value_counts().to_dict() == LABELS[name]
    assert (Obsm.PROTEIN in adata.obsm) == (antibodies > 0) == ("adt" in datasets.get(name).views)
    if antibodies:
        assert adata.obsm[Obsm.PROTEIN].shape == (cells, antibodies)


@every_dataset
def test_contract(name, request):
    adata = request.getfixturevalue(name)
    assert sp.isspmatrix_csr(adata.X)
    assert adata.X.dtype == np.float32
    if datasets.get(name).values == "counts":
        assert (adata.X.data > 0).all()
        np.testing.assert_array_equal(adata.X.data, np.floor(adata.X.data))
    else:
        assert np.isfinite(adata.X.data).all()
    assert adata.obs_names.is_unique
    assert adata.var_names.is_unique
    assert list(to_symbols(adata.var_names).symbols) == list(adata.var_names)
    for key in (Obs.CELL_TYPE, Obs.CELL_TYPE_COARSE, Obs.CELL_TYPE_ONTOLOGY, Obs.BATCH):
        assert isinstance(adata.obs[key].dtype, pd.CategoricalDtype)
        assert not adata.obs[key].isna().any()
    assert set(adata.obs[Obs.CELL_TYPE_COARSE]) <= set(COARSE)
    for frame in adata.obsm.values():
        assert frame.index.equals(adata.obs_names)
        assert (frame.dtypes == np.float32).all()
        assert (frame.to_numpy() >= 0).all()
    facts = adata.uns[Uns.DATASET]
    assert facts["name"] == name
    assert facts["revision"] == datasets.get(name).revision
    assert facts["values"] == datasets.get(name).values
    assert {"citation", "licence", "caveats"} <= set(facts)


@every_dataset
def test_labels_sit_on_the_right_cells(name, request):
    adata = request.getfixturevalue(name)
    for gene, high, low in MARKERS[name]:
        mean = {
            label: adata[adata.obs[Obs.CELL_TYPE] == label, gene].X.mean() for label in (high, low)
        }
        assert mean[high] > 5 * mean[low] + 0.1, (gene, mean)


@every_dataset
def test_h5ad_round_trip(name, request, tmp_path):
    adata = request.getfixturevalue(name)
    rows = np.linspace(0, adata.n_obs - 1, 50).astype(int)
    part = adata[rows].copy()
    part.write_h5ad(tmp_path / "part.h5ad")
    back = anndata.read_h5ad(tmp_path / "part.h5ad")
    assert (back.X != part.X).nnz == 0
    pd.testing.assert_frame_equal(back.obs, part.obs)
    assert set(back.obsm) == set(part.obsm)
    for key, frame in part.obsm.items():
        pd.testing.assert_frame_equal(back.obsm[key], frame)
    assert list(back.uns[Uns.DATASET]["caveats"]) == list(part.uns[Uns.DATASET]["caveats"])


def test_teaseq_isotype_stands_apart_and_proteins_fit_the_cells(teaseq):
    protein, isotype = teaseq.obsm[Obsm.PROTEIN], teaseq.obsm[Obsm.PROTEIN_ISOTYPE]
    assert list(isotype) == ["IgG1.K.Isotype.Control"]
    assert not set(isotype) & set(protein)
    b_cell = (teaseq.obs[Obs.CELL_TYPE_COARSE] == "B").to_numpy()
    assert protein["CD19"][b_cell].median() > 5 * protein["CD19"][~b_cell].median()


def test_pbmc10k_proteins_fit_the_labels(pbmc10k_cite):
    protein = pbmc10k_cite.obsm[Obsm.PROTEIN]
    coarse = pbmc10k_cite.obs[Obs.CELL_TYPE_COARSE].to_numpy()
    for antibody, lineage in {"CD19": "B", "CD14": "CD14 mono", "CD8a": "CD8 T"}.items():
        counts = protein[f"{antibody}_TotalSeqB"]
        assert counts[coarse == lineage].median() > 5 * counts[coarse != lineage].median()
    assert Obsm.PROTEIN_ISOTYPE not in pbmc10k_cite.obsm


def test_kang_conditions_differ_by_interferon(kang):
    condition = kang.obs["condition"]
    assert set(condition) == {"ctrl", "stim"}
    assert (condition.astype(str) == kang.obs[Obs.BATCH].astype(str)).all()
    isg15 = {word: kang[condition == word, "ISG15"].X.mean() for word in ("ctrl", "stim")}
    assert isg15["stim"] > 10 * isg15["ctrl"]
    assert condition.value_counts().to_dict() == {"ctrl": 6548, "stim": 7451}


def test_marrow_results_sit_on_the_right_cells(marrow):
    """Cells that FateID is sure of express the gene it started the lineage from."""
    fate = marrow.obsm["fateid"]
    assert list(fate) == ["Ery", "Mega", "DC", "CLP", "Mono"]
    np.testing.assert_allclose(fate.sum(axis=1), 1, atol=1e-5)
    expressed = {"Ery": "HBB", "Mega": "PF4", "DC": "IRF8", "CLP": "EBF1", "Mono": "LYZ"}
    for lineage, gene in expressed.items():
        sure = (fate[lineage] > 0.6).to_numpy()
        assert marrow[sure, gene].X.mean() > 3 * marrow[~sure, gene].X.mean(), lineage
    early = (marrow.obsm["monocle2"]["pseudotime"] < 3).to_numpy()
    for gene in ("AVP", "CRHBP"):  # stem cells
        assert marrow[early, gene].X.mean() > 3 * marrow[~early, gene].X.mean(), gene
    assert marrow.obs[Obs.BATCH].value_counts().to_dict() == {"Run5": 2158, "Run4": 1984}
    assert set(marrow.obs["published_role"]) == {
        "none", "start", "terminal DC", "terminal Ery", "terminal Mono",
    }  # fmt: skip


# --- registry -----------------------------------------------------------------------------


def test_every_dataset_file_is_found():
    assert datasets.names() == datasets.available() == tuple(sorted(SHAPES))


def test_a_name_is_registered_once():
    with pytest.raises(ValueError, match="'teaseq' is registered twice"):
        importlib.reload(teaseq)


def test_unknown_name_offers_the_nearest():
    with pytest.raises(InputError, match=r"no dataset 'teasq'.* did you mean 'teaseq'\?"):
        datasets.load("teasq")


def test_revision_follows_what_decides_the_result():
    card = datasets.get("kang")
    longer = replace(card, caveats=(*card.caveats, "One more."))
    assert longer.revision == card.revision
    others = [
        replace(card, loader_version=2),
        replace(card, sources=card.sources[:1]),
        replace(card, labels={"x": next(iter(card.terms.values()))}),
        replace(card, values="effects"),
    ]
    assert len({card.revision, *(other.revision for other in others)}) == 5


@pytest.mark.parametrize(
    ("name", "revision"),
    [
        ("brain_gw10", "b5363b1992d5"),
        ("kang", "51649a1e2b10"),
        ("marrow", "938f6076bb68"),
        ("pbmc10k_cite", "54467241f164"),
        ("pbmc3k", "d7b23e310ab4"),
        ("pollen", "0e7aebbc4c1f"),
        ("teaseq", "2fd71599e12a"),
    ],
)
def test_records_name_these_revisions(name, revision):
    assert datasets.get(name).revision.startswith(revision)


@every_dataset
def test_card_states_the_facts(name):
    text, dataset = datasets.card(name), datasets.get(name)
    for fact in (dataset.title, dataset.citation, dataset.licence, *dataset.caveats):
        assert fact in text
    for source in dataset.sources:
        assert source.sha256 in text
