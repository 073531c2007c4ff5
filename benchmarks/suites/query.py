"""Suite ``query``: cells found by gating phrases."""

from __future__ import annotations

from benchmarks.suites.base import OURS, PAIRS, Row, Suite, suites

ASKED: tuple[tuple[str, str, dict[str, str | int]], ...] = (
    ("chance", "none", {}), ("proteins", "none", {}), ("proteins", "none", {"by": "profile"}),
    ("ridge", "X_pca", {}), ("knn", "X_pca", {}),
    (OURS, "X_pca", {}), (OURS, "X_pca", {"marker_encoder": "set"}),
)  # fmt: skip


def _query() -> Suite:
    return Suite(
        name="query",
        title="Cells found by gating phrases",
        rows=tuple(
            Row(
                task="query_gates",
                train=train,
                test=test,
                representation=representation,
                model=model,
                variant=variant,
                quick=train == test,
            )
            for _, train, test, _ in PAIRS[:2]
            for model, representation, variant in ASKED
        ),
        note=(
            "Phrases such as `CD3+ CD4+ CD8- CD45RA+` (`benchmarks/gates.csv`), asked of test "
            "cells without the genes of the markers, and judged by published labels: `auroc` of "
            "cells of the type against the others, `precision` among the best as many cells as "
            "there are of it. Means over gates, each alike; each gate in the CSV, with its "
            "support. Gates need their markers in both data sets and five cells to be found; "
            "cells whose label says less than the gate are not judged. `proteins` is no "
            "alignment: it scores the phrase on the antibodies measured in the very cells that "
            "are ranked, term by term or (`by=profile`) as their cosine with the mean reference "
            "profile of the gate; the labels of `pbmc10k_cite` were gated on them, those of "
            "`teaseq` may have been. Ridge and kNN rank by the cosine of predicted markers with "
            "that mean. Across data sets the query is scaled by its own unlabelled cells. How a "
            "phrase is scored was chosen on validation cells of seed 0, some of which are test "
            "cells in other seeds."
        ),
    )


suites.add("query", _query())
