"""Which training cells a walk starts from and ends in: as the user names them, or as found.

Shapes: ``n`` training cells, ``c`` of them in the graph's largest component, ``g`` branches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from representations.absorption import TRANSIENT
from representations.branch_config import BranchConfig
from representations.errors import InputError
from representations.tips import away, terminal_sets, tips


@dataclass(frozen=True, kw_only=True)
class Ends:
    """Terminal states: their names, the state of each cell of the graph, and their anchors.

    ``branch_c`` is ``TRANSIENT`` for cells of none; ``anchors_g`` is empty where groups were given;
    ``size`` is what an anchored state may hold; ``found`` says that nobody named them.
    """

    names: tuple[str, ...]
    branch_c: np.ndarray
    anchors_g: np.ndarray
    size: int
    found: bool

    def without(self, g: np.ndarray, z_cd: np.ndarray, rank_c: np.ndarray) -> Ends:
        """The anchored states but for those numbered ``g``."""
        names = tuple(np.delete(np.array(self.names), g).tolist())
        anchors_g = np.delete(self.anchors_g, g)
        branch_c = terminal_sets(z_cd, anchors_g, self.size, rank_c)
        return replace(self, names=names, anchors_g=anchors_g, branch_c=branch_c)


def find_ends(
    adata: AnnData,
    config: BranchConfig,
    kernel_cc: sp.csr_matrix,
    z_cd: np.ndarray,
    root: int | None,
    rank_c: np.ndarray,
    main_n: np.ndarray,
) -> Ends:
    """Groups where a column is named, else cells that are named, else tips of the graph.

    Raises ``InputError`` for terminals that cannot be used, or that hold the root.
    """
    cells, anchors_g = adata.obs_names.to_numpy().astype(str), np.empty(0, dtype=np.int64)
    size = config.terminal_size
    found = config.groups is None and not config.terminals
    if config.groups is not None:
        names, branch_c = labelled(adata, config.groups, config.terminals, main_n)
    else:
        if found:
            height_c = away(z_cd, z_cd.mean(axis=0) if root is None else z_cd[root])
            anchors_g = tips(
                kernel_cc, height_c, rank_c,
                at_most=config.max_branches, persistence=config.persistence,
            )  # fmt: skip
        else:
            given = [cell_in_graph(t, "terminal cell", cells, main_n) for t in config.terminals]
            anchors_g = np.array(given)
        names = tuple(cells[main_n][anchors_g].tolist())
        size = max(1, min(size, len(z_cd) // (4 * len(names))))
        branch_c = terminal_sets(z_cd, anchors_g, size, rank_c)
    if root is not None and branch_c[root] != TRANSIENT:
        raise InputError(
            f"root {config.root!r} lies in terminal state {names[branch_c[root]]!r}: give a root "
            "elsewhere, other terminals, or a smaller terminal_size"
        )
    return Ends(names=names, branch_c=branch_c, anchors_g=anchors_g, size=size, found=found)


def cell_in_graph(name: str, what: str, cells: np.ndarray, main_n: np.ndarray) -> int:
    """Position of a named training cell within the largest component.

    Raises ``InputError`` for a name that is no training cell, or one the graph leaves outside.
    """
    rows = np.flatnonzero(cells == name)
    if not len(rows):
        raise InputError(f"{what} {name!r} is no training cell: give one of adata.obs_names")
    if not main_n[rows[0]]:
        raise InputError(
            f"{what} {name!r} is outside the graph's largest component ({int(main_n.sum())} of "
            f"{len(main_n)} cells): give a cell inside it, or raise n_neighbors"
        )
    return int(main_n[: rows[0]].sum())


def labelled(
    adata: AnnData, column: str, wanted: Sequence[str], main_n: np.ndarray
) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of the terminal groups and the group of each cell in the graph, ``(c,)``.

    ``wanted`` are labels in ``obs[column]``; empty means all of them, and cells without a label are
    then the transient ones. Raises ``InputError`` for an unknown column or label, a group with
    fewer than 2 cells in the graph, and groups that leave no transient cell.
    """
    if column not in adata.obs:
        raise InputError(f"groups={column!r} is no column of adata.obs: give one of them, or None")
    values = adata.obs[column]
    label_c = np.where(values.isna(), "", values.astype(str))[main_n]
    labels = set(values.dropna().astype(str)) - {""}  # one outside the graph is refused below
    names = tuple(wanted) or tuple(sorted(labels))
    if not names:
        raise InputError(f"obs[{column!r}] labels no cell of the graph: give another column")
    branch_c = np.asarray(pd.Index(names).get_indexer(label_c)).astype(np.int64)
    counts = np.bincount(branch_c[branch_c != TRANSIENT], minlength=len(names))
    for name, count in zip(names, counts, strict=True):
        if count < 2:
            has = "one cell" if count else "no cell"
            raise InputError(
                f"terminal group {name!r} of obs[{column!r}] has {has} in the graph: give a "
                "group with at least 2, or name the others in terminals"
            )
    if (branch_c != TRANSIENT).all():
        raise InputError(
            f"every cell is in a terminal group of obs[{column!r}]: name the terminal ones in "
            "terminals"
        )
    return names, branch_c
