"""A classifier of cell types, tuned from a model folder on your own labelled cells.

python scripts/train.py DATA.h5ad --source FOLDER -o RUN [--validation VALIDATION.h5ad]
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import FlagCreatePairsOff, Positional, arg

from clip_align.scimilarity.train_file import train_file
from clip_align.scimilarity.train_plan import AnnotationTraining
from representations.console import run_cli, say


def train(
    data: Annotated[Positional[Path], arg(metavar="DATA.h5ad")],
    /,
    *,
    source: Annotated[Path, arg(metavar="FOLDER")],
    out: Annotated[Path, arg(aliases=["-o"], metavar="RUN")],
    validation: Annotated[Path | None, arg(metavar="VALIDATION.h5ad")] = None,
    plan: Annotated[AnnotationTraining, arg(name="")] = AnnotationTraining(),  # noqa: B008 - frozen
    overwrite: bool = False,
) -> None:
    """Tune adapters and a head on labelled cells; write a run folder that annotates others.

    Args:
        data: Raw counts, obs["cell_type"]; obs["donor"] where known.
        source: Model folder: SCimilarity unpacked, or one of scripts/pretrain.py.
        out: Folder of the run.
        validation: Labelled cells to check by, as PREFIX_val.h5ad of scripts/preprocess.py: then
            none of DATA is held out.
        plan: How to train.
        overwrite: Replace a finished run.
    """
    trained = train_file(
        data, source, out, plan, validation=validation, overwrite=overwrite, progress=True, say=say
    )
    told = trained.metrics
    scores = {arm: told[arm]["held/macro_f1"] for arm in ("adapted", "frozen", "frozen_logreg")}
    if scores["adapted"] < scores["frozen_logreg"] and plan.budget == "default":
        say(
            "note: worse on held-out cells than logistic regression of the frozen encoder; start "
            "there, at a rate that these cells prefer, with --budget tuned"
        )
    print(
        f"{out}: best epoch {told['best_epoch']}, {told['trained_parameters']} of "
        f"{told['encoder_parameters']} parameters of the encoder on the measured genes learnt; "
        f"macro-F1 of held-out cells {scores['adapted']:.3f}, head alone {scores['frozen']:.3f}, "
        f"logistic regression of the frozen encoder {scores['frozen_logreg']:.3f}; "
        f"{len(trained.sanity.gates)} gates passed"
    )


def main() -> None:
    tyro.cli(train, prog="scripts/train.py", config=(FlagCreatePairsOff,))


if __name__ == "__main__":
    run_cli(main)
