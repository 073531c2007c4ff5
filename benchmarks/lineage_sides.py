"""Pseudotime and branch probabilities from principal components on: ours, and each peer's chain.

Run as ``python -m benchmarks.lineage_sides ASKED`` it times one side in a process of its own, one
JSON line a repeat. Shapes: ``n`` cells, ``d`` components.
"""

from __future__ import annotations

import contextlib
import gc
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from benchmarks.peak import MB, peak_bytes
from benchmarks.peers import Question, create
from benchmarks.peers.base import quietly
from benchmarks.peers.cellrank import CellRank
from benchmarks.peers.palantir import Palantir
from benchmarks.peers.scanpy import Scanpy
from representations.branching import Branching
from representations.manifold import GraphRepresentation
from representations.pseudotime import MultiAnchorPseudotime, PseudotimeConfig

X_PCA = "X_pca"
WARM_CELLS = 600
START, TERMINALS = "start", ("Ery", "DC", "Mono")
Side = Callable[[AnnData, int, dict[str, Any]], object]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What one process is to time: ``options`` are the side's own, ``cells`` a file of rows.

    The first rows are the start and the terminal cells. No repeat begins that would probably not
    end within ``limit_s`` of the first.
    """

    side: str
    representation: str
    options: dict[str, Any]
    cells: str
    seed: int
    repeats: int
    limit_s: float


class _Components:
    """Stands where principal components are fitted: these are given."""

    genes: tuple[str, ...] = ()

    def fit_transform(self, adata: AnnData) -> np.ndarray:
        return np.asarray(adata.obsm[X_PCA])


def question_of(representation: str, seed: int) -> Question:
    """The start, and the terminal cells where branches are asked for."""
    named = TERMINALS if representation == "X_branch" else ()
    return Question(start=START, terminals={name: name for name in named}, seed=seed)


def ours(representation: str, own: AnnData, question: Question, **options: Any) -> object:
    """The fit of ``X_dpt`` or ``X_branch``, less what is before the components."""
    rep: GraphRepresentation
    if representation == "X_dpt":
        rep = MultiAnchorPseudotime(PseudotimeConfig(roots=(START,), seed=question.seed))
    else:
        ends = tuple(question.terminals)
        config = Branching.Config(root=START, terminals=ends, seed=question.seed, **options)
        rep = Branching(config)
    rep.manifold.pca = _Components()  # type: ignore[assignment]
    return rep._fit(own)[0].x_nd


def answer(asked: Asked, own: AnnData) -> object:
    """One side's answer, from ``own.obsm`` on."""
    question = question_of(asked.representation, asked.seed)
    if asked.side == "ours":
        return ours(asked.representation, own, question, **asked.options)
    peer = create(asked.side, **asked.options)
    with quietly():
        if isinstance(peer, Palantir):
            return peer.run(own, question)
        if isinstance(peer, CellRank | Scanpy):
            return peer.on_components(own, question)
    raise NotImplementedError(f"{asked.side} has no chain from components on")


def cells_at(x_nd: np.ndarray) -> AnnData:
    """Components as an AnnData; the first rows bear the names of the question."""
    names = [START, *TERMINALS, *(f"cell{i}" for i in range(len(x_nd) - 1 - len(TERMINALS)))]
    nothing = sp.csr_matrix((len(x_nd), 1), dtype=np.float32)  # CellRank asks for its type
    return AnnData(nothing, obs=pd.DataFrame(index=pd.Index(names)), obsm={X_PCA: x_nd})


def measured(asked: Asked) -> Iterator[dict[str, float]]:
    """Seconds of each repeat and the megabytes that the call adds at its peak, JIT warm."""
    x_nd = np.load(asked.cells, allow_pickle=False)
    _warm_up(asked, x_nd)
    spent = 0.0
    for done in range(asked.repeats):
        if spent + spent / max(done, 1) > asked.limit_s:
            return
        own = cells_at(x_nd.copy())
        gc.collect()
        with contextlib.suppress(OSError):  # Linux: the peak so far is forgotten
            Path("/proc/self/clear_refs").write_text("5")
        before, started = peak_bytes(), time.perf_counter()
        answer(asked, own)
        seconds = time.perf_counter() - started
        spent += seconds
        yield {"seconds": seconds, "peak_mb": (peak_bytes() - before) / MB}


def _warm_up(asked: Asked, x_nd: np.ndarray) -> None:
    """Compile what is compiled at first use, scanpy's search of large data too."""
    small_nd = x_nd[:WARM_CELLS].copy()
    answer(asked, cells_at(small_nd))
    if asked.side != "ours":
        import scanpy as sc

        with quietly():
            sc.pp.neighbors(cells_at(small_nd), use_rep=X_PCA, transformer="pynndescent")


def encoded(asked: Asked) -> str:
    """One word for a command line."""
    return json.dumps(asdict(asked))


if __name__ == "__main__":
    for line in measured(Asked(**json.loads(sys.argv[1]))):
        print(json.dumps(line), flush=True)
