"""What matchers of scvi-tools have in common.

Shapes: ``n`` cells, ``h`` genes of the model.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from benchmarks.matchers._variable import most_variable
from benchmarks.matchers.base import Lesson
from representations.scvi_model import split

PACKAGE = "scvi-tools"
REMEDY = "pip install 'clip_align[scvi]'"
BATCH, KNOWN, QUERY = "batch", "train", "query"
GENES = 4000


def both(lesson: Lesson, genes: int) -> AnnData:
    """Training and query cells ``(n, h)``, two batches.

    Beyond so many genes, those most variable within batches, as the tutorials choose them.
    """
    train, query = lesson.train, lesson.query
    batch = [KNOWN] * train.n_obs + [QUERY] * query.n_obs
    obs = pd.DataFrame({BATCH: pd.Categorical(batch)}, index=[*train.obs_names, *query.obs_names])
    adata = AnnData(sp.vstack([train.X, query.X], format="csr"), obs=obs, var=train.var)
    if adata.n_vars > genes:
        adata = adata[:, most_variable(adata, genes, BATCH)].copy()
    return adata


def parts_of(n: int, batch_size: int, seed: int) -> list[np.ndarray]:
    """Rows to train, to stop and to test on: nine tenths, one tenth and none, as by default.

    So many that batch normalisation can do with the last of the batches.
    """
    return [*split(n, batch_size, seed), np.array([], dtype=int)]
