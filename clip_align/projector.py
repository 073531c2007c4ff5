"""Points for TensorBoard's projector: cells and marker profiles in their one space."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from clip_align.pairs import PairedCells
from clip_align.related import Related
from clip_align.stratify import stratified
from representations.io import atomic_path, atomic_write

if TYPE_CHECKING:
    from clip_align.validation import Judged

CONFIG = "projector_config.pbtxt"
FOLDER = "projector"
TENSORS, METADATA = f"{FOLDER}/tensors.tsv", f"{FOLDER}/metadata.tsv"
FILES = (CONFIG, TENSORS, METADATA)
TOP = (CONFIG, FOLDER)
OTHER = "other"


def write_projector(
    folder: Path, judged: Judged, pairs: PairedCells, related: Related, most: int
) -> None:
    """At most ``most`` points, both sides of ``most // 2`` cells, each type by its share.

    Metadata: type (the first column, with which TensorBoard labels), lineage, side and cell.
    """
    rows = stratified(pairs.ids_n, pairs.types_n, most // 2)
    points_2re = np.concatenate([judged.cell_ne[rows], judged.marker_ne[rows]])
    lineage_of = {name: line for line, names in related.lineages.items() for name in names}
    types = [" ".join(str(name).split()) for name in pairs.types_n[rows]]
    one = pd.DataFrame(
        {
            "type": types,
            "lineage": [lineage_of.get(str(name), OTHER) for name in pairs.types_n[rows]],
            "cell": [" ".join(str(name).split()) for name in pairs.ids_n[rows]],
        }
    )
    told = pd.concat([one.assign(side=side) for side in ("cell", "marker")])
    with atomic_path(folder / TENSORS) as path:
        np.savetxt(path, points_2re, fmt="%.5g", delimiter="\t")
    with atomic_path(folder / METADATA) as path:
        told[["type", "lineage", "side", "cell"]].to_csv(path, sep="\t", index=False)
    config = {
        "tensor_name": "cells and marker profiles", "tensor_path": TENSORS,
        "metadata_path": METADATA,
    }  # fmt: skip
    lines = "".join(f'  {key}: "{value}"\n' for key, value in config.items())
    atomic_write(folder / CONFIG, f"embeddings {{\n{lines}}}\n")
