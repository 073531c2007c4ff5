"""Everything about one alignment on one fixed global pool: tables, no files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clip_align.analysis.confusion import confusion
from clip_align.analysis.marker_space import SAMPLE, marker_space
from clip_align.analysis.ontology_distance import distance_shares, mean_distances
from clip_align.analysis.order import kin_order
from clip_align.analysis.siblings import judge, pair_table, pairs_to_judge
from clip_align.analysis.telling_markers import telling_markers
from clip_align.analysis.tree import TypeTree
from clip_align.analysis.wrong_partners import wrong_partners
from clip_align.pairs import UNLABELLED, PairedCells
from clip_align.resample import bootstrap_weights, interval, weighted_mean
from clip_align.retrieval import pair_scores, top_label_shares
from clip_align.stratify import stratified
from representations.errors import InputError

Floats = NDArray[np.float64]
MOST_CELLS = 8000  # similarities of the pool then take 256 MB


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """Tables of one alignment; each is described by the function that makes it.

    ``distance`` and ``mean_distance`` are None where no two types are placed in the tree.
    ``remarks`` say what was left out, a line each; ``order`` are the types, kin side by side.
    """

    order: tuple[str, ...]
    n_given: int
    n_wrong: int
    summary: pd.DataFrame
    confusion: pd.DataFrame
    pairs: pd.DataFrame
    telling: pd.DataFrame
    wrong: pd.DataFrame
    markers: pd.DataFrame
    named: pd.DataFrame
    distance: pd.DataFrame | None
    mean_distance: pd.DataFrame | None
    remarks: tuple[str, ...]


def analyse(
    embeddings: PairedCells,
    profile_nm: NDArray[np.floating],
    markers: Sequence[str],
    embed_markers: Callable[[np.ndarray], np.ndarray],
    *,
    tree: TypeTree | None = None,
    dataset: str = "query",
    most_cells: int = MOST_CELLS,
) -> Analysis:
    """Analyse the errors of an alignment.

    Parameters
    ----------
    embeddings
        Pairs in the joint space: unit vectors ``(n, e)`` on both sides. Cells without a label are
        left out; of more than ``most_cells``, a stratified sample is the pool.
    profile_nm
        Marker profiles behind ``embeddings.marker_nm``, as ``embed_markers`` reads them.
    embed_markers
        Profiles ``(k, m)`` to embeddings ``(k, e)``: the marker tower.
    tree
        The types in the hierarchy; None where nothing is known of them.
    dataset
        Key of the bootstrap: two models on the same cells share their resampling.

    Raises
    ------
    InputError
        Fewer than two types have cells, or the arrays do not fit one another.
    """
    if profile_nm.shape != (len(embeddings), len(markers)):
        raise InputError(
            f"profiles of shape {profile_nm.shape}: expected ({len(embeddings)}, {len(markers)})"
        )
    pool, remarks = _pool(embeddings, most_cells)
    pairs = PairedCells(
        cell_nd=embeddings.cell_nd[pool], marker_nm=embeddings.marker_nm[pool],
        ids_n=embeddings.ids_n[pool].astype(str), types_n=embeddings.types_n[pool].astype(str),
    )  # fmt: skip
    profile_nm = profile_nm[pool]
    sim_nn = pairs.cell_nd @ pairs.marker_nm.T
    labels, codes_n = np.unique(pairs.types_n, return_inverse=True)
    names = [str(name) for name in labels]
    top_nt = top_label_shares(sim_nn, codes_n, len(names))
    weights_bn = bootstrap_weights(pairs.ids_n, dataset=dataset, strata=pairs.types_n)
    by_type = confusion(top_nt, codes_n, names, weights_bn)
    judged = [judge(sim_nn, pairs.types_n, pair) for pair in pairs_to_judge(by_type, tree)]
    judged.sort(key=lambda found: -float(found.confusion()[0]))
    telling = [telling_markers(profile_nm, markers, found, weights_bn) for found in judged]
    wrong, n_wrong = wrong_partners(sim_nn, pairs, profile_nm, markers, tree)
    sampled = stratified(pairs.ids_n, pairs.types_n, SAMPLE, context="marker space")
    space, named = marker_space(profile_nm, markers, embed_markers, sampled, weights_bn)
    distance = mean_distance = None
    if tree is not None:
        remarks += _unplaced(names, tree)
        edges_tt = tree.edges(names)
        if np.isfinite(edges_tt).sum() > len(names):
            distance = distance_shares(top_nt, codes_n, edges_tt, weights_bn)
            mean_distance = mean_distances(top_nt, codes_n, edges_tt, names, weights_bn)
    return Analysis(
        order=kin_order(by_type, tree),
        n_given=len(embeddings), n_wrong=n_wrong,
        summary=_summary(sim_nn, top_nt, codes_n, weights_bn), confusion=by_type,
        pairs=pair_table(judged, weights_bn),
        telling=pd.concat(telling, ignore_index=True) if telling else pd.DataFrame(),
        wrong=wrong, markers=space, named=named,
        distance=distance, mean_distance=mean_distance, remarks=tuple(remarks),
    )  # fmt: skip


def _pool(given: PairedCells, most: int) -> tuple[NDArray[np.int64], list[str]]:
    remarks = []
    told = np.flatnonzero(given.types_n.astype(str) != UNLABELLED)
    if silent := len(given) - len(told):
        remarks.append(f"{silent} of {len(given)} cells have no cell type: they are left out")
    n_types = len(np.unique(given.types_n[told].astype(str)))
    if n_types < 2:
        raise InputError(
            f"{len(told)} cells of {n_types} type{'s' * (n_types != 1)}: errors are between types, "
            "give labelled cells of two or more"
        )
    ids_n, types_n = given.ids_n[told].astype(str), given.types_n[told].astype(str)
    rows = stratified(ids_n, types_n, most)
    if len(rows) < len(told):
        remarks.append(
            f"{len(rows)} of {len(told)} labelled cells are the pool, a sample within each type"
        )
    return told[rows], remarks


def _unplaced(names: Sequence[str], tree: TypeTree) -> list[str]:
    lost = [name for name in names if not tree.path(name)]
    if not lost:
        return []
    return [
        f"{len(lost)} of {len(names)} types have no place in the tree of cell types "
        f"({', '.join(lost)}): no siblings and no distance for them"
    ]


def _summary(
    sim_nn: NDArray[np.floating],
    top_nt: Floats,
    codes_n: NDArray[np.int64],
    weights_bn: Floats,
) -> pd.DataFrame:
    """Columns ``metric value low high chance n pool``: how good the alignment is as a whole."""
    scores, n = pair_scores(sim_nn), len(sim_nn)
    pool_t = np.bincount(codes_n) / n
    of = {
        "pair_accuracy": (scores.pair_accuracy_n, 0.5),
        "recall@10": (scores.recall_n(10), min(10 / n, 1.0)),
        "type_match@1": (top_nt[np.arange(n), codes_n], float(np.sum(pool_t**2))),
    }
    rows = [
        (name, score_n.mean(), *interval(weighted_mean(score_n, weights_bn)), chance, n, n)
        for name, (score_n, chance) in of.items()
    ]
    columns = ["metric", "value", "low", "high", "chance", "n", "pool"]
    return pd.DataFrame(rows, columns=columns)
