"""Training pairs with thinned copies of their cells, placed by the fitted representation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp
from anndata import AnnData

from clip_align.config import TrainConfig
from clip_align.pairs import PairedCells
from clip_align.thinning import thinned_copies
from representations.base import Representation
from representations.preprocess import counts


def with_copies(
    pairs: PairedCells, cells: AnnData, representation: Representation, config: TrainConfig
) -> PairedCells:
    """Pairs with features of thinned copies of ``cells``, raw counts in the order of the pairs.

    Raises ``InputError`` where ``X`` holds no whole numbers.
    """

    def features(counts_ng: sp.csr_matrix) -> np.ndarray:
        return representation.transform(AnnData(counts_ng, obs=cells.obs[[]], var=cells.var[[]]))

    copies_vnd = thinned_copies(counts(cells), features, config.augmentation_strength, config.seed)
    return replace(pairs, copies_vnd=copies_vnd)
