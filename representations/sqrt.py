"""``X_sqrt``: principal components of square roots of counts per 10,000, up to 10,000 genes."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import scipy.sparse as sp

from representations.pca import Pca
from representations.preprocess import Preprocessor
from representations.registry import register
from representations.residual import AllGenesConfig


class Roots(Preprocessor):
    """Square root of a cell's share of a gene, in units of 10,000 counts."""

    unit: ClassVar[bool] = False

    def _values(
        self, counts_nh: sp.csr_matrix, depth_n: np.ndarray, share_h: np.ndarray
    ) -> np.ndarray:
        del share_h
        scale_n = self.config.target_sum / np.where(depth_n > 0, depth_n, 1.0)
        root_nh = sp.csr_matrix(counts_nh, copy=True, dtype=np.float32)
        root_nh.data *= np.repeat(scale_n.astype(np.float32), np.diff(root_nh.indptr))
        np.sqrt(root_nh.data, out=root_nh.data)
        return np.asarray(root_nh.toarray())


@register
class Sqrt(Pca):
    """Square roots steady the variance of Poisson counts (Bartlett 1936); then PCA.

    Of what was compared with it for single cells: Ahlmann-Eltze 2023,
    doi:10.1038/s41592-023-01814-1.
    """

    name = "sqrt"
    Config = AllGenesConfig
    Preprocessor = Roots
