"""Suite ``k562``: from immune cells to what activating a gene does to K562."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.suites.base import INDUCTIVE, MATCHED, OURS, Lead, Row, Suite, suites

SCREEN = "norman_effects"
SETS = ("kang+pbmc3k", "kang+marrow+pbmc3k")
SHUFFLED = {"control": "shuffled_pairs"}
CELLS, DEALT = "norman_cells", {"control": "shuffled_arms"}


def _rows() -> Iterator[Row]:
    for train in SETS:
        best = train == SETS[-1]
        chance = Row(
            task="k562_profile", train=train, test=SCREEN, representation="none", model="chance",
            quick=best,
        )  # fmt: skip
        yield chance
        for representation in ("none", "X_pca"):
            ridge = replace(chance, model="ridge", representation=representation)
            yield ridge
            yield replace(ridge, variant=INDUCTIVE, quick=False)
        for model in ("cca", "knn", OURS):
            yield replace(ridge, model=model, quick=False)
        for model in ("ridge", OURS):
            yield replace(ridge, model=model, variant=MATCHED)
        yield replace(ridge, model=OURS, variant={**MATCHED, **SHUFFLED}, quick=False)
    target = replace(ridge, task="k562_target", quick=False)
    yield replace(target, model="chance", representation="none")
    yield replace(target, representation="none")
    for model in ("ridge", "cca", "knn", OURS):
        yield replace(target, model=model)
    yield replace(target, model=OURS, variant=SHUFFLED, quick=False)
    inside = replace(chance, task="k562_inside", train=SCREEN, quick=False)
    yield inside
    yield replace(inside, model="ridge")
    for model in ("ridge", "cca", "knn"):
        yield replace(inside, model=model, representation="X_pca")
    doubles = replace(chance, task="k562_doubles", quick=False)
    for model in ("chance", "additive", "ridge"):
        yield replace(doubles, model=model)
    yield replace(doubles, model=OURS, representation="X_pca", variant=MATCHED)
    program = replace(chance, task="k562_program", train=CELLS, test=CELLS)
    for model in ("chance", "programme", "perturbation_mean", "knn", "logreg"):
        yield replace(program, model=model, quick=model != "knn")
    for model in ("programme", "logreg"):
        yield replace(program, model=model, variant=DEALT, quick=False)


suites.add(
    "k562",
    Suite(
        name="k562",
        title="From immune cells to what activating a gene does to K562",
        rows=tuple(_rows()),
        lead=Lead(model=OURS, representation="X_pca", variant=MATCHED),
        note=(
            "An activation is a row of the screen: the effect of one gene or two on K562, cells "
            "taken together. Profile: its effects on genes outside the panel against its effects "
            "on the panel's genes, one pool of all activations. Target: activations of one gene "
            "whose target every set measures; effects on genes that no activation targets against "
            "the identity of its own. Both are learnt from immune cells alone; each gene is in "
            "units of its own deviation, over cells or over the effects that are asked of "
            "(transductive; `query_statistics=train`: effects as measured). "
            "`adaptation=matched`: the effects are learnt from themselves too, never told which "
            "belongs to which; it starts from ridge regression whatever the model, with settings "
            "chosen on means of like marrow cells, before any effect was read. `shuffled_pairs`: "
            "the same from cells whose markers were dealt anew. Inside: the profile task learnt "
            "from effects, 54 held-out activations of one gene; what shares a gene with them, "
            "pairs too, is not learnt from. Doubles: the profile task among activations of two "
            "genes; `additive` adds up what each does by itself, on the panel's genes too. "
            "Program: single cells of each activation that stands in an erythroid or myeloid class "
            "of the screen's authors, by itself or with another (`benchmarks/programmes.py`; one "
            "that is there only through a pair need not turn the programme alone), among the "
            "controls, on 23 genes less the activated one; `programme` is a mean of marker genes "
            "in units of control cells, the others learn from half of the gem groups and are "
            "asked of the other; `shuffled_arms` deals the "
            "arms of a gem group anew. No model of immune cells is asked there: three of the 23 "
            "genes are of the panel. There intervals are over cells, the arms fixed; elsewhere "
            "they are over activations and seeds: pairs share "
            "genes with single ones, so they are the narrower for it. Protocol 1."
        ),
    ),
)
