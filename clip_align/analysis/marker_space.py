"""How alike two markers are: across cells, and in the space that the marker tower has learned.

The direction of a marker is what the embedding of a profile does when that marker goes up by one
standard deviation: half a step up less half a step down, averaged over real profiles. A mean
profile lies between the types, where no cell is and no model was trained, and a gradient sees a
step too small to matter: so neither is taken. Two markers are alike in the space where their
directions point the same way (cosine). A CLR profile sums to zero; the raised one does not, as the
other markers are held where they are.

Shapes: ``n`` cells, ``s`` of them sampled, ``m`` markers, ``e`` dimensions, ``b`` replicates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from einops import einsum
from numpy.typing import NDArray

from clip_align.collapse import unit_rows
from clip_align.pairs import column_spread
from clip_align.resample import interval

Floats = NDArray[np.float64]
SAMPLE = 256
NAMED = (("CD3", "CD19"), ("CD4", "CD8"))
SPELLED = {"CD3": ("CD3", "CD3E", "CD3D", "CD3G"), "CD8": ("CD8a", "CD8A", "CD8b", "CD8B")}


def responses(
    embed: Callable[[np.ndarray], np.ndarray], profile_sm: np.ndarray, spread_m: np.ndarray
) -> Floats:
    """Change of each profile's embedding as each marker goes up by one spread, ``(m, s, e)``."""
    found = []
    for marker, spread in enumerate(np.asarray(spread_m)):
        step_m = np.zeros(len(spread_m))
        step_m[marker] = spread / 2
        up_se, down_se = embed(profile_sm + step_m), embed(profile_sm - step_m)
        found.append(np.asarray(up_se, np.float64) - down_se)
    return np.stack(found)


def marker_space(
    profile_nm: NDArray[np.floating],
    markers: Sequence[str],
    embed: Callable[[np.ndarray], np.ndarray],
    sampled: NDArray[np.int64],
    weights_bn: Floats,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Similarity of each two markers, and the named pairs with 95 % intervals.

    Columns ``first second correlation cosine``, and for the named pairs ``*_low`` and ``*_high``.
    ``correlation`` is Pearson's over the ``n`` cells; ``cosine`` that of the two directions, from
    the rows ``sampled``. nan where a marker is constant or moves nothing.
    """
    value_nm = np.asarray(profile_nm, np.float64)
    spread_m = column_spread(value_nm)
    moved_mse = responses(embed, value_nm[sampled], spread_m)
    correlation_mm = _cosines(((value_nm - value_nm.mean(axis=0)) * (spread_m > 0)).T)
    cosine_mm = _cosines(moved_mse.mean(axis=1))
    at = list(combinations(range(len(markers)), 2))
    table = pd.DataFrame(
        [(markers[a], markers[b], correlation_mm[a, b], cosine_mm[a, b]) for a, b in at],
        columns=["first", "second", "correlation", "cosine"],
    )
    rows = []
    for a, b in named_pairs(markers):
        correlation_b = _correlations(value_nm[:, [a, b]], weights_bn)
        cosine_b = _direction_cosines(moved_mse[[a, b]], weights_bn[:, sampled])
        rows.append(
            (
                *(markers[a], markers[b]),
                *(correlation_mm[a, b], *interval(correlation_b), len(value_nm)),
                *(cosine_mm[a, b], *interval(cosine_b), len(sampled)),
            )
        )
    columns = [
        *("first", "second", "correlation", "correlation_low", "correlation_high", "n"),
        *("cosine", "cosine_low", "cosine_high", "n_sampled"),
    ]
    return table, pd.DataFrame(rows, columns=columns)


def named_pairs(markers: Sequence[str]) -> list[tuple[int, int]]:
    """Places of CD3 and CD19, CD4 and CD8, as antibodies or as genes, where both are there.

    Of a run of both views those of the antibodies.
    """
    named = [name.removeprefix("adt:") for name in markers]
    places = {name: place for place, name in reversed(list(enumerate(named)))}

    def find(name: str) -> int | None:
        return next((places[n] for n in SPELLED.get(name, (name,)) if n in places), None)

    found = [(find(a), find(b)) for a, b in NAMED]
    return [(a, b) for a, b in found if a is not None and b is not None]


def square(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """A column of the pairs as a symmetric matrix, 1 on the diagonal; markers without one go."""
    names = list(dict.fromkeys([*table["first"], *table["second"]]))
    wide = table.pivot(index="first", columns="second", values=column).reindex(names, columns=names)
    wide = wide.combine_first(wide.T).loc[names, names]
    kept = [name for name in names if wide[name].notna().any()]
    full_mm = wide.loc[kept, kept].to_numpy(copy=True)
    np.fill_diagonal(full_mm, 1.0)
    return pd.DataFrame(full_mm, index=kept, columns=kept)


def _cosines(x_md: Floats) -> Floats:
    unit_md = unit_rows(x_md)
    cosine_mm: Floats = np.clip(unit_md @ unit_md.T, -1.0, 1.0)
    silent_m = ~unit_md.any(axis=1)
    cosine_mm[silent_m] = cosine_mm[:, silent_m] = np.nan
    return cosine_mm


def _correlations(value_n2: Floats, weights_bn: Floats) -> Floats:
    """Weighted Pearson correlation of two columns, (b,)."""
    weights_bn = weights_bn / weights_bn.sum(axis=1, keepdims=True)
    centred_n2 = value_n2 - value_n2.mean(axis=0)
    mean_b2 = weights_bn @ centred_n2
    var_b2 = weights_bn @ centred_n2**2 - mean_b2**2
    both_b = weights_bn @ centred_n2.prod(axis=1) - mean_b2.prod(axis=1)
    found_b: Floats = both_b / np.sqrt(np.where(var_b2 > 0, var_b2, np.nan).prod(axis=1))
    return found_b


def _direction_cosines(moved_2se: Floats, weights_bs: Floats) -> Floats:
    mean_b2e = einsum(weights_bs, moved_2se, "b s, k s e -> b k e")
    length_b2 = np.linalg.norm(mean_b2e, axis=2)
    dot_b = einsum(mean_b2e[:, 0], mean_b2e[:, 1], "b e, b e -> b")
    found_b: Floats = dot_b / np.where(length_b2 > 0, length_b2, np.nan).prod(axis=1)
    return found_b
