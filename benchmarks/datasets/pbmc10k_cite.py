"""10x PBMC 10k CITE-seq: 14 antibodies, labels joined from another publication."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from benchmarks.datasets.base import Dataset, Files, register
from benchmarks.datasets.canonical import Raw
from benchmarks.datasets.rframe import read_columns
from benchmarks.datasets.sources import UrlFile
from representations.errors import InputError

_COUNTS = (
    "https://raw.githubusercontent.com/YosefLab/totalVI_reproducibility/"
    "27d65a9c49182f39df0c4325249bc7dc8e663dd0/data/raw_data"
)
_LABELS = (
    "https://raw.githubusercontent.com/yezhengSTAT/ADTnorm/"
    "142ac08274083a91bf27a8c437042ad2447a4f5f/data"
)
RNA = UrlFile(
    url=f"{_COUNTS}/pbmc10k_harmo_rna.csv.gz",
    filename="totalvi_pbmc10k_harmo_rna.csv.gz",
    sha256="77cacfec0e17dce2a9b00c479a07a162e29dc9263ff5dc4cb5235df4679baba9",
)
PROTEIN = UrlFile(
    url=f"{_COUNTS}/pbmc10k_harmo_pro.csv.gz",
    filename="totalvi_pbmc10k_harmo_pro.csv.gz",
    sha256="184afe670d264b598e24cca73ccfd4f07c7bde696b8fb4cb53ba62d89b13f048",
)
LABEL_PROTEIN = UrlFile(
    url=f"{_LABELS}/cell_x_adt.rda",
    filename="adtnorm_cell_x_adt.rda",
    sha256="eaeb008e7262de13c5d5d79e7822b78dd95c9285089bf2705c6db492d797bafc",
)
LABELS = UrlFile(
    url=f"{_LABELS}/cell_x_feature.rda",
    filename="adtnorm_cell_x_feature.rda",
    sha256="8efde28e629acf17a0d5718b01866d4b074264f320d6ac0dd6c1af9868b13b84",
)
STUDY = "10X_pbmc_10k"
UNDEFINED = "undefined"
# The antibodies both publications counted: name in the label table -> name in the counts.
SHARED = {
    **{name: f"{name}_TotalSeqB" for name in ("CD3", "CD4", "CD14", "CD25", "CD45RA", "CD56")},
    **{name: f"{name}_TotalSeqB" for name in ("CD127", "CD19")},
    "CD8": "CD8a_TotalSeqB",
}


@register(
    Dataset(
        name="pbmc10k_cite",
        title="10x PBMC 10k CITE-seq: 6,854 labelled cells, 4,000 genes, 14 antibodies",
        citation="10x Genomics, 10k PBMCs from a Healthy Donor with TotalSeq-B antibodies, 2018; "
        "counts as in totalVI: Gayoso et al. 2021, Nature Methods 18:272, "
        "doi:10.1038/s41592-020-01050-x; labels from ADTnorm: Zheng et al. 2025, "
        "Nature Communications 16, doi:10.1038/s41467-025-61023-6",
        licence="CC BY 4.0 (10x Genomics data); GPL-3.0-or-later (ADTnorm, for the labels)",
        caveats=(
            "Labels were gated on protein: they are not independent of the antibody counts.",
            "One donor: no claim across donors can be made from it.",
            "4,000 genes chosen upstream, on all cells.",
            "cell_type is the publication's fine label, or its coarse one where the fine one is "
            "undefined; cells that neither defines keep the label 'undefined'.",
            "One of 6,855 cells is in no label table and is left out.",
            "No dendritic cells or platelets are labelled.",
        ),
        sources=(RNA, PROTEIN, LABEL_PROTEIN, LABELS),
        views=("adt", "rna"),
    )
)
def build(files: Files) -> Raw:
    """Counts of one publication under the labels of another, joined on nine raw ADT counts."""
    rna_gn = _table(files[RNA.filename])
    protein = _table(files[PROTEIN.filename]).T
    if list(rna_gn.columns) != list(protein.index):
        raise InputError(
            f"pbmc10k_cite: {RNA.filename} and {PROTEIN.filename} name different cells; delete "
            "both from the cache and run again"
        )
    adt = read_columns(files[LABEL_PROTEIN.filename], list(SHARED))
    labels = read_columns(files[LABELS.filename], ["study_name", "cell_type_l1", "cell_type_l2"])
    if len(adt) != len(labels):
        raise InputError(
            f"pbmc10k_cite: {len(labels)} labels for {len(adt)} cells in {LABELS.filename} and "
            f"{LABEL_PROTEIN.filename}; delete both from the cache and run again"
        )
    ours = labels["study_name"].to_numpy() == STUDY
    rows = match_counts(protein[list(SHARED.values())].to_numpy(), adt[ours].to_numpy())
    fine, coarse = (labels.loc[ours, f"cell_type_{level}"].to_numpy() for level in ("l2", "l1"))
    cell_type = np.where(fine == UNDEFINED, coarse, fine)
    kept = rows >= 0
    protein = protein[kept]
    return Raw(
        counts_ng=sp.csc_matrix(rna_gn.to_numpy(np.float32)).T.tocsr()[kept],
        genes=rna_gn.index.tolist(),
        cells=protein.index.tolist(),
        cell_type=cell_type[rows[kept]].tolist(),
        batch=["pbmc10k_cite"] * int(kept.sum()),
        protein=protein,
    )


def match_counts(cells_nk: np.ndarray, table_mk: np.ndarray, *, least: float = 0.99) -> np.ndarray:
    """Row of ``table_mk`` with the same k counts as each cell, -1 where there is none; (n,).

    Raises
    ------
    InputError
        Less than the share ``least`` of the cells has a row, or a cell has several.
    """
    found: dict[tuple[float, ...], list[int]] = {}
    for row, key in enumerate(_keys(table_mk)):
        found.setdefault(key, []).append(row)
    hits = [found.get(key, []) for key in _keys(cells_nk)]
    matched, ambiguous = sum(map(bool, hits)), sum(len(rows) > 1 for rows in hits)
    if ambiguous or matched < least * len(hits):
        raise InputError(
            f"pbmc10k_cite: labels match {matched} of {len(hits)} cells, {ambiguous} of them more "
            f"than once; delete {LABELS.filename} and {LABEL_PROTEIN.filename} from the cache and "
            "run again"
        )
    return np.array([rows[0] if rows else -1 for rows in hits])


def _keys(counts_nk: np.ndarray) -> Sequence[tuple[float, ...]]:
    return list(map(tuple, np.asarray(counts_nk, dtype=np.float64).tolist()))


def _table(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, index_col=0)
    except (EOFError, OSError, ValueError) as error:
        raise InputError(
            f"{path}: truncated or damaged ({type(error).__name__}); delete it and run again"
        ) from error
