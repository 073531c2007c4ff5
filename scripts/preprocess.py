"""Labelled cells as three files: to train on, to choose by, to be tested on.

python scripts/preprocess.py DATA.h5ad -o PREFIX [--source FOLDER]
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import FlagCreatePairsOff, Positional, arg

from benchmarks.split_file import split_file
from benchmarks.splits import By
from clip_align.scimilarity.cells import LEAST_GENES
from representations.console import run_cli, say


def preprocess(
    data: Annotated[Positional[Path], arg(metavar="DATA.h5ad")],
    /,
    *,
    out: Annotated[Path, arg(aliases=["-o"], metavar="PREFIX")],
    source: Annotated[Path | None, arg(metavar="FOLDER")] = None,
    min_genes: int = LEAST_GENES,
    seed: int = 0,
    by: By = "auto",
    drop_rare: bool = False,
    overwrite: bool = False,
) -> None:
    """Split labelled cells 70/15/15: PREFIX_train.h5ad, PREFIX_val.h5ad, PREFIX_test.h5ad.

    Counts by gene symbol and nothing else: no genes are chosen, nothing is scaled or fitted.

    Args:
        data: Raw counts, obs["cell_type"]; obs["donor"] where known: three or more are kept whole.
        out: First part of the names of the three files.
        source: Model folder; says how many of its genes the cells measure.
        min_genes: Genes of the model that the cells must measure.
        seed: Seed of the split.
        by: Split by donor or by cell; auto is by donor where there are three or more.
        drop_rare: Leave out types of fewer than four cells.
        overwrite: Replace files that are there.
    """
    for path in split_file(
        data, out, source=source, min_genes=min_genes, seed=seed, by=by, drop_rare=drop_rare,
        overwrite=overwrite, say=say,
    ):  # fmt: skip
        print(path)


def main() -> None:
    tyro.cli(preprocess, prog="scripts/preprocess.py", config=(FlagCreatePairsOff,))


if __name__ == "__main__":
    run_cli(main)
