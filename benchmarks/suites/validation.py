"""Suite ``validation``: what the defaults of ``X_integrated`` rest on. No test cell is read."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.suites.base import OURS, Row, Suite, suites


def _validation() -> Suite:
    base = Row(
        task="simulated_query", train="teaseq", test="teaseq", representation="X_integrated",
        model=OURS, quick=False,
    )  # fmt: skip
    single = [replace(base, representation=name) for name in ("X_pca", "X_scvi")]
    choices = (
        *({"own": own} for own in ("train", "columns", "both")),
        *({"weights": weights} for weights in ("columns", "equal", "tuned")),
        {"blocks": "pca+scvi+diffmap"},
    )
    alone = [replace(row, variant={"own": "train"}) for row in single]
    varied = [replace(base, variant=dict(choice)) for choice in choices]
    return Suite(
        name="validation",
        title="What the defaults of X_integrated rest on",
        rows=(*single, base, *alone, *varied),
        note=(
            "Cells of TEA-seq that are in the test split of no seed of the other suites, split "
            "again into cells that fit, cells that stop the training and tune weights, and cells "
            "that are asked. The asked cells stand for another data set: `capture` thins their "
            "counts, each gene by a factor of its own; `composition` takes another share of each "
            "type; `both` does both; three draws of each. Antibodies stay as measured. "
            "`pair_accuracy` is the mean of the four. The query is scaled by its own cells unless "
            "the variant says `own=train`; base: `own=genes`, `weights=leading` (8:1), blocks "
            "X_pca and X_scvi. n: the fewest queries of a draw; pool: 200, or all where fewer."
        ),
    )


suites.add("validation", _validation())
