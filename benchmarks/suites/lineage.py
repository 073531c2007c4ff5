"""Suite ``lineage``: pseudotime, branches and groups of CD34+ marrow."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.suites.base import Row, Suite, suites


def _rows() -> tuple[Row, ...]:
    """Ours, then each peer with the same question; CellRank also with scanpy's pseudotime."""
    base = Row(task="lineage", train="marrow", test="marrow", representation="X_paga", model="ours")
    dpt, branch = (replace(base, representation=name) for name in ("X_dpt", "X_branch"))
    anchors = ("start", "start+terminals", "markers", "label-free")
    rows = [replace(dpt, variant={"anchors": one}) for one in anchors]
    for peer in ("scanpy", "palantir"):
        rows.append(replace(dpt, model=peer, variant={"anchors": "start"}, quick=False))
    sides = {"ours": ("given", "found", "free"), "palantir": ("given", "found")}
    for model, ends in (sides | {"cellrank": sides["ours"]}).items():
        own = replace(branch, model=model, quick=model == "ours")
        rows += [replace(own, variant={"ends": one}) for one in ends]
    rows.append(replace(own, variant={"ends": "given", "time": "dpt"}))
    return (*rows, base, replace(base, variant={"edges": "tree"}))


def _lineage() -> Suite:
    return Suite(
        name="lineage",
        title="Pseudotime, branches and groups of CD34+ marrow",
        rows=_rows(),
        apart=True,
        note=(
            "Monocle 2's pseudotime and FateID's probabilities are another method's output, a "
            "comparison and no ground truth. How `X_branch` finds ends (commute-time distance, "
            "persistence) was chosen partly by looking at FateID's lineages, so its rows `found` "
            "and `free` are not an untouched test. A seed draws 90 % of the cells, the published "
            "start and terminal cells always among them; every method is fitted on the draw and "
            "judged on its cells. Ours also places the others (`placed`, in the csv); peers place "
            "none. `anchors=markers`: CD34+AVP, MPO, GATA1. Label-free anchors have no direction: "
            "there the absolute correlation is reported, under another name. `ends=given`: the "
            "three published terminal cells, from the published start; `found`: from that start, "
            "ends found; `free`: neither. A lineage takes the found end whose cells express its "
            "markers most, and two may share one: `lineages_apart` counts the ends they take; "
            "`pearson_fateid` is the mean over the lineages of a row. Peers get raw counts, the "
            "same cells by name and the seed, and their authors' own settings: `palantir` the "
            "notebook published with these cells (start and terminal cells are its own; it needs "
            "a start, so no `free`); `cellrank` the protocol for CD34+ marrow, its "
            "PseudotimeKernel (soft) on Palantir's pseudotime, or scanpy's with `time=dpt`; a "
            "given terminal cell with its neighbours, 30 in all; ends found by GPCCA (minChi of 4 "
            "to 12, the better for it of two documented rules); `free` its ConnectivityKernel. "
            "`pearson_ours`, `spearman_ours`: with ours on the same draw. `stability` is the "
            "standard deviation of a cell over the draws of seeds 0-9 that hold it (pseudotime as "
            "quantile, probability averaged over lineages; 0 is best), mean over cells, so a "
            "lineage whose end changes counts as unsteady; it stands in the record of seed 0, and "
            "its interval is over cells, not reruns. Draws share 8 or 9 in 10 of their cells: the "
            "spread between seeds is that of such draws, not of other donors. Chance of "
            "`stability` deals the same values to the cells anew. `X_paga`: a Leiden group has "
            "the class whose markers it expresses most, none below a quarter of a deviation. An "
            "edge is right within a class or along the tree: HSC to each of five lineages, "
            "erythroid - megakaryocyte, myeloid - DC. `tree_precision` is over edges between "
            "groups of a class (chance: over all pairs of them), `tree_recall` over lineages, "
            "found if HSC reaches them along right pairs (chance: classes dealt anew). "
            "`pair_precision` and `pair_recall` count pairs of classes instead, as version 1 did; "
            "the known pairs hold two ways to some lineages, so no tree has them all. Intervals "
            "are by bootstrap over what is counted, which is little. `edges=tree` keeps the edges "
            "of most resamples' spanning trees instead: no threshold, no label."
        ),
    )


suites.add("lineage", _lineage())
