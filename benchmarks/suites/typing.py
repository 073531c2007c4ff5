"""Suite ``typing``: coarse types of another data set by prompts, beside those who learnt labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.suites.base import (
    INDUCTIVE,
    KEPT,
    MATCHED,
    OURS,
    SOURCE_KEY,
    Lead,
    Row,
    Suite,
    suites,
)

PAIRS = (
    ("zero_shot_adt", "teaseq", "teaseq"),
    ("zero_shot_adt", "teaseq", "pbmc10k_cite"),
    ("zero_shot_rna", "teaseq", "kang"),
    ("zero_shot_rna", "teaseq", "pbmc3k"),
)


def _rows() -> Iterator[Row]:
    for task, train, test in PAIRS:
        prompts = Row(
            task=task, train=train, test=test, representation="X_pca", model=OURS, quick=False
        )
        labels = replace(prompts, model="logreg")
        yield replace(prompts, model="profiles", representation="none")
        for row in (prompts, labels):
            yield row
            yield replace(row, variant=KEPT)
        for model in ("ridge", "cca"):
            yield replace(prompts, model=model)
        if train != test:
            yield replace(labels, variant=INDUCTIVE)
            yield replace(prompts, variant=INDUCTIVE)
            for model in (OURS, "ridge", "cca"):
                yield replace(prompts, model=model, variant=MATCHED)
        whole = replace(prompts, variant=KEPT, representation="none")
        for model in ("majority", "pca+knn", "pca+logreg", "celltypist"):
            yield replace(whole, model=model)
        if train != test:
            for model in ("pca+knn", "pca+logreg"):
                yield replace(whole, model=model, variant={**KEPT, "query_statistics": "own"})
        if test == "pbmc10k_cite":  # minutes a seed
            yield replace(whole, model="scanvi", representation="X_scanvi")
        tuned = replace(whole, representation=SOURCE_KEY)
        yield replace(tuned, model="frozen+logreg")
        yield replace(tuned, model="lora_ce_triplet", variant={**KEPT, "budget": "tuned"})


NOTE = """\
Cells of the query whose coarse type the training cells have too. A prompt is a set of markers, \
high or low (`benchmarks/prompts.csv`), looked up among profiles of training cells; a cell gets \
the type of the nearest prompt. No label enters a fit.

- Platelets and megakaryocytes have no prompt, their markers being in no panel here: these cells \
count as missed.
- The phrases were written by what models of `pbmc3k` and `pbmc10k_cite` said of TEA-seq and its \
labels, a direction that no row has; rows within TEA-seq are therefore not untouched.
- Features and markers of a query of another data set are scaled by the query itself \
(transductive) unless the variant says `query_statistics=train`; who reads whole cells scales them \
as its training cells unless it says `own`. Panel genes are removed from the cell side unless the \
variant says `kept`.
- `adaptation=matched` looks prompts up among the query's own unlabelled profiles (transductive).
- `profiles` scores prompts on the measured markers of each cell by levels of the query's own \
(transductive).
- `logreg` learns labels from the same features, `pca+logreg` and `pca+knn` from components of all \
genes. Validation cells choose penalties, numbers of neighbours and the adapters' settings; \
CellTypist has its defaults.
- scANVI, minutes a seed, was run on `pbmc10k_cite` alone.
- CellTypist, scANVI, `pca+...`, the frozen encoder and the adapters read whole cells. The source \
model is small and made here (suite `annotation`); it has not seen either data set.

Protocol 1."""


suites.add(
    "typing",
    Suite(
        name="typing",
        title="Coarse types by prompts, beside those who learnt labels",
        rows=tuple(_rows()),
        lead=Lead(
            model=OURS,
            representation="X_pca",
            variant=MATCHED,
            elsewhere=({},),
            metrics=("accuracy", "balanced_accuracy"),
        ),
        base="X_pca",
        note=NOTE,
    ),
)
