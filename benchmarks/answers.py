"""How the similarities of a query are read off its embeddings: by cosine, or by a plan of it all.

A profile that is near to many cells, a hub, is the wrong partner of most of them. In a plan each
cell and each profile has the same share, so that it is divided among them; in retrieval: Dinu 2015,
arXiv:1412.6568, Smith 2017, arXiv:1702.03859. The plan reads every cell and every profile of the
query at once, never which belongs to which: transductive, and declared by a row's ``answer=plan``.

Shapes: ``n`` cells and profiles of a query, ``k`` of them, ``e`` embedding dimensions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from benchmarks.baselines.base import cosine
from clip_align.matching import matching_plan

Answer = Literal["cosine", "plan"]
EPSILON = 0.05  # entropy of the plan, in units of the cosine


def similarities(
    answer: Answer, cell_ne: np.ndarray, marker_ne: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """What gives ``(k, k)`` similarities of some rows: cosines, or shares of the plan."""
    if answer == "cosine":
        return lambda rows: cosine(cell_ne[rows], marker_ne[rows])
    plan_nn = matching_plan(cell_ne, marker_ne, EPSILON)
    return lambda rows: plan_nn[np.ix_(rows, rows)]
