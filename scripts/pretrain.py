"""A small source model, where SCimilarity's own weights are absent.

python scripts/pretrain.py -o FOLDER [--leave-out kang] [--epochs 15]
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import FlagCreatePairsOff, arg

from benchmarks.source_models import train_source
from clip_align.scimilarity.pretrain import PretrainConfig
from representations.console import run_cli


def pretrain(
    *,
    out: Annotated[Path, arg(aliases=["-o"], metavar="FOLDER")],
    leave_out: tuple[str, ...] = (),
    training: Annotated[PretrainConfig, arg(name="")] = PretrainConfig(),  # noqa: B008 - frozen
    overwrite: bool = False,
) -> None:
    """Train a source model on the small atlas (kang, pbmc3k, marrow, pbmc10k_cite); write it.

    Args:
        out: Model folder.
        leave_out: Data sets that it must not see: those it will be judged on.
        training: How to train.
        overwrite: Replace a model that is there.
    """
    model = train_source(out, leave_out=leave_out, config=training, overwrite=overwrite)
    last = model.about["history"][-1]
    print(
        f"{out}: {model.name}, {model.about['n_cells']} cells, {len(model.genes)} genes; of "
        f"held-out cells {last['held/nearest']:.3f} have a nearest known cell of their type, "
        f"reconstruction error {last['held/reconstruction']:.4f}"
    )


def main() -> None:
    tyro.cli(pretrain, prog="scripts/pretrain.py", config=(FlagCreatePairsOff,))


if __name__ == "__main__":
    run_cli(main)
