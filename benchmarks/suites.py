"""Suites as data: which rows a table has. Running, judging and printing them is elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import product

from representations.errors import InputError
from representations.family import Family

SEEDS_FULL, SEEDS_QUICK = 5, 2
OURS = "DiffMapProteinCLIP"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a table, before seeds; ``variant`` holds only what differs from the base."""

    task: str
    train: str
    test: str
    representation: str
    model: str
    variant: Mapping[str, str | int] = field(default_factory=dict)
    quick: bool = True


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A named, frozen grid; ``note`` is what a reader of its table must know.

    ``apart``: representations answer different questions, and each has a table of its own.
    """

    name: str
    title: str
    rows: tuple[Row, ...]
    note: str = ""
    apart: bool = False

    def select(self, profile: str) -> tuple[Row, ...]:
        """Rows of a profile, ``quick`` or ``full``."""
        if profile not in ("quick", "full"):
            raise InputError(f"no profile {profile!r}; known: full, quick")
        return tuple(row for row in self.rows if profile == "full" or row.quick)


suites: Family[Suite] = Family("suite")

# (task, train, test, in the quick profile)
PAIRS = (
    ("align_adt", "teaseq", "teaseq", True),
    ("align_adt", "teaseq", "pbmc10k_cite", True),
    ("align_rna", "teaseq", "pbmc3k", True),
    ("align_rna", "teaseq", "kang", False),
)
BASE = (
    ("chance", "none"), ("ridge", "X_pca"), ("ridge", "X_diffmap"), ("cca", "X_pca"),
    ("knn", "X_pca"), (OURS, "X_pca"), (OURS, "X_diffmap"),
)  # fmt: skip
VARIED = (("ridge", "X_pca"), (OURS, "X_pca"), (OURS, "X_diffmap"))


def _cross_dataset() -> Suite:
    rows = []
    for (task, train, test, quick), (model, representation) in product(PAIRS, BASE):
        base = Row(
            task=task, train=train, test=test, representation=representation, model=model,
            quick=quick,
        )  # fmt: skip
        rows.append(base)
        if (model, representation) in VARIED:
            if train != test:
                rows.append(replace(base, variant={"query_statistics": "train"}, quick=False))
            rows.append(replace(base, variant={"panel_genes": "kept"}, quick=False))
        if (model, representation) == (OURS, "X_diffmap"):
            rows.append(replace(base, variant={"basis": "own"}))
    return Suite(
        name="cross_dataset",
        title="From TEA-seq to other donors, laboratories and panels",
        rows=tuple(rows),
        note=(
            "Panel genes are removed from the cell side. Within a data set the pool is the whole "
            "test split; across data sets pools are seeded, of 200, and the query's genes and "
            "markers are scaled by the unlabelled query cells themselves (transductive) unless the "
            "variant says `query_statistics=train`. `basis=own` is the control: a diffusion map "
            "of the query's own, its columns brought to the width of the training columns. Labels "
            "of `pbmc10k_cite` were gated on antibodies, those of `teaseq` may have been: there "
            "`type_match@1` and sibling confusion are not independent of the markers. Protocol 2."
        ),
    )


suites.add("cross_dataset", _cross_dataset())


# (cells, in the quick profile): TEA-seq as it is, and resampled
SIZES = ((6310, True), (50_000, False))


def _speed() -> Suite:
    row = {"train": "teaseq", "test": "teaseq", "representation": "X_diffmap", "model": "ours"}
    return Suite(
        name="speed",
        title="Diffusion map beside scanpy's: seconds, memory, agreement",
        rows=tuple(
            Row(task="diffmap_speed", **row, variant={"cells": cells}, quick=quick)
            for cells, quick in SIZES
        ),
        note=(
            "Both sides run on one core of the processor named in the records, in turn, JIT warm; "
            "seconds and rates are medians of six repeats with their range, `time_ratio` is ours "
            "over scanpy's (below 1: ours is faster). Peak memory is what the call adds, each in "
            "a process of its own. Above 6,310 cells, cells are resampled with noise. "
            "`subspace_cosine` is the smallest of the leading 20-dimensional spans: one direction "
            "in twenty that the other span lacks, as two graphs of unequal recall have, is 0."
        ),
    )


suites.add("speed", _speed())


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
        note=(
            "One model on each block, as it is by default and without labels; panel genes are "
            "removed from all of them. X_integrated joins X_pca and X_scvi, a choice made on the "
            "validation cells of seed 0, some of which are test cells in other seeds; with "
            "`blocks=all` it joins every block, alike or, with `weights=tuned`, as validation "
            "pairs of the same seed have it. Within a data set the pool is the whole test split; "
            "across data sets pools are seeded, of 200, and the query is scaled by its own "
            "unlabelled cells (transductive). Protocol 2."
        ),
    )


suites.add("representations", _representations())


def _lineage() -> Suite:
    base = Row(task="lineage", train="marrow", test="marrow", representation="X_paga", model="ours")
    anchors = ("start", "start+terminals", "markers", "label-free")
    rows = [replace(base, representation="X_dpt", variant={"anchors": one}) for one in anchors]
    ends = ("given", "found", "free")
    rows += [replace(base, representation="X_branch", variant={"ends": one}) for one in ends]
    return Suite(
        name="lineage",
        title="Pseudotime, branches and groups of CD34+ marrow",
        rows=(*rows, base),
        apart=True,
        note=(
            "Monocle 2's pseudotime and FateID's probabilities are another method's output, a "
            "comparison and no ground truth. How `X_branch` finds ends (commute-time distance, "
            "persistence) was chosen partly by looking at FateID's lineages, so the rows `found` "
            "and `free` are not an untouched test. A seed fits on 90 % of the cells, drawn by it, "
            "and places the others; all cells are judged. The published start and terminal cells "
            "are in every draw. `anchors=markers`: CD34+AVP, MPO, GATA1. Label-free anchors have "
            "no direction: there the absolute correlation is reported, under another name. "
            "`ends=given`: the three published terminal cells, from the published start; `found`: "
            "from that start, ends found; `free`: neither. A lineage takes the found end whose "
            "cells express its markers most, and two may share one: `lineages_apart` counts the "
            "ends they take. `stability` is the standard deviation of a cell over the reruns of "
            "seeds 0-4 (pseudotime as quantile, probability averaged over lineages; 0 is best), "
            "mean over cells, so a lineage whose end changes counts as unsteady; it stands in the "
            "record of seed 0, and its interval is over cells, not reruns. Reruns share 8 or 9 in "
            "10 of their cells: the spread between seeds is that of such draws, not of other "
            "donors. Chance of `stability` deals the same values to the cells anew. `X_paga`: a "
            "Leiden group has the class whose markers it expresses most, none below a quarter of "
            "a deviation; two classes are joined where an edge joins groups of them, and a way "
            "through a group of no class is not counted. The tree: HSC to each of five lineages, "
            "erythroid - megakaryocyte, myeloid - DC; recall counts its pairs among the classes "
            "present. n of `edges_kept` is the pairs of groups that all cells or any resample "
            "joins; `pairs_joined` and `pairs_known` are what precision and recall count, so "
            "their intervals, by bootstrap over pairs, are wide. Peers (CellRank, Palantir) did "
            "not run."
        ),
    )


suites.add("lineage", _lineage())
