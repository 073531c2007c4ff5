"""Suite ``quality``: what each representation keeps and loses of test cells."""

from __future__ import annotations

from benchmarks.suites.base import Row, Suite, suites
from benchmarks.suites.representations import BLOCKS

# (data set, in the quick profile); kang has two batches
SETS = (("teaseq", True), ("kang", False))


def _quality() -> Suite:
    return Suite(
        name="quality",
        title="What each representation keeps and loses",
        rows=tuple(
            Row(
                task="quality",
                train=name,
                test=name,
                representation=block,
                model="ours",
                quick=quick,
            )
            for name, quick in SETS
            for block in BLOCKS
        ),
        note=(
            "Every block as it is by default and without labels, fitted on the training cells "
            "with the panel's genes removed, and judged on the test cells of the same split, "
            "which no fit has seen. Neighbours are the 15 nearest test cells; expression is "
            "that of the 4,000 most dispersed training genes, scaled by the training cells. "
            "`purity[A|B]` has the cells of two related types alone, both weighing alike. The "
            "linear probe is cross-validated within the test cells. Stability compares with a "
            "second fit, of other seeds or of nine training cells in ten: neighbours that are "
            "kept, and the variance explained after the best rotation and scale (Procrustes). "
            "`effective_rank` counts columns. Batch mixing as scib-metrics 0.5.10 defines it, "
            "by this project's own code: iLISI, BRAS, graph connectivity, PCR comparison; the "
            "batches of `kang` are unstimulated and stimulated cells, so that to mix them is "
            "no virtue by itself. Chance: labels or batches dealt anew, or neighbours at random. "
            "Cells that a fit cannot reach are left out of all figures but `reached`."
        ),
    )


suites.add("quality", _quality())
