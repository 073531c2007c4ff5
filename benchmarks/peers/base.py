"""What a peer is asked and what it answers, and the preparation that several of them share.

Shapes: ``n`` cells, ``g`` branches, ``k`` cells of an end.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import pandas as pd
from anndata import AnnData

from benchmarks.tasks import NotRun
from representations.family import Family
from representations.preprocess import counts

NO_END = -1


@dataclass(frozen=True, kw_only=True)
class Question:
    """What ours gets, too: names of cells, and a seed for whatever is drawn.

    ``start`` is None where no direction is given; ``terminals`` maps a lineage to its terminal
    cell, and is empty where ends are to be found.
    """

    start: str | None
    terminals: Mapping[str, str]
    seed: int


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Probability of each branch ``(n, g)``, and the branch whose end a cell is, else ``NO_END``.

    ``names`` are lineages where their terminal cells were given.
    """

    names: tuple[str, ...]
    p_ng: np.ndarray
    end_n: np.ndarray


class Peer(Protocol):
    """A package with the settings of its own documentation; imported when asked, not before.

    ``packages`` are the distributions it needs.
    """

    packages: ClassVar[tuple[str, ...]]

    def settings(self) -> dict[str, Any]:
        """What decides an answer besides the question: it names the record."""

    def pseudotime(self, adata: AnnData, question: Question) -> np.ndarray:
        """Pseudotime ``(n,)`` from the start, by raw counts in ``adata``."""

    def branches(self, adata: AnnData, question: Question) -> Answer:
        """Branch probabilities by raw counts in ``adata``."""


_FAMILY: Family[Callable[..., Peer]] = Family("peer", package="benchmarks.peers")
register, names = _FAMILY.register, _FAMILY.names


def create(name: str, **options: Any) -> Peer:
    """A peer by name, whether or not its packages are installed."""
    return _FAMILY.get(name)(**options)


def version_of(peer: Peer) -> dict[str, str]:
    """Versions of the packages a peer needs; ``NotRun`` for the first that is not installed."""
    found = {}
    for package in peer.packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError as error:
            raise NotRun(f"{package} is not installed: make lineage has a place for it") from error
    return found


def bare(adata: AnnData) -> AnnData:
    """Raw counts alone, under the same names: nothing published beside them can be used."""
    return AnnData(
        counts(adata).astype(np.float32),
        obs=pd.DataFrame(index=adata.obs_names.astype(str)),
        var=pd.DataFrame(index=adata.var_names.astype(str)),
    )


def nearest(x_nd: np.ndarray, anchors_g: np.ndarray, k: int) -> np.ndarray:
    """Branch of each cell: the ``k`` cells nearest to an anchor, and to no other, are its end."""
    far_ng = np.linalg.norm(x_nd[:, None] - x_nd[anchors_g][None], axis=-1)
    own_n, end_n = far_ng.argmin(axis=1), np.full(len(x_nd), NO_END)
    for g in range(len(anchors_g)):
        own = np.flatnonzero(own_n == g)
        end_n[own[np.argsort(far_ng[own, g], kind="stable")[:k]]] = g
    return end_n


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Without the progress lines and deprecation warnings of other people's code.

    Their draws from numpy's global generator are undone, so that a peer changes no later row.
    """
    state = np.random.get_state()  # noqa: NPY002 - theirs
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
