"""Suite ``ablation``: one factor at a time from the base of each model, on an equal budget."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.factors import factors
from benchmarks.plans import BUDGET, resolve, rows_of
from benchmarks.suites.base import Row, Suite, suites
from clip_align.config import bases

FEATURES = ("X_pca", "X_diffmap")  # of the base, and beside it
BASELINES = ("ridge", "cca", "knn")
AXES = (
    *("batch_size", "learning_rate", "encoder", "marker_encoder", "head", "embed_dim"),
    *("loss", "augmentation", "temperature", "members", "hierarchy"),
    *("hard_negatives", "cache", "negatives", "mined_weight", "control"),
)
QUICK = ("head", "temperature", "control")


def _rows() -> Iterator[Row]:
    chance = Row(
        task="ablation", train="teaseq", test="teaseq", representation="none", model="chance"
    )
    yield chance
    for model in BASELINES:
        yield replace(chance, representation=FEATURES[0], model=model)
    for model in bases.names():
        base = replace(chance, representation=FEATURES[0], model=model)
        yield base
        yield from (replace(base, representation=x, quick=False) for x in FEATURES[1:])
        for name in AXES:
            for level in rows_of(name, model, BUDGET):
                resolve(model, {name: level}, BUDGET)  # refuses a level that changes nothing
                yield replace(base, variant={name: level}, quick=name in QUICK)


if left := set(factors.names()) - set(AXES):
    raise ValueError(f"suite ablation has no place for the factor {', '.join(sorted(left))}")
suites.add(
    "ablation",
    Suite(
        name="ablation",
        title="One factor at a time from the base of each model",
        rows=tuple(_rows()),
        base=FEATURES[0],
        note=(
            "Every row changes one factor of the base of its model (`clip_align.config.bases`) and "
            "nothing else; a row whose effective configuration or whose figures are the base's is "
            "refused. The bases are those of `clip_align.config.bases` with batches of 128. Equal "
            "budget: 10 passes over the training pairs for every row, on one thread, in one "
            "one-cycle schedule, a third of what they have elsewhere. The epoch is chosen by pair "
            "accuracy on validation pairs. Nothing else is tuned "
            "by row: a learning rate that suits the base may not suit a level. Cells of TEA-seq, "
            "the pool is the whole test split, panel genes are removed. `random_init`: the "
            "weights that the training starts with; `shuffled_pairs`: trained, and its epoch "
            "chosen, with every cell's markers dealt to another. Differences are to the base of "
            "the same model on the same cells and seeds, those of the bases to ridge. p values "
            "are Holm-corrected over all comparisons of this table with the same figure, both "
            "models together. Seconds are of one thread beside another."
        ),
    ),
)
