"""Whether genes that a classifier reads are known markers of the type.

What is known is the project's own panel: it is of immune cells, small, and gives each marker one
place, so that a gene which is none of its markers of a type may well be one (NKG7, which it places
with NK cells, and effector T cells): the precision is a lower bound. A marker counts where the type
has it: one that is read by its absence says nothing of what is known of the type.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.stats import hypergeom

from clip_align.markers import Hierarchy, Node, load_panel
from clip_align.scimilarity.ontology import ancestors
from representations.errors import InputError
from representations.genes import to_symbols

COLUMNS = (
    "type", "term", "n_cells", "n_top", "n_found", "precision", "chance", "p_value", "n_known",
    "n_measured", "found",
)  # fmt: skip
LEAST_KNOWN = 3
LEAST_CELLS = 10  # of a type, for its first genes to be more than those of a few cells


@lru_cache
def known_markers(term: str) -> frozenset[str]:
    """Symbols of the panel's markers of a type, by its Cell Ontology id.

    They have their place in the panel's hierarchy at the type or above it. A place within the
    type's lineage is enough (CD3E for a naive CD4 T cell); a marker placed higher, among all
    lymphocytes or leukocytes, says little of a type unless the panel lists that very type with it
    (FCGR3A, and NK cells). A type that the hierarchy lacks has the markers of the nearest above.

    Returns
    -------
    Empty for "", and for a type that lies under none of the hierarchy.

    Raises
    ------
    InputError
        The ontology has no such term.
    """
    if not term:
        return frozenset()
    panel = load_panel()
    nodes = _nearest(term, panel.hierarchy)
    above = {name for node in nodes for name in panel.hierarchy.path(node.name)}
    within = {name for node in nodes for name in _within_lineage(panel.hierarchy, node)}
    ids = {node.cl_id for node in nodes}
    return frozenset(
        marker.symbol
        for marker in panel.markers
        if marker.parent in within or (marker.parent in above and ids.intersection(marker.cl_ids))
    )


def _nearest(term: str, hierarchy: Hierarchy) -> list[Node]:
    """Nodes of the type itself, else those right above it; of nodes with one id the highest.

    What lies above another node in the ontology or in the hierarchy, which differ, is not nearest.
    """
    by_id: dict[str, Node] = {}
    for node in hierarchy.nodes.values():  # the table has a node before those under it
        by_id.setdefault(node.cl_id, node)
    over = [by_id[cl_id] for cl_id in sorted(ancestors(term) & by_id.keys())]
    higher_ids = {cl_id for node in over for cl_id in ancestors(node.cl_id) - {node.cl_id}}
    higher = {name for node in over for name in hierarchy.path(node.name)[1:]}
    return [node for node in over if node.cl_id not in higher_ids and node.name not in higher]


def _within_lineage(hierarchy: Hierarchy, node: Node) -> tuple[str, ...]:
    path = hierarchy.path(node.name)
    return path[: path.index(hierarchy.branch(node.name)) + 1]


def is_known(genes: Sequence[str], term: str) -> np.ndarray:
    """Whether each gene, by its official symbol, is a known marker of a type: ``(k,)`` bool."""
    return np.isin(to_symbols(genes).symbols.astype(str), list(known_markers(term)))


def found_in(table: pd.DataFrame, term: str) -> np.ndarray:
    """Which rows of attributions are known markers of a type that it has: ``(k,)`` bool."""
    found_k: np.ndarray = is_known(table["gene"].tolist(), term) & table["present"].to_numpy(bool)
    return found_k


def check_markers(
    attributions: pd.DataFrame,
    terms: Mapping[str, str],
    measured: Iterable[str],
    *,
    n_top: int = 20,
) -> pd.DataFrame:
    """Known markers among the first genes of each type, beside genes drawn at random.

    Parameters
    ----------
    attributions
        As :func:`clip_align.scimilarity.attribution.attribute` gives them, ``n_top`` genes a type.
    terms
        Cell Ontology id by type; types without one are left out.
    measured
        Genes that could have been among the first. Leave out those that no cell expresses: their
        attribution is exactly 0, and with them in the urn anything seems better than chance.

    Returns
    -------
    pandas.DataFrame
        ``COLUMNS``, one row for each type with ``LEAST_KNOWN`` measured known markers or more.
        ``found`` are known markers that are ``present``; ``precision`` is ``n_found / n_top``,
        ``chance`` the share of known markers among the measured genes, ``p_value`` that of as many
        or more by chance: the upper tail of the hypergeometric distribution, not corrected for the
        number of types. It is an upper bound: markers that the type lacks count among those known.
        A type of fewer than ``LEAST_CELLS`` explained cells is not tested: its ``p_value`` is nan.

    Raises
    ------
    InputError
        A type has fewer genes than ``n_top`` though more were measured, or one that was not.
    """
    genes = sorted(set(measured))
    rows = []
    for name, table in attributions.groupby("type", sort=False):
        term = terms.get(str(name), "")
        n_known = int(is_known(genes, term).sum())
        if n_known < LEAST_KNOWN:
            continue
        top = table.sort_values("rank").head(n_top)
        first, n_cells = top["gene"].tolist(), int(top["n_cells"].iloc[0])
        _check(str(name), first, genes, n_top)
        found = top["gene"][found_in(top, term)].tolist()
        p_value = float(hypergeom.sf(len(found) - 1, len(genes), n_known, len(first)))
        rows.append(
            (
                name, term, n_cells, len(first), len(found), len(found) / len(first),
                n_known / len(genes), p_value if n_cells >= LEAST_CELLS else float("nan"), n_known,
                len(genes), "|".join(found),
            )
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _check(name: str, first: Sequence[str], genes: Sequence[str], n_top: int) -> None:
    if len(first) < min(n_top, len(genes)):
        raise InputError(f"{name}: {len(first)} genes, {n_top} are asked for; attribute that many")
    if strangers := sorted(set(first).difference(genes)):
        raise InputError(f"{name}: {strangers[0]} is not among the measured genes; give them all")
