"""Pollen 2014: cell lines, cultures and fetal cortex, K562 among them, all genes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from benchmarks.datasets.base import Dataset, Files, register
from benchmarks.datasets.canonical import Raw
from benchmarks.datasets.converted import ConvertedFile, Form
from benchmarks.datasets.h5 import categorical, csr, index, open_bytes

COUNTS = ConvertedFile(
    url="https://raw.githubusercontent.com/gongx030/scDatasets/"
    "f0204657b18f18f8d5eeb09f93aed749aac482b1/data/pollen.rda",
    command="`Rscript scripts/convert_pollen.R pollen2014_11pop.tsv` (where R and Bioconductor's "
    "SummarizedExperiment are)",
    filename="pollen2014_11pop.h5ad",
    sha256="ed0d212214d4d2045d45b558650ec8cc3d59cc191f3bebc3cc2a1ce88e6493c6",
    written=Form(
        filename="pollen2014_11pop.tsv",
        sha256="913d08b64488a2b7ca6befb340c979c0e032f4ba966d7ffb4704a7ab5f955327",
    ),
)


@register(
    Dataset(
        name="pollen",
        title="Pollen 2014, 11 human populations with K562 and HL60: 299 cells, 23,741 genes",
        citation="Pollen et al. 2014, Nature Biotechnology 32:1053, doi:10.1038/nbt.2967 "
        "(SRP041736); counts as distributed with scDatasets (W. Gong)",
        licence="MIT (the package that carries it); the terms of the SRA record apply",
        caveats=(
            "Reads of full-length transcripts, not molecules: amplification and gene length are in "
            "the counts.",
            "Depth is mixed, deep and shallow runs: 5,198 to 9.9 million counts a cell.",
            "Labels say where a cell comes from; they are no clusters. GW16, GW21 and GW21+3 "
            "(three weeks in culture) are fetal cortex, neurons and progenitors under one label.",
            "K562, HL60, 2338 (HCC1954, breast carcinoma) and 2339 (HCC1954BL, B lymphoblasts of "
            "the same patient) are lines: their Cell Ontology terms are the nearest, not equal.",
            "A population is a culture or a tissue sample of its own: what tells two of them apart "
            "may be the preparation. The file tells neither donors nor runs.",
            "8 to 54 cells a population.",
            "No antibodies: markers are the expression of the panel's genes.",
            "Counts of genes that share a symbol are summed.",
        ),
        sources=(COUNTS,),
        views=("rna",),
    )
)
def build(files: Files) -> Raw:
    """Counts under the names of their populations; cells are numbered as the source has them."""
    path = files[COUNTS.filename]
    read = read_written if path.suffix == Path(COUNTS.written.filename).suffix else read_h5ad
    counts_ng, genes, populations = read(path)
    return Raw(
        counts_ng=counts_ng,
        genes=genes,
        cells=[f"pollen_{cell}" for cell in range(len(populations))],
        cell_type=populations,
        batch=["pollen"] * len(populations),
    )


def read_h5ad(path: Path) -> tuple[sp.csr_matrix, list[str], list[str]]:
    """Counts, genes and the population of each cell, from the converted file."""
    with open_bytes(path.read_bytes(), name=path.name) as file:
        return csr(file["X"]), index(file["var"]), categorical(file["obs"], "cell_type")


def read_written(path: Path) -> tuple[sp.csr_matrix, list[str], list[str]]:
    """The same from the text that ``scripts/convert_pollen.R`` writes, a line a gene."""
    with path.open(encoding="utf-8") as file:
        _, *populations = next(file).rstrip("\n").split("\t")
        # No word is a missing value: a gene may be called NA.
        table = pd.read_csv(file, sep="\t", header=None, index_col=0, keep_default_na=False)
    counts_ng = sp.csr_matrix(table.to_numpy(np.float32).T)
    return counts_ng, table.index.astype(str).tolist(), populations
