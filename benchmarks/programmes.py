"""Programmes of K562 and the activations that turn them, by the screen's authors.

Classes are of Norman 2019, figure 2 (doi:10.1126/science.aax4438), as curated with the public
releases of the screen: a gene stands in a class by its activation alone or with another of it.
Genes are those of the 23 that ``norman_cells`` counts.
"""

from __future__ import annotations

from collections.abc import Mapping

CLASSES: Mapping[str, tuple[str, ...]] = {
    "erythroid": (
        "ATL1", "BPGM", "CBL", "CNN1", "PTPN1", "PTPN12", "PTPN9", "SAMD1", "UBASH3A", "UBASH3B",
        "ZBTB25",
    ),
    "myeloid": ("CEBPA", "CEBPB", "CEBPE", "SPI1"),
}  # fmt: skip
ERYTHROID = ("AHSP", "ALAS2", "EPOR", "GATA1", "HBB", "HBG1", "KLF1", "NFE2", "SLC4A1", "TAL1",
             "ZFPM1")  # fmt: skip
MYELOID = ("CEBPA", "RUNX1", "SPI1")
# Sign of each gene in the programme that a class should turn on.
SIGNS: Mapping[str, Mapping[str, float]] = {
    "erythroid": {gene: 1 / len(ERYTHROID) for gene in ERYTHROID},
    "myeloid": {
        **{gene: 1 / len(MYELOID) for gene in MYELOID},
        **{gene: -1 / len(ERYTHROID) for gene in ERYTHROID},
    },
}
