"""How a run of annotation does on labelled cells that it has not learnt from.

python scripts/evaluate.py RUN DATA.h5ad -o FOLDER [--source FOLDER]
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import FlagCreatePairsOff, Positional, arg

from clip_align.scimilarity.evaluate_file import evaluate_file
from representations.console import run_cli, say


def evaluate(
    run: Annotated[Positional[Path], arg(metavar="RUN")],
    data: Annotated[Positional[Path], arg(metavar="DATA.h5ad")],
    /,
    *,
    out: Annotated[Path, arg(aliases=["-o"], metavar="FOLDER")],
    source: Annotated[Path | None, arg(metavar="FOLDER")] = None,
    min_genes: int | None = None,
    overwrite: bool = False,
) -> None:
    """Write tables and figures of a run on labelled cells.

    Args:
        run: Folder of a run of scripts/train.py.
        data: Raw counts and obs["cell_type"], cells that the run was not trained on: it knows them
            by their names, and is not evaluated on them.
        out: Folder for report.md, tables (.csv) and figures (.png).
        source: Model folder that the run was tuned from: adds what the run is compared with,
            logistic regression of the frozen embeddings by the same training cells, how far
            embeddings moved, the map before tuning and the reconstruction error.
        min_genes: Genes of the model that the cells must measure; as in the training unless given.
        overwrite: Replace an evaluation that is there.
    """
    for path in evaluate_file(
        run, data, out, source=source, min_genes=min_genes, overwrite=overwrite, say=say
    ):
        print(path)


def main() -> None:
    tyro.cli(evaluate, prog="scripts/evaluate.py", config=(FlagCreatePairsOff,))


if __name__ == "__main__":
    run_cli(main)
