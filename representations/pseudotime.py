"""``X_dpt``: diffusion pseudotime from several anchors, and where these agree.

scanpy's DPT (Haghverdi 2016, Eq. 15 of the supplement) in the Nystrom coordinates of a diffusion
map, so that a new cell gets the pseudotime it would have had in training. The steady state, which
scanpy still adds unweighted, is left out.
Shapes: ``n`` training cells, ``c`` of them on the graph, ``m`` new cells, ``k`` diffusion
components, ``a`` anchors.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from anndata import AnnData

from representations.anchors import extremes, marker_cells, named_cells
from representations.base import Coordinates, Statistics
from representations.diffusion import DiffusionBasis, diffusion_basis
from representations.dpt import Course, accumulated, course_of, distances
from representations.errors import InputError
from representations.manifold import GraphConfig, GraphRepresentation
from representations.reached import spread
from representations.registry import register
from representations.saved import part, prefixed


@dataclass(frozen=True, kw_only=True)
class PseudotimeConfig(GraphConfig):
    """Anchors over a diffusion map; without ``roots`` and ``marker_roots``, label-free ones.

    ``n_components`` leaves out the steady state, which scanpy's ``n_dcs=10`` counts. ``roots`` are
    names of training cells. ``marker_roots`` are genes, or several joined by ``+``: the anchor is
    the cell with the highest score smoothed over the graph. Else ``n_anchors`` extremes of the
    diffusion map.
    """

    n_components: int = 9
    roots: tuple[str, ...] = ()
    marker_roots: tuple[str, ...] = ()
    n_anchors: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_anchors < 1:
            raise InputError(f"n_anchors={self.n_anchors} leaves no pseudotime: give 1 or more")
        if any(isinstance(names, str) for names in (self.roots, self.marker_roots)):
            raise InputError("roots and marker_roots are tuples of names: give ('name',)")


@register
class MultiAnchorPseudotime(GraphRepresentation):
    """Diffusion pseudotime (Haghverdi 2016) from each anchor, their consensus and disagreement.

    Columns: ``dpt_<cell>`` for each anchor, 1 at the farthest training cell (a new cell may lie
    beyond); then, with two anchors or more, ``consensus`` and ``disagreement``, both from 0 to 1.

    Anchors stand at opposite ends of one course, or on different ones, so pseudotimes cannot be
    averaged as they are. Each is first made a quantile over the training cells; then the first
    anchor gives the direction. One whose quantiles correlate with the first one's by ``r < 0``
    looks from the other end and is turned round (``1 - quantile``). Each counts with weight
    ``r ** 2``, so one on another course hardly moves the consensus, and whether it is turned hardly
    matters. Consensus is the weighted mean; disagreement the weighted root mean squared difference
    between two anchors. Without given anchors the direction has no biological meaning: the first is
    merely the farthest out.

    ``confidence_n`` is 1 - disagreement: 1 where all anchors put a cell at one point of the course.
    A single anchor cannot disagree with itself, so there is no confidence then.
    """

    name = "dpt"
    Config = PseudotimeConfig
    config: PseudotimeConfig
    basis: DiffusionBasis
    anchor_ak: np.ndarray
    scale_a: np.ndarray
    course: Course | None

    def _fit(self, adata: AnnData) -> tuple[Coordinates, dict[str, Any]]:
        c, facts = self.config, self.manifold.fit(adata)
        main_n, weights_cc = self.manifold.main_n, self.manifold.weights_cc
        self.basis = diffusion_basis(weights_cc, c.n_components, seed=c.seed)
        names_n = adata.obs_names.to_numpy().astype(str)
        names_c = names_n[main_n]
        at_ck = accumulated(self.basis.values_c, self.basis.vectors_nc)
        anchors = named_cells(c.roots, names_n, main_n)
        anchors += marker_cells(c.marker_roots, adata, main_n, weights_cc)
        anchors = list(dict.fromkeys(anchors)) or extremes(at_ck, names_c, c.n_anchors)
        self.anchor_ak = at_ck[anchors]
        distance_ca = distances(at_ck, self.anchor_ak)
        self.scale_a = distance_ca.max(axis=0)
        self.course = course_of(distance_ca / self.scale_a) if len(anchors) > 1 else None
        x_ca, sure_c = self.pseudotimes(self.basis.vectors_nc)
        return spread(main_n, x_ca, sure_c), {
            "backend": f"{facts.pop('knn_backend')}, Chebyshev filter",
            **facts,
            "labels_used": [key for key in ("roots", "marker_roots") if getattr(c, key)],
            "columns": self._columns(names_c[anchors]),
            "anchors": names_c[anchors].tolist(),
            "anchor_agreement": self.course.agreement_a.tolist() if self.course else [1.0],
            "eigenvalues": self.basis.values_c.tolist(),
        }

    def pseudotimes(self, psi_mk: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Columns and confidence of cells at ``psi_mk`` in the diffusion map."""
        at_mk = accumulated(self.basis.values_c, psi_mk)
        time_ma = distances(at_mk, self.anchor_ak) / self.scale_a
        if self.course is None:
            return time_ma, None
        consensus_m, apart_m = self.course.place(time_ma)
        return np.column_stack([time_ma, consensus_m, apart_m]), 1 - apart_m

    def _columns(self, anchors: np.ndarray) -> list[str]:
        both = ["consensus", "disagreement"] if len(anchors) > 1 else []
        return [*(f"dpt_{name}" for name in anchors), *both]

    def _place(self, adata: AnnData, statistics: Statistics) -> Coordinates:
        inside_mc, reached_m = self.manifold.kernel(adata, statistics)
        psi_mk = np.zeros((int(reached_m.sum()), len(self.basis.values_c)))
        if reached_m.any():
            psi_mk = self.basis.place(sp.csr_matrix(inside_mc[reached_m]))
        return spread(reached_m, *self.pseudotimes(psi_mk))

    def _state(self) -> dict[str, np.ndarray]:
        return {
            **self.manifold.state(), **prefixed("basis", asdict(self.basis)),
            "anchor": self.anchor_ak, "scale": self.scale_a,
            **(prefixed("course", asdict(self.course)) if self.course else {}),
        }  # fmt: skip

    def _load_state(self, state: dict[str, np.ndarray]) -> None:
        self.manifold.load_state(state, self._record)
        self.basis = DiffusionBasis(**part("basis", state))
        self.anchor_ak, self.scale_a = state["anchor"], state["scale"]
        course = part("course", state)
        self.course = Course(**course) if course else None
