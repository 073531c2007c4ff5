"""Cells of a file that can teach a classifier: labelled, and enough of each type."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

import numpy as np
from anndata import AnnData

from clip_align.labels import cell_types
from clip_align.pairs import UNLABELLED
from clip_align.scimilarity.annotation_table import UNKNOWN
from clip_align.scimilarity.typicality import NEIGHBOURS
from representations.errors import InputError
from representations.keys import Obs

Say = Callable[[str], object]
LEAST_CELLS: Final = 2  # of a type: one to learn from, one to check by
LEAST_TO_SPLIT: Final = 4  # one to choose by, one to be tested on, and LEAST_CELLS to train on
LEAST_KNOWN: Final = NEIGHBOURS  # cells to learn from, among which new ones have their nearest


def labelled_cells(
    adata: AnnData, *, drop_rare: bool, say: Say, least: int = LEAST_CELLS
) -> AnnData:
    """Cells with a label of which there are ``least`` or more.

    Raises
    ------
    InputError
        No labels, one type alone, one that is named as annotation names what it does not know, or
        a type with too few cells, unless ``drop_rare``.
    """
    types_n = cell_types(adata)
    count = Counter(types_n[types_n != UNLABELLED].tolist())
    if not count:
        raise InputError(f'no obs["{Obs.CELL_TYPE}"]: label the cells first')
    if UNKNOWN in count:
        raise InputError(
            f'obs["{Obs.CELL_TYPE}"]: type {UNKNOWN!r} is what annotation calls cells that it does '
            "not name; give these cells another name, or none (nan) to leave them out"
        )
    rare = sorted(name for name, n in count.items() if n < least)
    if rare and not drop_rare:
        n = count[rare[0]]
        raise InputError(
            f'obs["{Obs.CELL_TYPE}"]: type {rare[0]!r} has {n} cell{"s" * (n > 1)}, {least} are '
            "needed; merge it with another, or leave such types out with --drop-rare"
        )
    kept_n = ~np.isin(types_n, [UNLABELLED, *rare])
    if len(count) - len(rare) < 2:
        raise InputError(
            f'obs["{Obs.CELL_TYPE}"]: {len(count) - len(rare)} cell type; a classifier needs two'
        )
    if left := int((~kept_n).sum()):
        told = f", or of types of fewer than {least} ({', '.join(rare)})" if rare else ""
        say(f"note: {left} cells without a label{told}, are left out")
    return adata[kept_n].copy()


def of_taught_types(held: AnnData, known: AnnData, *, say: Say) -> AnnData:
    """Held-out cells of types that some cell to learn from has.

    Whole donors may have types of their own, and so may another file: these cells can check
    nothing.

    Raises
    ------
    InputError
        None is left.
    """
    types_n, taught = cell_types(held), np.unique(cell_types(known))
    kept_n = np.isin(types_n, taught)
    strange = sorted(set(types_n[~kept_n].tolist()) - {UNLABELLED})
    told = f" ({', '.join(strange)})" if strange else ""
    if not kept_n.any():
        raise InputError(
            f"{held.n_obs} held-out cells, none of a type that the cells to learn from have{told}; "
            'label both alike, or hold out others: by another --tune.seed, or without obs["donor"]'
        )
    if left := int((~kept_n).sum()):
        say(
            f"note: {left} held-out cells without a label, or of types that no cell to learn from "
            f"has{told}, are left out: the run is not taught these"
        )
    if unchecked := sorted(set(taught.tolist()) - set(types_n.tolist())):
        say(
            f"note: no held-out cell is of {', '.join(unchecked)}: the figures and the coverage of "
            "the run say nothing of these"
        )
    return held[kept_n].copy()


def check_known(known: AnnData) -> None:
    """Refuse cells to learn from that are too few to have a new cell's nearest among them."""
    if known.n_obs < LEAST_KNOWN:
        raise InputError(
            f"{known.n_obs} cells to learn from, {LEAST_KNOWN} are needed; label more cells, or "
            "hold out fewer"
        )
    if (n := len(np.unique(cell_types(known)))) < 2:
        raise InputError(
            f"the cells to learn from have {n} cell type, a classifier needs two; hold out others, "
            'by another --tune.seed or without obs["donor"]'
        )
