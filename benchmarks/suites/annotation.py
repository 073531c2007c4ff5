"""Suite ``annotation``: cell types by LoRA, by its frozen self, and by what is not deep at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.annotators._arms import ARMS
from benchmarks.suites.base import SOURCE_KEY, Row, Suite, suites

DATA = (
    ("teaseq", "teaseq"), ("kang", "kang"), ("teaseq", "pbmc10k_cite"), ("pollen", "pollen"),
    ("brain_gw10", "brain_gw10"),
)  # fmt: skip
SHIFTED = (("kang", "kang"), ("teaseq", "pbmc10k_cite"))  # test cells are of another experiment
ONCE = ("teaseq", "teaseq")  # where single settings are asked about
SETTINGS: tuple[dict[str, str | int], ...] = (
    {"head": "mlp"}, {"class_weights": "balanced"}, {"rank": 2}, {"rank": 32},
)  # fmt: skip


def _rows() -> Iterator[Row]:
    for train, test in DATA:
        base = Row(
            task="annotate", train=train, test=test, representation="none", model="majority",
            quick=(train, test) == ONCE,
        )  # fmt: skip
        yield base
        for model in ("pca+knn", "pca+logreg"):
            plain = replace(base, representation="X_pca", model=model)
            yield plain
            if (train, test) in SHIFTED:
                yield replace(plain, variant={"query_statistics": "own"})
        yield from _on_source(replace(base, representation=SOURCE_KEY, quick=False))
        peer = replace(base, quick=False)
        for tuning in ({}, {"tuning": "validation"}):
            yield replace(peer, model="celltypist", variant=tuning)
        yield replace(peer, model="scanvi", representation="X_scanvi")


def _on_source(base: Row) -> Iterator[Row]:
    for model in ("frozen+knn", "frozen+logreg"):
        yield replace(base, model=model)
    for model, (trains, _) in ARMS.items():
        if trains in ("head", "adapters"):  # the earlier work had settings for no other
            yield replace(base, model=model)
        yield replace(base, model=model, variant={"budget": "tuned"})
    if (base.train, base.test) == ONCE:
        for setting in SETTINGS:
            yield replace(base, model="lora_ce", variant=setting)


suites.add(
    "annotation",
    Suite(
        name="annotation",
        title="Cell types by adapters, by the frozen encoder, and without one",
        rows=tuple(_rows()),
        note=(
            "The source model is a small one of SCimilarity's architecture, pre-trained here by "
            "its objective on `kang`, `pbmc3k`, `marrow` and `pbmc10k_cite` less those of the "
            "row: it is **not** SCimilarity v1.1, whose weights are not among the sources of "
            "this project. One source model, of one seed, serves all seeds of a row; seeds fix "
            "split, heads, adapters and order. All genes are read: no markers are aligned here. "
            "`kang` learns from control cells and is asked of every stimulated one; `teaseq` to "
            "`pbmc10k_cite` of the types both have (`benchmarks/shared_types.py`), whose labels "
            "were gated on proteins, from the genes both have, in every arm; `brain_gw10` has "
            "2,000 genes chosen upstream on all cells; `pollen` has 45 test cells a seed, where an "
            "interval without width is of cells that resampling within types cannot change. An arm "
            "without a variant has the settings of the earlier work (rate 1e-4, 5 epochs, a random "
            "head); `budget=tuned` starts the head at the best logistic regression of the frozen "
            "embeddings (at random from scratch), trains for 200 steps or 5 passes, whichever is "
            "more, and takes the rate 1e-4, 1e-3 or 3e-3 by the macro-F1 of validation cells, as "
            "the penalties of logistic regressions and the numbers of neighbours are. "
            "`macro_f1` is over every type that occurs, true or answered; `macro_f1_asked` over "
            "the types asked of alone: one stray answer takes a share of the former. "
            "scANVI is trained for the 400 epochs of scvi-tools at most, stops early as scvi-tools "
            "does by default, by a tenth of the known cells, and looks at no validation cell. "
            "No arm but `query_statistics=own` takes anything from cells that are asked of but "
            "the names of their genes. "
            "`coverage`, `named` and `wrong_name` are of abstention at a stated coverage of 0.9, "
            "calibrated on validation cells, which chose the model too. `forgotten[s]` is what the "
            "adapters at strength s, or weights so far to fine-tuned ones, cost the neighbour "
            "retention of 1,200 source cells that no training saw. Version 1 of this protocol "
            "(seed 0 alone) left arms but PCA all genes of the training set across data sets, gave "
            "tuned arms five passes (ten steps in `pollen`) and rates to 1e-3, and started from "
            "scratch at the head of the frozen embeddings."
        ),
    ),
)
