"""Datasets keep one contract; what is published about each is what is loaded."""

from __future__ import annotations

import errno
import hashlib
import importlib
import io
import lzma
import os
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import benchmarks.datasets as datasets
from benchmarks.datasets import base, commands, pbmc10k_cite, teaseq
from benchmarks.datasets import cache as cache_module
from benchmarks.datasets.cache import VARIABLE
from benchmarks.datasets.canonical import Raw, assemble, sum_duplicates
from benchmarks.datasets.errors import SourceUnavailable
from benchmarks.datasets.h5 import categorical, open_bytes
from benchmarks.datasets.join import positions
from benchmarks.datasets.load import cached_path
from benchmarks.datasets.rframe import read_columns
from benchmarks.datasets.vocabulary import COARSE
from representations.errors import InputError
from representations.genes import to_symbols
from representations.keys import Obs, Obsm, Uns

# --- what is published --------------------------------------------------------------------

SHAPES = {
    "teaseq": (6310, 9855, 45),
    "pbmc3k": (2638, 32573, 0),
    "pbmc10k_cite": (6854, 4000, 14),
    "kang": (13999, 14037, 0),
    "marrow": (4142, 16096, 0),
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
}
# Expressed by the first type far more than by the second: labels sit on the right cells.
MARKERS = {
    "teaseq": [("MS4A1", "B.Naive", "NK"), ("NKG7", "NK", "B.Naive")],
    "pbmc3k": [("MS4A1", "B cells", "NK cells"), ("LYZ", "CD14+ Monocytes", "B cells")],
    "pbmc10k_cite": [("MS4A1", "B", "CD16+ NK"), ("NKG7", "CD16+ NK", "B")],
    "kang": [("CD79A", "B cells", "NK cells"), ("PPBP", "Megakaryocytes", "B cells")],
    "marrow": [],  # one label; test_marrow_results_sit_on_the_right_cells instead
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
    assert (adata.X.data > 0).all()
    np.testing.assert_array_equal(adata.X.data, np.floor(adata.X.data))
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
    ]
    assert len({card.revision, *(other.revision for other in others)}) == 4


@every_dataset
def test_card_states_the_facts(name):
    text, dataset = datasets.card(name), datasets.get(name)
    for fact in (dataset.title, dataset.citation, dataset.licence, *dataset.caveats):
        assert fact in text
    for source in dataset.sources:
        assert source.sha256 in text


# --- a tiny dataset of one archive --------------------------------------------------------


@dataclass(kw_only=True)
class Shelf:
    content: bytes
    sha256: str
    filename: str = "tiny.tar.gz"
    origin: str = "a shelf"
    reachable: bool = True
    asked: int = 0

    def download(self, folder, *, progress):
        self.asked += 1
        if not self.reachable:
            raise SourceUnavailable(f"{self.filename}: the shelf is away")
        path = folder / self.filename
        path.write_bytes(self.content)
        return path


def tiny_archive(labels: str = "NK\nB.Naive\nNK\n") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        info = tarfile.TarInfo("labels.txt")
        info.size = len(labels)
        tar.addfile(info, io.BytesIO(labels.encode()))
    return stream.getvalue()


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Registers dataset 'tiny', reading its labels from an archive; returns its source."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(cache_module, "user_folder", lambda: tmp_path / "user")
    base.names()  # discovered before the copy
    monkeypatch.setattr(base._FAMILY, "_members", dict(base._FAMILY._members))

    def make(content: bytes = tiny_archive()) -> Shelf:
        source = Shelf(content=content, sha256=hashlib.sha256(content).hexdigest())
        card = base.Dataset(
            name="tiny",
            title="Three cells",
            citation="Nobody 2020",
            licence="CC0",
            caveats=("Small.",),
            sources=(source,),
            views=("adt", "rna"),
            isotypes=("iso",),
            labels=datasets.get("teaseq").terms,
        )

        @base.register(card)
        def build(files):
            archive = files["tiny.tar.gz"]
            text = datasets.archives.read_members(archive, ["labels.txt"])["labels.txt"]
            return raw(cell_type=text.decode().split())

        return source

    return make


def raw(**changes) -> Raw:
    cells = ["c1", "c2", "c3"]
    facts = {
        "counts_ng": np.array([[1, 0, 2, 3], [0, 0, 0, 1], [5, 1, 0, 0]]),
        "genes": ["A", "B", "A", "C"],
        "cells": cells,
        "cell_type": ["NK", "NK", "NK"],
        "batch": ["b", "b", "b"],
        "protein": pd.DataFrame({"CD3": [1, 2, 3], "iso": [0, 1, 0]}, index=cells),
    }
    return Raw(**{**facts, **changes})


