"""Features of a query's own, in which it is learnt: fitted on its cells, known cells among them."""

from __future__ import annotations

import numpy as np
from anndata import AnnData

from representations.integrate import Integrated
from representations.integrated_config import IntegratedConfig

# Three ways to steady the variance of counts: what suite `best` has within a data set.
OWN_FEATURES = IntegratedConfig(blocks=("pca", "residual", "sqrt"), weights="equal")


def own_features(query: AnnData, known: AnnData) -> tuple[np.ndarray, np.ndarray]:
    """Features of a query fitted on the query itself, ``(n, d)``, and known cells among them.

    Each set is scaled by its own gene means and deviations.
    """
    fitted = Integrated(OWN_FEATURES)
    own_nd = fitted.fit_transform(query)
    return own_nd, fitted.transform(known, statistics="own")
