"""Marker profiles: what a cell shows of a set of markers, from antibodies or from RNA."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from clip_align.markers.antibodies import resolve_antibody
from clip_align.markers.columns import PROTEIN, adt_columns
from clip_align.markers.normalise import clr, log_normalise
from clip_align.markers.panel import Panel, load_panel
from representations.errors import InputError, naming
from representations.keys import Obsm

View: TypeAlias = Literal["adt", "rna"]
_VIEWS: tuple[View, ...] = ("adt", "rna")


def marker_profile(adata: AnnData, *, view: View, markers: Sequence[str]) -> pd.DataFrame:
    """Profile of every cell over ``markers``.

    Parameters
    ----------
    adata
        Raw counts in ``X`` (view ``rna``) or in ``obsm["protein"]`` (view ``adt``).
    view
        ``adt``: CLR over exactly these markers; names are antibodies in any spelling.
        ``rna``: log1p counts per 10,000, the library size over all genes; names are gene symbols.
    markers
        m distinct names.

    Returns
    -------
    pandas.DataFrame
        (n_cells, m) float32, indexed by ``obs_names``. Columns in the given order: canonical
        marker names for ``adt``, gene symbols for ``rna``.

    Raises
    ------
    InputError
        When a marker is not measured or given twice, or the counts are missing or negative.
    """
    if _checked_view(view) == "adt":
        columns = adt_columns(adata)
        names = [resolve_antibody(name).marker for name in markers]
        _require(names, columns, PROTEIN)
        counts_nm = adata.obsm[Obsm.PROTEIN][[columns[name] for name in names]].to_numpy()
        with naming(PROTEIN):
            values_nm = clr(counts_nm)
    else:
        names = list(markers)
        _require(names, adata.var_names, "var_names")
        values_nm = log_normalise(_gene_counts(adata, names), _library(adata))
    return pd.DataFrame(values_nm, index=adata.obs_names, columns=pd.Index(names, dtype=object))


def available_markers(adata: AnnData, view: View, panel: Panel | None = None) -> tuple[str, ...]:
    """Markers that an AnnData measures.

    Parameters
    ----------
    adata
        With ``obsm["protein"]`` for ``adt``.
    view
        ``adt``: canonical antibody names in column order, isotypes and unknown ones left out.
        ``rna``: genes of the panel in panel order.
    panel
        ``rna``: ``immune158`` when None. ``adt``: only antibodies with a gene in this panel; all
        antibodies when None.

    Raises
    ------
    InputError
        When ``obsm["protein"]`` is absent or holds no known antibody.
    """
    if _checked_view(view) == "rna":
        measured = set(adata.var_names)
        return tuple(gene for gene in (panel or load_panel()).genes if gene in measured)
    names = tuple(adt_columns(adata))
    if panel is None:
        return names
    genes = set(panel.genes)
    return tuple(name for name in names if genes.intersection(resolve_antibody(name).genes))


def marker_genes(markers: Iterable[str], view: View) -> tuple[str, ...]:
    """Genes to take off the cell side, so that it cannot read the markers: sorted, distinct.

    ``adt``: every gene of every chain of the antibodies' targets. ``rna``: the markers themselves.
    """
    if _checked_view(view) == "rna":
        return tuple(sorted(set(markers)))
    return tuple(sorted({gene for name in markers for gene in resolve_antibody(name).genes}))


def _checked_view(view: str) -> View:
    for known in _VIEWS:
        if view == known:
            return known
    raise InputError(f"view {view!r} is unknown: choose 'adt' or 'rna'")


def _require(names: Sequence[str], measured: Iterable[str], where: str) -> None:
    known = set(measured)
    if missing := [name for name in names if name not in known]:
        near = difflib.get_close_matches(missing[0], sorted(known), n=1)
        hint = f" (nearest is {near[0]!r})" if near else ""
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(
            f"{where} lacks marker {missing[0]!r}{hint}{more}: use available_markers() or drop it"
        )
    if len(set(names)) < len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise InputError(f"marker {twice!r} is given twice: name each marker once")


def _gene_counts(adata: AnnData, genes: Sequence[str]) -> np.ndarray:
    if adata.X is None:
        raise InputError("X is absent: store raw counts there")
    if not adata.var_names.is_unique:
        raise InputError("var_names are not unique: sum or rename the columns of repeated genes")
    block = adata.X[:, adata.var_names.get_indexer(list(genes))]
    return np.asarray(block.toarray() if sparse.issparse(block) else block)


def _library(adata: AnnData) -> np.ndarray:
    return np.asarray(adata.X.sum(axis=1, dtype=np.float64)).ravel()