def cached(tmp_path: Path) -> list[str]:
    return sorted(p.name for p in (tmp_path / "cache").rglob("*") if p.is_file())


def test_tiny_known_answer(tiny):
    tiny()
    adata = datasets.load("tiny", progress=False)
    assert list(adata.var_names) == ["A", "B", "C"]
    np.testing.assert_array_equal(adata.X.toarray(), [[3, 0, 3], [0, 0, 1], [5, 1, 0]])
    assert list(adata.obs[Obs.CELL_TYPE_COARSE]) == ["NK", "B", "NK"]
    assert list(adata.obsm[Obsm.PROTEIN]) == ["CD3"]
    assert list(adata.obsm[Obsm.PROTEIN_ISOTYPE]["iso"]) == [0, 1, 0]
    assert Obs.DONOR not in adata.obs


def test_second_load_reads_the_canonical_file_and_agrees(tiny, tmp_path):
    source = tiny()
    first = datasets.load("tiny", progress=False)
    (tmp_path / "cache" / "tiny.tar.gz").unlink()
    source.reachable = False
    second = datasets.load("tiny", progress=False)
    assert source.asked == 1
    assert (first.X != second.X).nnz == 0
    pd.testing.assert_frame_equal(first.obs, second.obs)
    pd.testing.assert_frame_equal(first.obsm[Obsm.PROTEIN], second.obsm[Obsm.PROTEIN])
    assert first.uns[Uns.DATASET].keys() == second.uns[Uns.DATASET].keys()
    # What people wrote in the meantime is current, not what the file remembers.
    entry, build = base._FAMILY.get("tiny")
    base._FAMILY._members["tiny"] = (replace(entry, caveats=("Very small.",)), build)
    assert list(datasets.load("tiny").uns[Uns.DATASET]["caveats"]) == ["Very small."]


@pytest.mark.parametrize("harm", ["content", "sidecar"])
def test_a_damaged_canonical_file_is_built_again(tiny, tmp_path, harm):
    tiny()
    datasets.load("tiny", progress=False)
    path = tmp_path / "cache" / cached_path(datasets.get("tiny"))
    if harm == "content":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        path.with_suffix(".json").write_text("[]")
    assert datasets.load("tiny", progress=False).n_obs == 3
    assert h5py.is_hdf5(path)
    assert datasets.load("tiny", progress=False).n_obs == 3


def test_label_count_must_match(tiny, tmp_path):
    tiny(tiny_archive("NK\nNK\n"))
    with pytest.raises(InputError, match="2 labels for 3 cells") as error:
        datasets.load("tiny", progress=False)
    assert "\n" not in str(error.value)
    assert cached(tmp_path) == ["tiny.tar.gz"]


def test_truncated_archive(tiny):
    tiny(tiny_archive()[:40])
    with pytest.raises(InputError, match=r"tiny\.tar\.gz: truncated or damaged"):
        datasets.load("tiny", progress=False)


def test_a_full_disk_does_not_lose_the_dataset(tiny, tmp_path, monkeypatch, caplog):
    tiny()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert datasets.load("tiny", progress=False).n_obs == 3
    assert "the disk is full" in caplog.text
    assert cached(tmp_path) == ["tiny.tar.gz"]
    with pytest.raises(InputError, match="the disk is full"):
        commands.export("tiny", out=tmp_path / "out.h5ad")
    assert [p.name for p in tmp_path.iterdir()] == ["cache"]


# --- hostile parts ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cells": ["c1", "c1", "c3"]}, "'c1' occurs twice"),
        ({"cells": ["c1", "c2"]}, "2 cell names for 3 cells"),
        ({"batch": ["b"]}, "1 batches for 3 cells"),
        ({"genes": ["A"]}, "1 gene names for 4 columns"),
        ({"cell_type": ["NK", "Blob", "NK"]}, "label 'Blob'"),
        ({"counts_ng": np.full((3, 4), 0.5)}, "not raw counts"),
        ({"counts_ng": -np.ones((3, 4))}, "not raw counts"),
        ({"counts_ng": np.full((3, 4), np.nan)}, "not raw counts"),
        ({"protein": pd.DataFrame({"iso": [1, 2]})}, "2 protein rows for 3 cells"),
        ({"protein": pd.DataFrame({"CD3": [1, 2, 3]})}, "isotype control 'iso'"),
        ({"protein": pd.DataFrame({"iso": [1, 2, 0.5]})}, "protein: X holds values"),
    ],
)
def test_unfit_parts_are_refused(tiny, changes, message):
    tiny()
    with pytest.raises(InputError, match=message) as error:
        assemble(replace(datasets.get("tiny"), labels=datasets.get("teaseq").terms), raw(**changes))
    assert "tiny" in str(error.value)


