"""Pseudotime, branches and groups of all cells, as a draw of nine in ten of them has it.

Shapes: ``n`` cells, ``l`` lineages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from anndata import AnnData

from benchmarks.haematopoiesis import CLASSES, LINEAGES, class_pairs, classes_of, marker_scores
from benchmarks.hashing import named_uniforms
from representations.branching import Branching
from representations.errors import InputError
from representations.paga import Paga
from representations.pca import PcaConfig
from representations.pseudotime import MultiAnchorPseudotime, PseudotimeConfig

ROLE = "published_role"


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Columns ``(n, l)`` of what ``names`` say, who is reached, and what a record should tell."""

    names: tuple[str, ...]
    x_nl: np.ndarray
    reached_n: np.ndarray
    facts: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Groups:
    """Groups of a draw: the class of each by its markers, and the pairs that were ever joined."""

    classes: list[str | None]
    sizes: list[int]
    edges: list[tuple[int, int]]
    used: list[bool]
    confidence: list[float]

    @property
    def kept(self) -> list[tuple[int, int]]:
        """Pairs whose edge is used."""
        return [edge for edge, used in zip(self.edges, self.used, strict=True) if used]

    @property
    def facts(self) -> dict[str, str]:
        """Class and cells of each group, and the pairs of classes joined, for a record."""
        named = zip(self.classes, self.sizes, strict=True)
        joined = class_pairs(self.kept, self.classes)
        return {
            "groups": ", ".join(f"{name or 'none'} ({n})" for name, n in named),
            "joined": ", ".join(" - ".join(sorted(pair)) for pair in joined),
        }


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
        rep = MultiAnchorPseudotime(config).fit(self.drawn(seed))
        placed, columns = rep.place(self.adata), rep.record.columns
        column = columns.index("consensus") if "consensus" in columns else 0
        return Fit(
            names=("pseudotime",),
            x_nl=placed.x_nd[:, [column]].astype(np.float64),
            reached_n=placed.reached_n,
            facts={"anchors": " ".join(rep.record.facts["anchors"])},
        )

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
            branch_of = borne(rep, marker_scores(train))
        facts = {f"branch of {lineage}": found.names[g] for lineage, g in branch_of.items()}
        return Fit(
            names=tuple(branch_of),
            x_nl=found.probability_mg[:, list(branch_of.values())],
            reached_n=found.reached_m,
            facts=facts | {"branches": " ".join(found.names)},
        )

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
        )


def borne(rep: Branching, score_nl: np.ndarray) -> dict[str, int]:
    """The branch of each lineage: the end whose cells express its markers most, never FateID's.

    Two lineages may take one branch where no end is their own.
    """
    branch_c = rep.walk.branch_c  # below 0 for cells of no end
    n_branches = int(branch_c.max()) + 1
    at_end_c = branch_c >= 0
    mean_gl = means(score_nl[rep.manifold.main_n][at_end_c], branch_c[at_end_c], n_branches)
    return {of: int(mean_gl[:, CLASSES.index(name)].argmax()) for of, name in LINEAGES.items()}


def means(score_nl: np.ndarray, group_n: np.ndarray, n_groups: int) -> np.ndarray:
    """Mean scores of each group, ``(n_groups, l)``."""
    return np.stack([score_nl[group_n == g].mean(axis=0) for g in range(n_groups)])
