"""Pseudotime, branches and groups of cells, as a draw of nine in ten of them has it.

Ours, and peers on the same draws. Shapes: ``n`` cells, ``l`` lineages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from anndata import AnnData

from benchmarks.groups import Groups
from benchmarks.haematopoiesis import CLASSES, LINEAGES, classes_of, marker_scores
from benchmarks.hashing import named_uniforms
from benchmarks.peers import Peer, Question
from representations.branching import Branching
from representations.errors import InputError
from representations.paga import Paga
from representations.pca import PcaConfig
from representations.pseudotime import MultiAnchorPseudotime, PseudotimeConfig

ROLE = "published_role"


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Columns ``(n, l)`` of what ``names`` say, and what a record should tell.

    ``fitted_n`` marks the cells of the draw that have a value, ``placed_n`` the others that have
    one: a peer places none.
    """

    names: tuple[str, ...]
    x_nl: np.ndarray
    fitted_n: np.ndarray
    placed_n: np.ndarray
    facts: dict[str, str]


class Fits:
    """Fits on draws of one data set; the published cells are in every draw, as anchors must be."""

    def __init__(
        self, adata: AnnData, *, name: str, share: float, marker_roots: tuple[str, ...]
    ) -> None:
        self.adata, self.name, self.share, self.marker_roots = adata, name, share, marker_roots
        self.cells = adata.obs_names.to_numpy().astype(str)
        role_n = adata.obs[ROLE].astype(str)
        self.published = {role: str(cell) for cell, role in role_n.items() if role != "none"}
        if "start" not in self.published:
            raise InputError(f"{name}: no cell of obs[{ROLE!r}] is 'start': lineages have no root")
        terminal = {of: self.published.get(f"terminal {of}") for of in LINEAGES}
        self.terminals = {of: cell for of, cell in terminal.items() if cell is not None}

    def drawn(self, seed: int) -> AnnData:
        """The cells that a seed fits on, in the order of the file."""
        first_n = named_uniforms(self.cells, 1, context=f"lineage/{self.name}/{seed}")[:, 0]
        first_n[np.isin(self.cells, list(self.published.values()))] = 0
        kept = np.argsort(first_n, kind="stable")[: round(self.share * len(self.cells))]
        return self.adata[np.sort(kept)].copy()

    def _fit(
        self, names: tuple[str, ...], x_ml: np.ndarray, cells: AnnData, train: AnnData,
        reached_m: np.ndarray, facts: dict[str, str],
    ) -> Fit:  # fmt: skip
        """Rows of ``cells``, which are all cells or those of the draw, among all."""
        x_nl, reached_n = np.zeros((len(self.cells), len(names))), np.zeros(len(self.cells), bool)
        rows = self.adata.obs_names.get_indexer(cells.obs_names)
        x_nl[rows], reached_n[rows] = x_ml, reached_m
        drawn_n = self.adata.obs_names.isin(train.obs_names)
        return Fit(
            names=names, x_nl=x_nl, fitted_n=reached_n & drawn_n, placed_n=reached_n & ~drawn_n,
            facts=facts,
        )  # fmt: skip

    def pseudotime(self, anchors: str, seed: int) -> Fit:
        """Consensus of the anchors, or the one pseudotime where there is one anchor."""
        start = self.published["start"]
        anchor_sets: dict[str, dict[str, Any]] = {
            "start": {"roots": (start,)},
            "start+terminals": {"roots": (start, *self.terminals.values())},
            "markers": {"marker_roots": self.marker_roots},
            "label-free": {},
        }
        chosen = anchor_sets[anchors]
        config = PseudotimeConfig(**chosen, seed=seed, pca=PcaConfig(seed=seed))
        train = self.drawn(seed)
        rep = MultiAnchorPseudotime(config).fit(train)
        placed, columns = rep.place(self.adata), rep.record.columns
        column = columns.index("consensus") if "consensus" in columns else 0
        time_nl = placed.x_nd[:, [column]].astype(np.float64)
        facts = {"anchors": " ".join(rep.record.facts["anchors"])}
        return self._fit(("pseudotime",), time_nl, self.adata, train, placed.reached_n, facts)

    def pseudotime_of(self, peer: Peer, seed: int) -> Fit:
        """A peer's, from the published start."""
        train = self.drawn(seed)
        question = Question(start=self.published["start"], terminals={}, seed=seed)
        time_ml = peer.pseudotime(train, question)[:, None]
        reached_m = np.isfinite(time_ml[:, 0])
        facts = {"anchors": self.published["start"]}
        time_ml = np.where(reached_m[:, None], time_ml, 0.0)
        return self._fit(("pseudotime",), time_ml, train, train, reached_m, facts)

    def branches(self, ends: str, seed: int) -> Fit:
        """Probability of each lineage: of its published terminal cell, or of the end it takes."""
        chosen: dict[str, Any] = {} if ends == "free" else {"root": self.published["start"]}
        if ends == "given":
            chosen["terminals"] = tuple(self.terminals.values())
        train = self.drawn(seed)
        rep = Branching(Branching.Config(**chosen, seed=seed, pca=PcaConfig(seed=seed))).fit(train)
        found = rep.branches(self.adata)
        if ends == "given":
            branch_of = {lineage: g for g, lineage in enumerate(self.terminals)}
        else:
            branch_of = borne(rep.walk.branch_c, marker_scores(train)[rep.manifold.main_n])
        x_nl, facts = (
            found.probability_mg[:, list(branch_of.values())],
            taken(branch_of, found.names),
        )
        return self._fit(tuple(branch_of), x_nl, self.adata, train, found.reached_m, facts)

    def branches_of(self, peer: Peer, ends: str, seed: int) -> Fit:
        """A peer's, by the same cells and the same rule for which end is whose."""
        train = self.drawn(seed)
        question = Question(
            start=None if ends == "free" else self.published["start"],
            terminals=self.terminals if ends == "given" else {},
            seed=seed,
        )
        found = peer.branches(train, question)
        if ends == "given":
            branch_of = {lineage: found.names.index(lineage) for lineage in self.terminals}
        else:
            branch_of = borne(found.end_n, marker_scores(train))
        x_ml, facts = found.p_ng[:, list(branch_of.values())], taken(branch_of, found.names)
        reached_m = np.isfinite(x_ml).all(axis=1)
        x_ml = np.where(reached_m[:, None], x_ml, 0.0)
        return self._fit(tuple(branch_of), x_ml, train, train, reached_m, facts)

    def groups(self, seed: int) -> Groups:
        """Label-free groups with their edges and classes."""
        train = self.drawn(seed)
        rep = Paga(Paga.Config(seed=seed, pca=PcaConfig(seed=seed))).fit(train)
        facts, scores = rep.record.facts, marker_scores(train)[rep.manifold.main_n]
        names = list(facts["groups"])
        edges = facts["edges"]
        return Groups(
            classes=classes_of(means(scores, rep.group_c, len(names))),
            sizes=list(facts["groups"].values()),
            edges=[(names.index(e["groups"][0]), names.index(e["groups"][1])) for e in edges],
            used=[e["used"] for e in edges],
            confidence=[e["confidence"] for e in edges],
            tree=[e["tree"] for e in edges],
        )


def taken(branch_of: dict[str, int], names: Sequence[str]) -> dict[str, str]:
    """Which branch each lineage takes, and all there are."""
    facts = {f"branch of {lineage}": names[g] for lineage, g in branch_of.items()}
    return facts | {"branches": " ".join(names)}


def borne(branch_c: np.ndarray, score_cl: np.ndarray) -> dict[str, int]:
    """The branch of each lineage: the end whose cells express its markers most, never FateID's.

    ``branch_c`` is below 0 for cells of no end. Two lineages may take one branch where no end is
    their own.
    """
    at_end_c = branch_c >= 0
    mean_gl = means(score_cl[at_end_c], branch_c[at_end_c], int(branch_c.max()) + 1)
    return {of: int(mean_gl[:, CLASSES.index(name)].argmax()) for of, name in LINEAGES.items()}


def means(score_nl: np.ndarray, group_n: np.ndarray, n_groups: int) -> np.ndarray:
    """Mean scores of each group, ``(n_groups, l)``."""
    return np.stack([score_nl[group_n == g].mean(axis=0) for g in range(n_groups)])
