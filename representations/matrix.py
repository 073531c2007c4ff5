"""Whatever holds the values of an AnnData, as CSR."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp


def to_csr(matrix: Any) -> sp.csr_matrix:
    """CSR float32 of a dense, sparse or file-backed ``(n, g)`` matrix of any number type.

    Entries of one place, which some writers leave apart, are added up.
    """
    if hasattr(matrix, "to_memory"):  # sparse, backed by a file
        matrix = matrix.to_memory()
    if not sp.issparse(matrix):  # an array in memory, or an h5py data set
        matrix = np.asarray(matrix, dtype=np.float32)
    csr = sp.csr_matrix(matrix, dtype=np.float32)
    if not csr.has_canonical_format:
        csr = csr.copy()  # the caller's stays as it is
        csr.sum_duplicates()
    return csr
