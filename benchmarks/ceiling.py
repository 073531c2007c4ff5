"""A ceiling of adaptation: its student, told the pairs of half of the query, asked of the rest.

No adaptation, which reads no pair of the query. It is a reference more than a bound: features,
student, schedule and the known pairs beside are those of adaptation, but it learns from half as
many cells, whose pairs are right, and is asked of cells that it has not seen. Declared by a row's
``adaptation=told``.

Shapes: ``n`` cells and profiles of the query, ``d`` features, ``v`` markers, ``e`` embedding
dimensions.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.linalg import block_diag

from benchmarks.adaptation import config_for
from benchmarks.pools import Pools
from benchmarks.task_cells import TaskCells
from clip_align.adapt import AdaptConfig, Sides
from clip_align.pairs import PairedCells
from clip_align.student import Replay, taught
from representations.errors import InputError

TOLD: Final = "told"


def ceiling(cells: TaskCells, panel_genes: str, test: PairedCells) -> Sides:
    """Both sides of the query, in the order of ``test``; ``InputError`` where it has one pool."""
    if len(cells.pools.indexes) < 2:
        raise InputError(f"adaptation={TOLD}: is for a query of two pools or more, of another set")
    own_nd, _ = cells.own_features(panel_genes)
    source = cells.known_in_own_features(panel_genes)
    return told(own_nd, test.marker_nm, cells.pools, config_for(TOLD, cells.seed), source)


def told(
    own_nd: np.ndarray, profile_nv: np.ndarray, pools: Pools, config: AdaptConfig,
    source: PairedCells,
) -> Sides:  # fmt: skip
    """Both sides ``(n, 2e)``, each half of the pools by what learnt the pairs of the other half.

    The halves have spaces of their own, orthogonal to each other; no pool has cells of both. Cells
    of no pool are in the second.
    """
    second_n = np.ones(len(own_nd), dtype=bool)
    second_n[np.concatenate(pools.indexes[::2])] = False
    halves = np.flatnonzero(~second_n), np.flatnonzero(second_n)
    known = Replay(source, config.source_weight)
    blocks = []
    for asked, shown in (halves, halves[::-1]):
        pairs = np.eye(len(shown), dtype=np.float32)
        model = taught(
            own_nd[shown], profile_nv[shown], pairs, config.train,
            steps=config.steps, known=known, progress=False,
        )  # fmt: skip
        blocks.append((model.embed_cells(own_nd[asked]), model.embed_markers(profile_nv[asked])))
    order = np.argsort(np.concatenate(halves))
    cell_ne, marker_ne = (block_diag(*side)[order] for side in zip(*blocks, strict=True))
    return cell_ne, marker_ne
