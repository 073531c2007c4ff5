"""Suite ``hard_negatives``: mined negatives with and without a filter of false ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.suites.base import Row, Suite, suites
from clip_align.models import OPTIMIZED


def _rows() -> Iterator[Row]:
    base = Row(
        task="hard_negatives", train="teaseq", test="teaseq", representation="X_pca", model="ridge"
    )
    yield base
    ours = replace(base, model=OPTIMIZED.name)
    yield ours
    for spared in ("no cache", "duplicates", "alike-0.3", "type", "lineage"):
        yield replace(ours, variant={"cache": spared})
    yield replace(ours, variant={"mined_weight": "by chance"})


suites.add(
    "hard_negatives",
    Suite(
        name="hard_negatives",
        title="Hard negatives with and without a filter of false ones",
        rows=tuple(_rows()),
        note=(
            "OptimizedCLIPModule as in the ablation (batches of 128, 10 passes, X_pca), but each "
            "mined negative counts as one of the batch, where that model by default lets it count "
            "as often as a batch would draw it (`mined_weight=by chance`). The base spares "
            "profiles alike at a cosine of 0.5; `duplicates` spares equal profiles alone, so there "
            "is no filter; `alike-0.3` spares more, `type` all cells of the anchor's type and "
            "`lineage` of its lineage, which reads labels. `cache_false[e]` and the like are of "
            "epoch e of the training."
        ),
    ),
)
