"""Suite ``lineage``: pseudotime, branches and groups of CD34+ marrow."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.suites.base import Row, Suite, suites


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