@given(
    hnp.arrays(np.int64, (5, 8), elements=st.integers(0, 100)),
    st.lists(st.sampled_from("ABCDE"), min_size=8, max_size=8),
)
def test_summing_duplicates_agrees_with_pandas(counts_ng, genes):
    counts_nu, symbols = sum_duplicates(sp.csr_matrix(counts_ng, dtype=np.float32), genes)
    expected = pd.DataFrame(counts_ng.T, index=genes).groupby(level=0, sort=False).sum().T
    assert list(symbols) == list(expected.columns)
    np.testing.assert_array_equal(counts_nu.toarray(), expected.to_numpy())


def test_published_columns_with_one_official_symbol_are_summed(tiny):
    tiny()
    counts = raw(genes=["RPS17", "RPS17L", *[f"g{i}" for i in range(len(raw().genes) - 2)]])
    adata = assemble(datasets.get("tiny"), counts)
    published_ng = np.asarray(sp.csr_matrix(counts.counts_ng).todense())
    assert adata.n_vars == len(counts.genes) - 1
    np.testing.assert_array_equal(
        adata[:, "RPS17"].X.toarray().ravel(), published_ng[:, :2].sum(axis=1)
    )


@given(st.permutations(list("abcdefg")), st.integers(0, 7))
def test_positions_find_their_names(among, n):
    wanted = sorted(among)[:n]
    assert [among[i] for i in positions(wanted, among, dataset="x")] == wanted


def test_positions_refuse_strangers_and_twins():
    with pytest.raises(InputError, match=r"1 of 2 barcodes match no cell .*'z'"):
        positions(["a", "z"], ["a", "b"], dataset="x")
    with pytest.raises(InputError, match="'a' occurs twice"):
        positions(["a"], ["a", "a"], dataset="x")


def test_match_counts_known_answer_and_refusals():
    table_mk = np.array([[1, 2], [3, 4], [5, 6], [5, 6]])
    found = pbmc10k_cite.match_counts(np.array([[3, 4], [9, 9], [1, 2]]), table_mk, least=0.5)
    assert found.tolist() == [1, -1, 0]
    with pytest.raises(InputError, match="match 2 of 3 cells"):
        pbmc10k_cite.match_counts(np.array([[3, 4], [9, 9], [1, 2]]), table_mk)
    with pytest.raises(InputError, match="1 of them more than once"):
        pbmc10k_cite.match_counts(np.array([[5, 6]]), table_mk)


def test_both_ways_of_storing_categories_are_read():
    file = h5py.File(io.BytesIO(), "w")
    new = file.create_group("new").create_group("type")
    new["codes"], new["categories"] = np.array([1, 0], dtype=np.int8), [b"B", b"NK"]
    old = file.create_group("old")
    old["type"], old["__categories/type"] = np.array([1, 0], dtype=np.int8), [b"B", b"NK"]
    assert categorical(file["new"], "type") == categorical(file["old"], "type") == ["NK", "B"]


def test_not_hdf5_and_not_r(tmp_path):
    with pytest.raises(InputError, match="not a readable HDF5 file"):
        open_bytes(b"nothing", name="x.h5")
    for content in (b"nothing", lzma.compress(b"RDX3\nX\n" + bytes(500))[:-40]):
        (tmp_path / "x.rda").write_bytes(content)
        with pytest.raises(InputError, match=r"x\.rda: not a readable R data file"):
            read_columns(tmp_path / "x.rda", ["a"])


# --- commands -----------------------------------------------------------------------------


def test_export_writes_the_canonical_file(tiny, tmp_path, capsys):
    tiny()
    out = tmp_path / "tiny.h5ad"
    commands.export("tiny", out=out)
    assert anndata.read_h5ad(out).uns[Uns.DATASET]["revision"] == datasets.get("tiny").revision
    assert "3 cells" in capsys.readouterr().out


@pytest.mark.parametrize("out", ["x.csv", "missing/x.h5ad"])
def test_export_refuses_before_working(tiny, tmp_path, out):
    source = tiny()
    with pytest.raises(InputError, match=out.split("/")[0]):
        commands.export("tiny", out=tmp_path / out)
    assert source.asked == 0


def test_fetch_skips_the_unreachable_unless_named(tiny, monkeypatch, capsys):
    source = tiny()
    source.reachable = False
    monkeypatch.setattr(base._FAMILY, "_members", {"tiny": base._FAMILY.get("tiny")})
    commands.fetch()
    assert "tiny: skipped, tiny.tar.gz: the shelf is away" in capsys.readouterr().out
    with pytest.raises(SourceUnavailable):
        commands.fetch(["tiny"])
    source.reachable = True
    commands.fetch(["tiny"])
    assert "tiny: ready, 3 cells, 3 genes" in capsys.readouterr().out
