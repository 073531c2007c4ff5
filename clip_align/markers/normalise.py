"""Normalisation of marker counts: arrays in, arrays out.

n cells, m markers.
"""

from __future__ import annotations

import numpy as np
from einops import rearrange

from representations.errors import InputError


def clr(counts_nm: np.ndarray) -> np.ndarray:
    """Centred log-ratio within each cell, over the markers given.

    ``clr(x)_m = log1p(x_m) - mean_k log1p(x_k)``, so each row sums to zero. It does not change when
    cells or markers are put in another order (apart from that order), nor with the other cells; it
    does change with the set of markers. The pseudocount of 1 keeps zeros finite; for counts far
    above 1 the result no longer depends on the depth of the cell.

    Normalisation of Stoeckius et al. 2017, doi:10.1038/nmeth.4380, taken within cells. Seurat's
    variant, ``log1p(x_m / exp(mean_k log1p(x_k)))``, keeps zeros at zero and is not centred.

    Parameters
    ----------
    counts_nm
        (n_cells, n_markers) raw counts, >= 0.

    Returns
    -------
    numpy.ndarray
        (n_cells, n_markers) float32, natural-log units.

    Raises
    ------
    InputError
        When a count is negative or not finite.
    """
    logged_nm = np.log1p(_checked(counts_nm))
    if logged_nm.shape[1] == 0:
        return np.empty(logged_nm.shape, dtype=np.float32)
    centred_nm: np.ndarray = logged_nm - rearrange(logged_nm.mean(axis=1), "n -> n 1")
    return centred_nm.astype(np.float32)


def log_normalise(
    counts_nm: np.ndarray, library_n: np.ndarray, *, target_sum: float = 1e4
) -> np.ndarray:
    """``log1p(target_sum * count / library size)``, natural logarithm.

    Parameters
    ----------
    counts_nm
        (n_cells, n_markers) raw counts, >= 0.
    library_n
        (n_cells,) counts of each cell over **all** genes, not over the markers alone. Cells without
        counts come out as zeros.
    target_sum
        Counts per cell after scaling.

    Returns
    -------
    numpy.ndarray
        (n_cells, n_markers) float32.

    Raises
    ------
    InputError
        When a count is negative or not finite.
    """
    safe_n = np.where(library_n > 0, library_n, 1.0).astype(np.float64)
    scaled_nm = _checked(counts_nm) * rearrange(target_sum / safe_n, "n -> n 1")
    logged_nm: np.ndarray = np.log1p(scaled_nm)
    return logged_nm.astype(np.float32)


def _checked(counts_nm: np.ndarray) -> np.ndarray:
    try:
        values_nm = np.asarray(counts_nm, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("counts are not all numbers: give raw counts") from error
    if not np.isfinite(values_nm).all() or (values_nm < 0).any():
        raise InputError("counts hold negative or non-finite values: give raw counts")
    return values_nm
