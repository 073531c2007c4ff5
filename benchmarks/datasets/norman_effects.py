"""Norman 2019, the effects: what activating one gene or two does to K562, no single cells."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from benchmarks.datasets import norman
from benchmarks.datasets.base import Dataset, Files, register
from benchmarks.datasets.canonical import Raw
from benchmarks.datasets.sources import UrlFile
from representations.errors import InputError
from representations.keys import Obs

EFFECTS = UrlFile(
    url="https://raw.githubusercontent.com/MasalaKimchi/cell-state-reachability/"
    "9b7a2b195e5e573c9b8a465cce9e9786e033aaf8/notebooks/cache/norman_effect_bundle.npz",
    filename="norman2019_effect_bundle.npz",
    sha256="8979d2ff3ea4e110f0e48f6342d0766c90036fe9876b9de53c93a8a401ec6f12",
)
GENES = "genes_hvg"
# Labels -> their effects, activations of one gene and of two.
TABLES = {"sing_labels": "lfc_s", "doub_labels": "lfc_d"}
_DAMAGED = (EOFError, OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error)


@register(
    Dataset(
        name="norman_effects",
        title="Norman 2019, CRISPR activation in K562: effects of 104 genes and 130 pairs on 2,000 "
        "genes",
        citation=f"{norman.CITATION}; effects as distributed with cell-state-reachability",
        licence="MIT (the repository that carries it); the terms of the GEO record apply",
        caveats=(
            "No counts and no cells: a row is the difference in log1p of counts per million "
            "between the cells of an activation, taken together, and 9,702 control cells. What "
            "needs counts refuses it.",
            "No row says how many cells it is of, nor how sure it is.",
            "2,000 genes chosen upstream as highly variable; on which cells is not said.",
            "The targets of 58 of 104 activations of one gene are among the genes (57 by the "
            "published spelling).",
            "Both genes of 126 of the 130 pairs are here alone as well; ZBTB10, of the other "
            "four, is not.",
            "One cell line, which no donor tells apart: no claim across donors can be made from "
            "it. The file tells no batches.",
            "K562 is a line: its Cell Ontology term is the nearest, not equal.",
            "No antibodies: markers are the effects on the panel's genes, not a cell's expression.",
        ),
        sources=(EFFECTS,),
        views=("rna",),
        values="effects",
    )
)
def build(files: Files) -> Raw:
    """An activation a row, those of one gene first; ``X`` has ``lfc_s`` over ``lfc_d``.

    ``obs["perturbation"]``: the label as published (``AHR``, ``AHR+FEV``), which is the row's name
    too; ``obs["target_1"]``, ``obs["target_2"]``: its genes (see ``norman.targets``).

    Not read: ``Es`` and ``Ed``, the same as ``(lfc - mu_g) / sd_g``, whose moments are of all rows
    of ``lfc_s``, so that what is held out would be in the scale of the rest; ``comp_idx`` and
    ``comp_ok``, the rows of ``lfc_s`` that are the parts of a pair, which the labels say as well.
    """
    path = files[EFFECTS.filename]
    labels, effects_ng, genes = read_effects(path)
    return Raw(
        counts_ng=effects_ng,
        genes=genes,
        cells=labels,
        cell_type=[norman.LINE] * len(labels),
        batch=["norman_effects"] * len(labels),
        obs={Obs.PERTURBATION: labels, **norman.targets(labels, where=str(path))},
    )


def read_effects(path: Path) -> tuple[list[str], np.ndarray, list[str]]:
    """Labels (n), effects (n, g) in float32, and gene names (g).

    Raises
    ------
    InputError
        Damaged, an array is absent or of another shape or kind, or an effect is not finite.
    """
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            held = {key: file[key] for key in (GENES, *TABLES, *TABLES.values())}
        effects_ng = np.vstack([held[key].astype(np.float32) for key in TABLES.values()])
        labels, genes = [str(x) for key in TABLES for x in held[key]], list(map(str, held[GENES]))
    except _DAMAGED as error:
        raise InputError(
            f"{path}: damaged, or not the file of {', '.join(TABLES.values())} and {GENES} "
            f"({type(error).__name__}); delete it and run again"
        ) from error
    if effects_ng.shape != (len(labels), len(genes)):
        raise InputError(
            f"{path}: effects of shape {effects_ng.shape} for {len(labels)} labels and "
            f"{len(genes)} genes; delete it and run again"
        )
    if not np.isfinite(effects_ng).all():
        raise InputError(f"{path}: holds nan or infinite effects; delete it and run again")
    return labels, effects_ng, genes
