"""Suite ``k562``: from immune cells to what activating a gene does to K562."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.suites.base import (
    INDUCTIVE,
    MATCHED,
    MATCHED_SHUFFLED,
    OURS,
    SHUFFLED,
    Lead,
    Row,
    Suite,
    suites,
)

SCREEN, CELLS = "norman_effects", "norman_cells"
SETS = ("kang+pbmc3k", "kang+marrow+pbmc3k")
DEALT = {"control": "shuffled_arms"}
CHANCE = Row(
    task="k562_profile", train=SETS[-1], test=SCREEN, representation="none", model="chance",
    quick=False,
)  # fmt: skip


def _profile() -> Iterator[Row]:
    for train in SETS:
        chance = replace(CHANCE, train=train, quick=train == SETS[-1])
        yield chance
        for representation in ("none", "X_pca"):
            ridge = replace(chance, model="ridge", representation=representation)
            yield ridge
            yield replace(ridge, variant=INDUCTIVE, quick=False)
        for model in ("cca", "knn", OURS):
            yield replace(ridge, model=model, quick=False)
        for model in ("ridge", OURS):
            yield replace(ridge, model=model, variant=MATCHED)
        yield replace(ridge, model=OURS, variant=MATCHED_SHUFFLED, quick=False)
        for model in ("perturbation_mean", "relatives"):
            yield replace(chance, model=model, quick=False)


def _target() -> Iterator[Row]:
    target = replace(CHANCE, task="k562_target")
    for model in ("chance", "ridge", "perturbation_mean", "relatives"):
        yield replace(target, model=model)
    for model in ("ridge", "cca", "knn", OURS):
        yield replace(target, model=model, representation="X_pca")
    for model in ("ridge", OURS):
        yield replace(target, model=model, representation="X_pca", variant=SHUFFLED)


def _doubles() -> Iterator[Row]:
    doubles = replace(CHANCE, task="k562_doubles")
    for model in ("chance", "additive", "ridge", "perturbation_mean"):
        yield replace(doubles, model=model)
    for model in ("ridge", "knn"):
        yield replace(doubles, model=model, representation="X_pca")
    for model in ("ridge", OURS):
        yield replace(doubles, model=model, representation="X_pca", variant=MATCHED)
    yield replace(doubles, model=OURS, representation="X_pca", variant=MATCHED_SHUFFLED)


def _inside() -> Iterator[Row]:
    inside = replace(CHANCE, task="k562_inside", train=SCREEN)
    for model in ("chance", "ridge", "perturbation_mean", "relatives"):
        yield replace(inside, model=model)
    yield replace(inside, model="ridge", variant=SHUFFLED)
    for model in ("ridge", "cca", "knn"):
        yield replace(inside, model=model, representation="X_pca")
    leaking = replace(inside, task="k562_leaking")
    yield leaking
    yield replace(leaking, model="ridge")
    yield replace(leaking, model="ridge", variant=SHUFFLED)


def _program() -> Iterator[Row]:
    program = replace(CHANCE, task="k562_program", train=CELLS, test=CELLS)
    for model in ("chance", "programme", "perturbation_mean", "knn", "logreg"):
        yield replace(program, model=model, quick=model != "knn")
    for model in ("programme", "logreg"):
        yield replace(program, model=model, variant=DEALT)


NOTE = """\
An activation is a row of the screen: the effect of one gene or two on K562, cells taken \
together.

What is asked:

- **(a) profile**: an activation's effects on genes outside the panel against its effects on the \
panel's genes; one pool of all activations. Rows learn from immune cells.
- **(b) target**: effects on genes that no activation targets against the identity of the \
activated gene; activations of one gene whose target every set measures. Rows learn from immune \
cells.
- **(c) program**: single cells of each activation that stands in an erythroid or myeloid class \
of the screen's authors, by itself or with another (`benchmarks/programmes.py`; one that is there \
only through a pair need not turn the programme alone), among control cells, on 23 genes less the \
activated one. No model of immune cells is asked: three of the 23 genes are of the panel.
- **doubles**: the profile task among activations of two genes.
- **inside**: the profile task learnt from effects, 54 held-out activations of one gene; what \
shares a gene with them, pairs too, is not learnt from.
- **leaking**: the same with 54 activations held out at random, of one gene or two, and what \
shares a gene with them learnt from: not a fair split, but what one with no regard to genes says.

Controls:

- negative, `shuffled_pairs`: the same row from cells, or effects, whose markers were dealt anew; \
one map of few directions for all activations, so a seed lies on either side of chance and \
intervals over activations are too narrow. `shuffled_arms` (c) deals the arms of a gem group \
anew.
- positive, told effects of other activations of the same gene, the panel's genes too: `additive` \
(doubles) adds up what each gene does by itself; `relatives` does so too, and of one gene answers \
the mean of the pairs that have it; what has no relative is level with all. In (c) it is \
`perturbation_mean`: the mean effect of the same activation in the other half of the gem groups, \
a split-half; `logreg` and `knn` learn from that half too. `programme`, a mean of marker genes in \
units of control cells, learns nothing.
- constant, `perturbation_mean` (elsewhere): the mean profile of what is learnt from, the same \
answer to all. It is chance by construction, ties counted half.

How rows differ:

- Each gene is in units of its own deviation, over cells or over the effects that are asked of \
(transductive; `query_statistics=train`: effects as measured; inside: of the effects learnt \
from).
- `adaptation=matched`: ridge of immune cells says first which effects belong together; from \
there the effects are learnt from themselves, unlabelled and unpaired, whatever the model. The \
student of the lead sees no immune cell. Settings of its own were chosen on means of like marrow \
cells, before any effect was read; weights of markers, chosen with TEA-seq as the query, came \
into all adaptation later, when these rows had been read.
- Intervals are over activations and seeds, too narrow since pairs share genes with single ones; \
in (c) over cells, the arms fixed. Protocol 1."""

suites.add(
    "k562",
    Suite(
        name="k562",
        title="From immune cells to what activating a gene does to K562",
        rows=(*_profile(), *_target(), *_inside(), *_doubles(), *_program()),
        lead=Lead(
            model=OURS, representation="X_pca", variant=MATCHED, positive=("additive", "relatives")
        ),
        note=NOTE,
    ),
)
