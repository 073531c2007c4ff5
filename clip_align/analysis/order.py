"""In which order types stand in a figure: kin side by side.

Shapes: ``t`` types.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from clip_align.analysis.confusion import matrix
from clip_align.analysis.tree import TypeTree


def kin_order(table: pd.DataFrame, tree: TypeTree | None) -> tuple[str, ...]:
    """Order of the types of a confusion by type.

    That of the tree; a type it does not hold stands behind the one it is most taken for. Without a
    tree, types are clustered by how often they are taken for one another.
    """
    names = sorted(set(table["type"]))
    share = matrix(table, names).to_numpy()
    both_tt = pd.DataFrame((share + share.T) / 2, index=names, columns=names)
    placed = [name for name in names if tree is not None and tree.path(name)]
    if tree is None or not placed:
        return _clustered(both_tt)
    order = tree.order(placed)
    for name in sorted(set(names) - set(placed)):
        nearest = both_tt.loc[name, order].to_numpy().argmax()
        order.insert(int(nearest) + 1, name)
    return tuple(order)


def _clustered(both_tt: pd.DataFrame) -> tuple[str, ...]:
    if len(both_tt) < 3:
        return tuple(both_tt.index)
    distance_tt = 1 - both_tt.to_numpy()
    np.fill_diagonal(distance_tt, 0)
    tree = linkage(squareform(distance_tt, checks=False), "average", optimal_ordering=True)
    return tuple(both_tt.index[leaves_list(tree)])
