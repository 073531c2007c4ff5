"""``X_residual``: principal components of Pearson residuals of counts, up to 10,000 genes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import scipy.sparse as sp

from representations.pca import Pca, PcaConfig
from representations.preprocess import PreprocessConfig, Preprocessor
from representations.registry import register

THETA = 100.0


class Residuals(Preprocessor):
    """``(count - mu) / sqrt(mu + mu^2 / theta)``, where mu is depth times the gene's share.

    Shares are those of training cells (their mean over cells), so a cell's residuals are its own.
    """

    unit: ClassVar[bool] = False

    def _values(
        self, counts_nh: sp.csr_matrix, depth_n: np.ndarray, share_h: np.ndarray
    ) -> np.ndarray:
        mean_nh = np.outer(depth_n, share_h).astype(np.float32)
        residual_nh: np.ndarray = counts_nh.toarray() - mean_nh
        mean_nh += mean_nh**2 / THETA  # by now the variance
        np.sqrt(mean_nh, out=mean_nh)
        # a cell without counts expects none: its residuals are zero
        np.divide(residual_nh, mean_nh, out=residual_nh, where=mean_nh > 0)
        return residual_nh


@dataclass(frozen=True, kw_only=True)
class AllGenesConfig(PcaConfig):
    """As ``X_pca``, over up to 10,000 genes."""

    preprocess: PreprocessConfig = field(
        default_factory=lambda: PreprocessConfig(n_top_genes=10_000)
    )


@register
class Residual(Pca):
    """Analytic Pearson residuals (Lause 2021, doi:10.1186/s13059-021-02451-7), then PCA."""

    name = "residual"
    Config = AllGenesConfig
    Preprocessor = Residuals
